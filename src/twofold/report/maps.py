"""Latent codes of test images on the plane, coloured by class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.report.canvas import canvas, cut
from twofold.report.facts import Facts
from twofold.report.style import CLASS_COLOURS, Picture, drawing, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_maps"]

TOLD = {"withheld": "true class withheld", "leaking": "encoder told the true class"}
LAYERS = 8  # in which points are drawn, so that no class lies on top of all others
HAIR = 1e-4  # the length of a dot as a share of the map
NAMED = 20  # classes up to which the colours are explained
TITLES = {"code": "The two latents", "pca": "Principal components", "tsne": "t-SNE"}


def draw_maps(runs: Sequence[Facts]) -> list[tuple[Facts, list[tuple[str, Picture]]]]:
    """For every run that kept its codes: a title and a map for each way to lay them out."""
    found = [(run, _maps(run, run.arrays.get("latents") or {})) for run in runs]
    return [(run, maps) for run, maps in found if maps]


def _maps(run: Facts, arrays: Mapping[str, Any]) -> list[tuple[str, Picture]]:
    found = []
    for told, words in TOLD.items():
        flat = "code" if f"{told}_code" in arrays else "pca"
        for layout in (flat, "tsne"):
            points = arrays.get(f"{told}_{layout}")
            if points is None or points.ndim != 2 or points.shape[1] != 2:
                continue
            alone = f"leaking_{layout}" not in arrays
            title = TITLES[layout] if alone else f"{TITLES[layout]}, {words}"
            found.append((title, _draw(run, arrays, f"{told}_{layout}", title)))
    return found


def _draw(run: Facts, arrays: Mapping[str, Any], name: str, title: str) -> Picture:
    points, labels = np.asarray(arrays[name]), np.asarray(arrays["label"])
    classes = np.unique(labels)
    with drawing():
        figure, axes = canvas((3.3, 3.5))
        axes.grid(False)
        length = HAIR * float(np.ptp(points, axis=0)[0] or 1.0)
        for layer in range(LAYERS):
            here = np.arange(len(points)) % LAYERS == layer
            for k in classes:
                _dots(axes, points[here & (labels == k)], length, _colour(k))
        axes.autoscale_view()
        axes.margins(0.04)
        _axes(axes, arrays, name)
        _explain(axes, [str(one) for one in arrays["class_names"]], classes)
        alt = f"Codes of {len(points)} test images by {run.name}: {title}, coloured by class"
        return render(figure, f"latents-{name.replace('_', '-')}-{run.letter}", alt)


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


def _axes(axes: "Axes", arrays: Mapping[str, Any], name: str) -> None:
    """What the directions mean; in t-SNE they mean nothing."""
    told, layout = name.split("_")
    if layout == "tsne":
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        return
    axes.grid(True, axis="both")
    texts = ["first latent", "second latent"]
    shares = np.asarray(arrays.get(f"{told}_pca_share", []))
    if layout == "pca" and len(shares) == 2:
        texts = [f"{which}, {100 * one:.0f} % of variance" for which, one in
                 zip(("first", "second"), shares, strict=True)]  # fmt: skip
    axes.set_xlabel(texts[0])
    axes.set_ylabel(texts[1])


def _explain(axes: "Axes", names: Sequence[str], classes: NDArray[Any]) -> None:
    """The names of the classes in their colours, below."""
    from matplotlib.lines import Line2D

    if len(classes) > NAMED:
        return
    shown = [cut(str(names[k]) if k < len(names) else str(k), 11) for k in classes]
    style: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 4.5}
    dots = [
        Line2D([], [], color=_colour(k), label=name, **style)
        for k, name in zip(classes, shown, strict=True)
    ]
    figure = axes.get_figure(root=True)
    assert figure is not None
    longest = max(map(len, shown))
    figure.legend(
        handles=dots,
        loc="outside lower center",
        ncols=5 if longest < 5 else 3,
        frameon=False,
        fontsize=7.5,
        handletextpad=0.1,
        columnspacing=0.8,
        borderpad=0.1,
    )


def _colour(k: int) -> str:
    return CLASS_COLOURS[int(k) % len(CLASS_COLOURS)]
