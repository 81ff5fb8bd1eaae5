"""How the pages are made; `make docs` calls it. Nothing on them loads from another host."""

import re

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

from twofold import __version__

project = "Twofold"
author = "the Twofold authors"
release = __version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
highlight_language = "sh"
default_role = "code"  # docstrings write `x` for a name

html_theme = "furo"
html_title = f"Twofold {release}"
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"

myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120  # seconds a cell
nb_merge_streams = True
nb_output_stderr = "remove"  # progress

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are described once, by the class
napoleon_use_rtype = False

MODULE_CODE = re.compile(r"\n\n((?:    .*\n?|\n(?=    ))+)")  # an indented paragraph
BOUNDED = re.compile(r"Annotated\[(\w+), FieldInfo\(.*?\)\]\)\]")  # a type of twofold.settings
COMMANDS = re.compile(r"^( *)\$ .*(?:\n\1\$ .*)*", re.MULTILINE)


def setup(app):
    """Formulas become MathML, which browsers draw themselves; commands in docstrings a block."""

    def formula(is_block):
        def visit(self, node):
            self.body.append(tex2mathml(node.astext(), as_block=is_block))
            raise SkipNode

        return visit

    def blocks(app, what, name, obj, options, lines):
        text = COMMANDS.sub(_as_block, "\n".join(lines))
        text = MODULE_CODE.sub(r"\n\n::\n\n\1", text) if what == "module" else text
        lines[:] = text.split("\n")

    def plain_types(app, what, name, obj, options, signature, returns):
        return BOUNDED.sub(r"\1", signature or "") or None, returns

    app.add_html_math_renderer("mathml", (formula(False), None), (formula(True), None))
    app.connect("autodoc-process-docstring", blocks, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", plain_types)


def _as_block(found):
    indent, commands = found[1], found[0].replace("\n", "\n    ")
    return f"{indent}.. code-block:: console\n\n    {commands}"
