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
from twofold.report.introduction import introduction, title
from twofold.report.measure_table import measure_groups, missing
from twofold.report.noise import THRESHOLD
from twofold.report.pictures import Pictures, draw_pictures
from twofold.report.reading import readings
from twofold.report.settings import differing, train_command
from twofold.report.sheets import Sheet, draw_sheet
from twofold.report.tables import (
    class_tables,
    cost_rows,
    one_machine,
    seed_table,
    version_rows,
)
from twofold.report.words import capitalize

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["compare"]

TEMPLATES = Path(__file__).parent / "templates"


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
    figures = draw_pictures(facts)
    pictures = [*figures, *(sheet.pixels.draw() for sheet in sheets if sheet.pixels)]
    page = _page(facts, sheets, figures, out, seed)
    with atomic_folder(out.with_name(f"{out.stem}-figures")) as folder:
        for picture in pictures:
            picture.save(folder)
        write_text(out, page)
    return out


def _page(
    facts: Sequence[Facts],
    sheets: Sequence[Sheet],
    figures: Pictures,
    out: Path,
    seed: int,
) -> str:
    return _templates(facts).get_template("report.html.j2").render(
        title=title(facts),
        introduction=introduction(facts),
        runs=facts,
        readings=[
            (topic, [one.text for one in group])
            for topic, group in groupby(readings(facts), key=lambda one: one.topic)
        ],
        warnings=warnings(facts),
        cautions=cautions(facts),
        threshold=THRESHOLD,
        sheets=sheets,
        seed=seed,
        figures=figures,
        measures=measure_groups(facts),
        missing=missing(facts),
        class_tables=class_tables(facts),
        seed_table=seed_table(facts),
        costs=cost_rows(facts),
        machine=one_machine(facts),
        differing=differing(facts),
        yamls=[to_yaml(run.experiment) for run in facts],
        versions=version_rows(facts),
        commands=_commands(facts, out),
        figures_folder=f"{out.stem}-figures",
        light=LIGHT,
        dark=DARK,
        made=datetime.now(UTC).strftime("%d %B %Y"),
        version=__version__,
    )  # fmt: skip


def _commands(facts: Sequence[Facts], out: Path) -> list[str]:
    paths = [shlex.quote(str(run.path)) for run in facts]
    unfinished = [p for p, run in zip(paths, facts, strict=True) if not run.finished]
    missing = [p for p, run in zip(paths, facts, strict=True) if not run.evaluated]
    return [
        *(train_command(run) for run in facts),
        *(f"twofold resume {path}" for path in unfinished),
        *(f"twofold evaluate {path}" for path in missing),
        f"twofold compare {' '.join(paths)} --out {shlex.quote(out.name)}",
    ]


def _templates(facts: Sequence[Facts]) -> "Environment":
    """Everything is escaped but what this package wrote itself: its CSS, figures and badges."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    badges = {run.mention: _badge(i, run, run.short) for i, run in enumerate(facts)}
    badges |= {run.mark: _badge(i, run, "") for i, run in enumerate(facts)}

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
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    environment.filters |= {"mentions": mentions, "capitalize": capitalize}
    environment.globals |= {
        "css": Markup(css),
        "svg": lambda picture: Markup(picture.inline),
        "color": lambda index: f"var(--run-{index % len(RUN_COLORS)})",
    }
    return environment


def _badge(index: int, run: Facts, text: str) -> str:
    from markupsafe import escape

    style = f"--c:var(--run-{index % len(RUN_COLORS)})"
    kind = "mention" if text else "mention bare"
    letter = f'<b class="badge">{run.letter}</b>'
    return f'<span class="{kind}" style="{style}">{letter}{escape(text)}</span>'
