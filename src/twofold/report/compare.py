"""The front door of the report: runs in, one HTML file that needs no network out."""

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from twofold._version import __version__
from twofold.errors import UsageError
from twofold.experiments.adopt import Subject, as_run
from twofold.experiments.resolve import to_yaml
from twofold.experiments.run import Run
from twofold.files import atomic_folder, write_text
from twofold.pictures.style import DARK, LIGHT, RUN_COLORS
from twofold.report.cautions import cautions, warnings
from twofold.report.facts import Facts, gather
from twofold.report.figures import draw_pictures
from twofold.report.introduction import introduction, title
from twofold.report.maps import draw_maps
from twofold.report.noise import THRESHOLD
from twofold.report.pixels import draw_pairs, draw_sheet
from twofold.report.reading import readings
from twofold.report.settings import differing, train_command
from twofold.report.tables import (
    class_tables,
    cost_rows,
    measure_groups,
    missing,
    one_machine,
    seed_table,
    version_rows,
)
from twofold.report.words import capitalize

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["compare"]

TEMPLATES = Path(__file__).parent / "templates"
WORDS = (  # each is on the page under its own name
    *(title, introduction, warnings, cautions, differing),
    *(measure_groups, missing, class_tables, seed_table, cost_rows, one_machine, version_rows),
)


def compare(runs: Sequence[Subject], out: str | Path = "report.html", seed: int = 0) -> Path:
    """Writes one self-contained HTML report on runs, side by side.

    The page is one file without scripts, in light and dark; a folder beside it, named after it,
    holds every figure as PNG and SVG. What a run did not measure stays blank.

    Arguments:
        runs: Runs or their folders, one or more, finished or not, evaluated or not.
        out: The HTML file to write.
        seed: Seed of the samples, the same for every run.

    Returns:
        The HTML file's path.

    Raises:
        UsageError: If there are no runs, or `out` is no HTML file.
        RunError: If a folder is no run, is damaged or was edited; nothing is written then.

    Example:
        $ twofold compare runs/cvae runs/cgan --out report.html
    """
    out = Path(out)
    if isinstance(runs, (str, Path, Run)) or not runs:
        raise UsageError(f"compare takes a list of one run or more, got {runs!r}")
    if out.suffix not in (".html", ".htm"):
        raise UsageError(f"out={out}: the report is a web page; name it with .html")
    opened = [as_run(run) for run in runs]
    facts = gather(opened)
    sheets = [draw_sheet(r, f, seed) for r, f in zip(opened, facts, strict=True)]
    figures, maps, pairs = draw_pictures(facts), draw_maps(facts), draw_pairs(facts)
    shown = [one for group in (*figures.values(), *(maps for _, maps in maps)) for _, one in group]
    pixels = [one for _, strips in pairs for _, one in strips] + [one for one, _ in sheets if one]
    page = _templates(facts).get_template("report.html.j2")
    html = page.render(
        {function.__name__: function(facts) for function in WORDS},
        runs=facts,
        readings=[(k, list(v)) for k, v in groupby(readings(facts), key=lambda one: one.topic)],
        sheets=sheets,
        figures=figures,
        maps=maps,
        pairs=pairs,
        seed=seed,
        commands=_commands(facts, out),
        figures_folder=f"{out.stem}-figures",
    )
    with atomic_folder(out.with_name(f"{out.stem}-figures"), is_replaced=True) as folder:
        for picture in [*shown, *(one.draw() for one in pixels)]:
            picture.save(folder)
        write_text(out, html)
    return out


def _commands(facts: Sequence[Facts], out: Path) -> list[str]:
    paths = {shlex.quote(str(run.path)): run for run in facts}
    return [
        *(train_command(run) for run in facts),
        *(f"twofold resume {path}" for path, run in paths.items() if not run.finished),
        *(f"twofold evaluate {path}" for path, run in paths.items() if not run.evaluated),
        f"twofold compare {' '.join(paths)} --out {shlex.quote(out.name)}",
    ]


def _templates(facts: Sequence[Facts]) -> "Environment":
    """Everything is escaped but what this package wrote itself: its CSS, figures and badges."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def color(index: int) -> str:
        return f"var(--run-{index % len(RUN_COLORS)})"

    badges = {}
    for i, run in enumerate(facts):
        for key, kind, text in ((run.mention, "", run.short), (run.mark, " bare", "")):
            letter = f'<b class="badge">{run.letter}</b>{escape(text)}'
            badges[key] = f'<span class="mention{kind}" style="--c:{color(i)}">{letter}</span>'

    def mentions(text: str) -> Markup:
        html = str(escape(text))
        for mention, badge in badges.items():
            html = html.replace(mention, badge)
        return Markup(html)

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"mentions": mentions, "capitalize": capitalize}
    environment.globals |= {
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "svg": lambda picture: Markup(picture.inline),
        "color": color,
        "to_yaml": to_yaml,
        "threshold": THRESHOLD,
        "light": LIGHT,
        "dark": DARK,
        "made": datetime.now(UTC).strftime("%d %B %Y"),
        "version": __version__,
    }
    return environment
