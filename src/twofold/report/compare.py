"""The front door of the report: runs in, one HTML file that needs no network out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from twofold._version import __version__
from twofold.errors import UsageError
from twofold.evaluation.comparison import THRESHOLD
from twofold.evaluation.measure import measures
from twofold.evaluation.pictures import Panel
from twofold.evaluation.summary import RunSummary, gather
from twofold.experiments.adopt import Subject, as_run
from twofold.experiments.resolve import to_yaml
from twofold.experiments.run import Run
from twofold.files import atomic_folder, write_text
from twofold.pictures.style import DARK, LIGHT, RUN_COLORS
from twofold.report.cost import cost_rows, draw_quality_and_cost, one_machine
from twofold.report.curves import draw_training
from twofold.report.lead import findings, introduction, notes, title, warnings
from twofold.report.samples import draw_sheet
from twofold.report.settings import commands, differing, label
from twofold.report.tables import measure_groups, missing, seed_table, version_rows
from twofold.training.progress import Console, Progress
from twofold.words import capitalize, slug

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["compare"]

TEMPLATES = Path(__file__).parent / "templates"
NAMED = 3  # runs up to which a page is named after each
WORDS = (  # each is on the page under its own name
    *(title, introduction, warnings, findings, notes, differing),
    *(measure_groups, missing, seed_table, cost_rows, one_machine, version_rows),
)


@dataclass(frozen=True)
class Gallery:
    """The pictures of a question."""

    title: str
    panels: list[Panel]
    folded: list[Panel]

    @property
    def notes(self) -> list[str]:
        """How to read them, each note once."""
        return list(dict.fromkeys(panel.note for panel in self.panels if panel.note))

    @property
    def folded_notes(self) -> list[str]:
        return list(dict.fromkeys(panel.note for panel in self.folded if panel.note))


def compare(
    runs: Sequence[Subject],
    out: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Writes one self-contained HTML report on runs, side by side.

    The page is one file without scripts, in light and dark; a folder beside it, named after it,
    holds every figure as PNG and SVG. What a run did not measure stays blank.

    Arguments:
        runs: Runs or their folders, one or more, finished or not, evaluated or not.
        out: The HTML file to write; by default one named after the runs, report-cvae-cgan.html.
        seed: Seed of the samples, the same for every run.
        progress: Who hears that an older page was replaced; by default the terminal or notebook.

    Returns:
        The HTML file's path.

    Raises:
        UsageError: If there are no runs, or `out` is no HTML file.
        RunError: If a folder is no run, is damaged or was edited; nothing is written then.

    Example:
        $ twofold compare runs/cvae runs/cgan --out report.html
    """
    if isinstance(runs, (str, Path, Run)) or not runs:
        raise UsageError(f"compare takes a list of one run or more, got {runs!r}")
    if out is not None and Path(out).suffix not in (".html", ".htm"):
        raise UsageError(f"out={out}: the report is a web page; name it with .html")
    opened = [as_run(run) for run in runs]
    out = Path(out or _name_of(opened))
    summaries = label(gather(opened))
    sheets = [draw_sheet(r, s, seed) for r, s in zip(opened, summaries, strict=True)]
    training, cost = draw_training(summaries), draw_quality_and_cost(summaries)
    galleries = list(_galleries(summaries))
    page = _templates(summaries).get_template("report.html.j2")
    html = page.render(
        {function.__name__: function(summaries) for function in WORDS},
        runs=summaries,
        sheets=sheets,
        training=training,
        galleries=galleries,
        cost=cost,
        seed=seed,
        commands=commands(summaries, str(out)),
        figures_folder=f"{out.stem}-figures",
    )
    panels = [*training, *cost, *(p for one in galleries for p in [*one.panels, *one.folded])]
    drawn = [panel.picture for panel in panels] + [one.draw() for one, _ in sheets if one]
    replaced, folder = out.exists(), out.with_name(f"{out.stem}-figures")
    before = {path for ending in ("png", "svg") for path in folder.glob(f"*.{ending}")}
    with atomic_folder(folder, is_replaced=True) as new:
        for picture in drawn:
            picture.save(new)
        kept = {folder / path.name for path in new.iterdir()}
        write_text(out, html)
    for path in before - kept:  # of the page that was here
        path.unlink(missing_ok=True)
    if replaced:
        (progress or Console()).say(f"replaced {out}")
    return out


def _name_of(runs: Sequence[Run]) -> str:
    """`report-cvae-cgan.html`, so that another comparison does not replace this one."""
    names = [slug(run.name) for run in runs]
    if len(names) > NAMED:
        names = [names[0], f"and-{len(names) - 1}-more"]
    return f"report-{'-'.join(names)}.html"


def _galleries(runs: Sequence[RunSummary]) -> Iterator[Gallery]:
    """The pictures of every measure, by question."""
    found: dict[str, Gallery] = {}
    for measure in measures().values():
        heading = measure.question.title
        gallery = found.setdefault(heading, Gallery(heading, [], []))
        for panel in measure.panels(runs):
            (gallery.folded if panel.folded else gallery.panels).append(panel)
    return (one for one in found.values() if one.panels or one.folded)


def _templates(runs: Sequence[RunSummary]) -> "Environment":
    """Everything is escaped but what this package wrote itself: its CSS, figures and badges."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def color(run: RunSummary) -> str:
        return f"var(--run-{run.hue % len(RUN_COLORS)})"

    badges = {}
    for run in runs:
        for key, kind, text in ((run.mention, "", run.short), (run.mark, " bare", "")):
            letter = f'<b class="badge">{run.letter}</b>{escape(text)}'
            badges[key] = f'<span class="mention{kind}" style="--c:{color(run)}">{letter}</span>'

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
