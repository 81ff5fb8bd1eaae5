"""Tables and small pictures in a terminal."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twofold.errors import unknown_name
from twofold.files import write_bytes
from twofold.pictures.formats import png_bytes
from twofold.pictures.sheets import MAX_ROWS, contact_sheet
from twofold.report.words import number

if TYPE_CHECKING:
    from twofold.data import ImageDataset
    from twofold.experiments.run import Run
    from twofold.experiments.schema import Experiment
    from twofold.metrics.measure import Measure

__all__ = [
    "LISTS",
    "save_preview",
    "show_data",
    "show_list",
    "show_measures",
    "show_preview",
    "show_runs",
]

WIDE = 110  # columns of a terminal from which experiments are listed with their titles
ROWS = 10  # terminal lines of a preview; each holds two rows of pixels


def show_measures(
    title: str, measures: "Sequence[Measure]", not_measured: Mapping[str, str]
) -> None:
    """A table of figures with their standard errors and floors, and what is missing."""
    table = _table(title, "measure", "value", "± s.e.", "unit", "real data")
    for measure in measures:
        arrow = {"higher": " ↑", "lower": " ↓", None: ""}[measure.better]
        table.add_row(
            measure.title + arrow,
            number(measure.value),
            "" if measure.error is None else number(measure.error, 2),
            measure.unit,
            "" if measure.floor is None else number(measure.floor),
        )
    console = Console()
    console.print(table)
    for name, reason in not_measured.items():
        console.print(Text(f"not measured: {name}, for {reason}", style="dim"))


def show_runs(trained: "Run | list[Run]") -> bool:
    """Says where a run is, or one for each seed, and what to do next; whether all are finished."""
    runs = trained if isinstance(trained, list) else [trained]
    for run in runs:
        done, total = run.progress
        if done < total:
            one = f"twofold resume {shlex.quote(str(run.path))}"
            again = "the same command" if runs is trained else one
            _say(f"{run.path} stopped at step {done} of {total}; continue with: {again}")
            return False
        _say(str(run.path))
    names = shlex.join(str(run.path) for run in runs)
    _say(f"next: twofold evaluate {names} && twofold compare {names}", stderr=True)
    return True


def list_experiments() -> None:
    """Model, data, headline figure and title of every experiment, by the report it comes from."""
    from twofold.experiments.resolve import experiment_names, load_experiment

    by_source: dict[str, list[Experiment]] = {}
    for name in experiment_names():
        experiment = load_experiment(name)
        by_source.setdefault(experiment.source.partition(";")[0], []).append(experiment)
    console = Console()
    for source, experiments in sorted(by_source.items()):
        rows = [_experiment_row(experiment) for experiment in experiments]
        columns = ("experiment", "model", "data", "reported", "title")
        shown = columns if console.width >= WIDE else columns[:-1]
        table = _table(source or "To start from", *shown)
        for i, column in enumerate(table.columns[:4]):
            column.no_wrap, column.min_width = True, max(len(row[i]) for row in rows)
        for row in rows:
            table.add_row(*row[: len(shown)])
        console.print(table)
        console.print()


def _experiment_row(experiment: "Experiment") -> tuple[str, ...]:
    model = experiment.model
    inner = getattr(model, "autoencoder", None)
    first = experiment.reported[0] if experiment.reported else None
    return (
        experiment.name,
        model.family if inner is None else f"{inner.family}-gan",
        experiment.data.name,
        "" if first is None else f"{first.measure} {first.value}",
        experiment.title,
    )


def list_datasets() -> None:
    """Every named data set."""
    from twofold.data import list_datasets as known

    table = _table("", "data set", "image", "classes", "train / test", "what")
    for info in known():
        shape = "×".join(str(side) for side in info.image_shape)
        counts = " / ".join(str(count) for count in info.counts.values())
        table.add_row(info.name, shape, str(info.num_classes), counts, info.title)
    Console().print(table)


def list_models() -> None:
    """Every family of models."""
    from twofold.registry import entries

    table = _table("", "model", "what", "paper")
    for family in entries("model"):
        table.add_row(family.name, family.title, family.paper)
    Console().print(table)


def list_measures() -> None:
    """Every measure, in a word or two."""
    from twofold.apply.measures import default_measures, measures

    table = _table("", "measure", "by default", "what")
    default = default_measures()
    for name, measure in measures().items():
        what = (measure.__doc__ or "").partition("\n")[0]
        table.add_row(name, "yes" if name in default else "", what)
    Console().print(table)


LISTS: dict[str, Callable[[], None]] = {
    "experiments": list_experiments,
    "datasets": list_datasets,
    "models": list_models,
    "measures": list_measures,
}


def show_list(what: str = "experiments", /) -> None:
    """Lists experiments, data sets, models or measures.

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
    size: int | None = None,
    gray: bool = False,
    limit: int | None = None,
    picture: str | Path | None = None,
) -> None:
    """Shows what a data set or a path holds.

    Arguments:
        source: A data set's name, or a path to images.
        size: Resize to this side.
        gray: Convert to one channel.
        limit: Use so many training images.
        picture: Write a sheet with images of every class, as PNG.

    Raises:
        DataError: If the images cannot be read.

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
    small = [
        np.asarray(
            Image.fromarray(
                np.broadcast_to(image.transpose(1, 2, 0), (height, width, 3)).copy()
            ).resize((columns, 2 * ROWS), Image.Resampling.BOX)
        )
        for image in images[:fitting]
    ]
    strip = np.concatenate([np.pad(one, ((0, 0), (0, 1), (0, 0))) for one in small], axis=1)
    for upper, lower in zip(strip[::2], strip[1::2], strict=True):
        line = Text()
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            line.append(
                "▀", f"rgb({','.join(map(str, above))}) on rgb({','.join(map(str, below))})"
            )
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


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None)
    for column in columns:
        numeric = column in ("value", "± s.e.", "real data")
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    return table
