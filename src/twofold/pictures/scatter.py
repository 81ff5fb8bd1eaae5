"""Points on the plane, colored by class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.pictures.style import CLASS_COLORS, INK, Picture, canvas, cut, drawing, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_scatter"]

SIZE = (3.3, 3.5)  # inches
LAYERS = 8  # in which points are drawn, so that no class lies on top of all others
HAIR = 1e-4  # the length of a dot as a share of the map
NAMED = 20  # classes up to which the colors are explained


def draw_scatter(
    points: NDArray[Any],
    labels: NDArray[Any] | None,
    class_names: Sequence[str],
    axes_names: tuple[str, str] | None,
    name: str,
    alt: str,
) -> Picture:
    """A map of points.

    Arguments:
        points: Shape (N, 2).
        labels: The class of each, shape (N,), or None.
        class_names: Of the labels.
        axes_names: What the directions mean; None where they mean nothing.
        name: Of the picture's files.
        alt: What it shows.
    """
    with drawing():
        figure, axes = canvas(SIZE)
        axes.grid(False)
        length = HAIR * float(np.ptp(points, axis=0)[0] or 1.0)
        if labels is None:
            _dots(axes, points, length, INK)
        else:
            for layer in range(LAYERS):
                here = np.arange(len(points)) % LAYERS == layer
                for k in np.unique(labels):
                    _dots(axes, points[here & (labels == k)], length, _color(k))
        axes.autoscale_view()
        axes.margins(0.04)
        if axes_names is None:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        else:
            axes.grid(True, axis="both")
            axes.set(xlabel=axes_names[0], ylabel=axes_names[1])
        if labels is not None:
            _explain(axes, class_names, np.unique(labels))
        return render(figure, name, alt)


def _dots(axes: "Axes", points: NDArray[Any], length: float, ink: str) -> None:
    """All points as one path of round lines of next to no length: a file many times smaller.

    Of no length at all they would be in the SVG and not in the PNG.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(points):
        return
    codes = np.tile([Path.MOVETO, Path.LINETO], len(points))
    ends = np.stack([points, points + np.array([length, 0.0])], axis=1)
    style = {"linewidth": 2.6, "capstyle": "round", "facecolor": "none", "edgecolor": ink}
    axes.add_patch(PathPatch(Path(ends.reshape(-1, 2), codes), snap=False, zorder=2, **style))


def _explain(axes: "Axes", names: Sequence[str], classes: NDArray[Any]) -> None:
    """The names of the classes in their colors, below."""
    from matplotlib.lines import Line2D

    if len(classes) > NAMED:
        return
    shown = {k: cut(str(names[k]) if k < len(names) else str(k), 11) for k in classes}
    style: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 4.5}
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(
        handles=[Line2D([], [], color=_color(k), label=shown[k], **style) for k in classes],
        loc="outside lower center",
        ncols=5 if max(map(len, shown.values())) < 5 else 3,
        frameon=False,
        fontsize=7.5,
        handletextpad=0.1,
        columnspacing=0.8,
        borderpad=0.1,
    )


def _color(k: int) -> str:
    return CLASS_COLORS[int(k) % len(CLASS_COLORS)]
