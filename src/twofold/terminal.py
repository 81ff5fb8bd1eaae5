"""Tables and small pictures in a terminal."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twofold.errors import UsageError, unknown_name
from twofold.files import write_bytes
from twofold.pictures.formats import png_bytes
from twofold.pictures.sheets import MAX_ROWS, contact_sheet
from twofold.words import number

if TYPE_CHECKING:
    from twofold.data import ImageDataset
    from twofold.evaluation.figure import Figure
    from twofold.experiments.run import Run
    from twofold.experiments.schema import Experiment
    from twofold.verbs.evaluate import Evaluation

__all__ = [
    "LISTS",
    "save_preview",
    "show_columns",
    "show_data",
    "show_evaluation",
    "show_list",
    "show_measures",
    "show_next",
    "show_preview",
    "show_runs",
]

WIDE = 110  # columns of a terminal from which experiments are listed with their titles
ROWS = 10  # terminal lines of a preview; each holds two rows of pixels


def show_measures(
    title: str,
    measures: "Sequence[Figure]",
    not_measured: Mapping[str, str],
    heading: "Callable[[Figure], str] | None" = None,
) -> None:
    """A table of figures with standard errors and references, their notes, and what is missing.

    Arguments:
        title: Above the table.
        measures: A row each.
        not_measured: What is missing, and why.
        heading: That under which a figure stands; those of one heading follow one another.
    """
    console = Console()
    if measures:
        table = _table(title, ("measure", "value", "± s.e.", "unit", "real data"), ())
        above = ""
        for one in measures:
            if heading and heading(one) != above:
                above = heading(one)
                table.add_section()
                table.add_row(Text(above, style="bold"))
            table.add_row(*_row(one))
        console.print(table)
    else:
        _say(title)
    for note in dict.fromkeys(note for measure in measures for note in measure.notes):
        console.print(Text(f"note: {note}", style="dim"))
    for name, reason in not_measured.items():
        console.print(Text(f"{name} was not measured: {reason}", style="dim"))


def show_evaluation(title: str, found: "Evaluation") -> None:
    """The figures of a run, under the questions that they answer."""
    from twofold.evaluation.measure import measure_of

    def question(figure: "Figure") -> str:
        measure = measure_of(figure.name)
        return measure.question.title if measure else "Other"

    show_measures(title, found.measures, found.not_measured, question)


def show_next(verb: str, runs: Sequence[Path]) -> None:
    """The command that comes next, of some runs; nothing where there are none."""
    if runs:
        _say(f"next: twofold {verb} {shlex.join(map(str, runs))}", stderr=True)


def show_columns(columns: "Mapping[str, Sequence[str]]") -> None:
    """A table by its headings; nothing where there are none."""
    if columns:
        Console().print(_table("", list(columns), list(zip(*columns.values(), strict=True))))


def show_runs(trained: "Run | list[Run]") -> bool:
    """Says where a run is, or one for each seed, and what to do next; whether all are finished."""
    runs = trained if isinstance(trained, list) else [trained]
    for run in runs:
        done, total = run.progress
        if not run.finished:
            one = f"twofold resume {shlex.quote(_argument(run.path))}"
            again = "the same command" if runs is trained else one
            _say(f"{run.path} stopped at step {done} of {total}; continue with: {again}")
            return False
        _say(str(run.path))
    names = shlex.join(_argument(run.path) for run in runs)
    _say(f"next: twofold evaluate {names} && twofold compare {names}", stderr=True)
    return True


def _argument(path: Path) -> str:
    """A path as an argument that is not taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def list_experiments() -> None:
    """Model, data, headline figure and title of every experiment, by the report it comes from."""
    from twofold.experiments.resolve import experiment_names, load_experiment

    by_source: dict[str, list[Experiment]] = {}
    for name in experiment_names():
        experiment = load_experiment(name)
        by_source.setdefault(experiment.source.partition(";")[0], []).append(experiment)
    console = Console()
    for source, experiments in sorted(by_source.items()):
        columns = ("experiment", "model", "data", "reported", "title")
        shown = len(columns) if console.width >= WIDE else len(columns) - 1
        rows = []
        for one in experiments:
            inner = getattr(one.model, "autoencoder", None)
            model = one.model.family if inner is None else f"{inner.family}-gan"
            reported = next((f"{first.measure} {first.value}" for first in one.reported), "")
            rows.append((one.name, model, one.data.name, reported, one.title)[:shown])
        table = _table(source or "To start from", columns[:shown], rows)
        for column in table.columns[:4]:
            column.no_wrap, column.min_width = True, max(map(len, map(str, column.cells)))
        console.print(table)
        console.print()


def list_datasets() -> None:
    """Every named data set."""
    from twofold.data import list_datasets as known

    rows = [
        (
            info.name,
            "×".join(map(str, info.image_shape)),
            str(info.num_classes),
            " / ".join(map(str, info.counts.values())),
            info.title,
        )
        for info in known()
    ]
    Console().print(_table("", ("data set", "image", "classes", "train / test", "what"), rows))


