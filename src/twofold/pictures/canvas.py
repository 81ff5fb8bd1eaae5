"""What figures share: axes, the color of a run, its letter on a dot, names cut to fit."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from twofold.pictures.style import PAPER, RUN_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["badge", "canvas", "color", "cut", "label_ticks"]


def canvas(size: tuple[float, float]) -> tuple["Figure", "Axes"]:
    """A figure of so many inches with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr]
    return figure, figure.add_subplot()


def color(index: int) -> str:
    """The color of a run."""
    return RUN_COLORS[index % len(RUN_COLORS)]


def badge(axes: "Axes", x: float, y: float, letter: str, ink: str) -> None:
    """A dot with a run's letter."""
    axes.plot(x, y, "o", color=ink, markersize=8.5)
    style = {"ha": "center", "va": "center_baseline", "fontsize": 6.5}
    axes.text(x, y, letter, color=PAPER, fontweight="bold", **style)


def cut(text: str, length: int = 14) -> str:
    """A name that fits beside an axis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def label_ticks(axes: "Axes", text: Callable[[float], str]) -> None:
    """Writes the ticks of the horizontal axis in words."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
