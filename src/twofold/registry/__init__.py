'''Names for classes and functions: models, networks, conditions, likelihoods, losses and the rest.

    @register("network", "mlp")
    def mlp(input_shape: Shape, output_shape: Shape, width: Count = 64) -> nn.Module:
        """A dense network. …"""

What is registered can be named wherever Twofold takes a name: in Python, in YAML, on the command
line. Its signature is its schema: every argument is a field with its type, default and, from the
docstring, its help, but for those that the surroundings give, such as the shape of the images.

A name may come from Twofold, from an installed package (entry points of the group `twofold`), from
a file that the user gives (`--plugin FILE.py`) or from a notebook. No file of settings names code.
'''

from twofold.registry.entries import (
    Entry,
    Settings,
    entries,
    find,
    is_known,
    make,
    parse,
    piece,
    register,
)
from twofold.registry.kinds import KINDS
from twofold.registry.memory import name_of, settings_of
from twofold.registry.plugins import load_plugin, plugin_files

__all__ = [
    "KINDS",
    "Entry",
    "Settings",
    "entries",
    "find",
    "is_known",
    "load_plugin",
    "make",
    "name_of",
    "parse",
    "piece",
    "plugin_files",
    "register",
    "settings_of",
]