def list_registered(kind: str) -> None:
    """Every name of a kind, and what it stands for."""
    from twofold.registry import entries

    found = [one for one in entries(kind) if one.name != "unregistered"]
    rows = [(one.name, one.title, one.paper) for one in found]
    Console().print(_table("", (kind, "what", "paper"), rows))


def list_measures() -> None:
    """Every measure, in a word or two."""
    from twofold.evaluation.measure import default_measures, measures

    default = default_measures()
    rows = [
        (name, "yes" if name in default else "", (measure.__doc__ or "").partition("\n")[0])
        for name, measure in measures().items()
    ]
    Console().print(_table("", ("measure", "by default", "what"), rows))


LISTS: dict[str, Callable[[], None]] = {
    "experiments": list_experiments,
    "datasets": list_datasets,
    "models": partial(list_registered, "model"),
    "networks": partial(list_registered, "network"),
    "conditions": partial(list_registered, "condition"),
    "likelihoods": partial(list_registered, "likelihood"),
    "priors": partial(list_registered, "prior"),
    "posteriors": partial(list_registered, "posterior"),
    "losses": partial(list_registered, "loss"),
    "measures": list_measures,
}


def show_list(what: str = "experiments", /) -> None:
    """Lists experiments, data sets, models, measures, or other things that have names.

    Arguments:
        what: experiments, datasets, models or measures.

    Raises:
        UsageError: If there is no such list.

    Example:
        $ twofold list measures
    """
    if what not in LISTS:
        raise unknown_name("list", what, LISTS)
    LISTS[what]()


def show_data(
    source: str,
    *,
    size: str | int | tuple[int, int] | None = None,
    gray: bool = False,
    limit: int | None = None,
    picture: str | Path | None = None,
) -> None:
    """Shows what a data set or a path holds.

    Arguments:
        source: A data set's name, or a path to images.
        size: Resize to this side, or to a height and width such as 32,44.
        gray: Convert to one channel.
        limit: Use so many training images.
        picture: Write a sheet with images of every class, as PNG.

    Raises:
        DataError: If the images cannot be read.
        UsageError: If the picture is not named as a PNG.

    Example:
        $ twofold data mnist --picture sheet.png
    """
    from twofold.data import load_dataset, summarize

    dataset = load_dataset(source, size=size, gray=gray, limit=limit)
    _say(str(summarize(dataset)))
    if picture is None:
        show_preview(dataset)
    else:
        _say(str(save_preview(dataset, Path(picture))))


def save_preview(dataset: "ImageDataset", path: Path, columns: int = 10) -> Path:
    """A PNG with a row of images per class, or a hundred images where there are no classes."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: the picture is a PNG; name it with .png, as in {path.stem}.png")
    write_bytes(path, png_bytes(contact_sheet(_by_class(dataset, columns), columns, scale=2)))
    return path


def show_preview(dataset: "ImageDataset") -> None:
    """A row of images as colored half blocks, where the terminal shows colors."""
    console = Console()
    if not console.is_terminal:
        return
    from PIL import Image

    images = _by_class(dataset, 1)
    height, width = images.shape[2:]
    columns = round(2 * ROWS * width / height)
    fitting = max(1, console.width // (columns + 1))
    small = []
    for image in images[:fitting]:
        pixels = np.broadcast_to(image.transpose(1, 2, 0), (height, width, 3)).copy()
        resized = Image.fromarray(pixels).resize((columns, 2 * ROWS), Image.Resampling.BOX)
        small.append(np.pad(np.asarray(resized), ((0, 0), (0, 1), (0, 0))))
    strip = np.concatenate(small, axis=1).tolist()
    for upper, lower in zip(strip[::2], strip[1::2], strict=True):
        line = Text()
        for above, below in zip(upper, lower, strict=True):
            colors = (f"rgb({','.join(map(str, pixel))})" for pixel in (above, below))
            line.append("▀", " on ".join(colors))
        console.print(line)


def _say(text: str, stderr: bool = False) -> None:
    Console(stderr=stderr).print(text, highlight=False, markup=False, soft_wrap=True)


def _by_class(dataset: "ImageDataset", columns: int) -> Any:
    """The first images of each class in turn, or simply the first where none has a label."""
    if dataset.num_unlabeled == len(dataset):
        return dataset.images[: columns * 10]
    classes = range(min(dataset.num_classes, MAX_ROWS))
    rows = [np.flatnonzero(dataset.labels == k)[:columns] for k in classes]
    return dataset.images[np.concatenate([np.resize(row, columns) for row in rows if len(row)])]


def _row(figure: "Figure") -> tuple[str, ...]:
    return (
        figure.title + {"higher": " ↑", "lower": " ↓", None: ""}[figure.better],
        number(figure.value),
        "" if figure.error is None else number(figure.error, 2),
        figure.unit,
        "" if figure.reference is None else number(figure.reference),
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None)
    for column in columns:
        numeric = column in ("value", "± s.e.", "real data")
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
