"""Latent codes of test images on the plane, colored by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twofold.pictures.scatter import draw_scatter
from twofold.pictures.style import Picture
from twofold.report.facts import Facts

__all__ = ["draw_maps"]

CONDITIONS = {"withheld": "true class withheld", "leaking": "encoder given the true class"}
TITLES = {"code": "The two latents", "pca": "Principal components", "tsne": "t-SNE"}


def draw_maps(runs: Sequence[Facts]) -> list[tuple[Facts, list[tuple[str, Picture]]]]:
    """For every run that kept its codes: a title and a map for each way to lay them out."""
    found = [(run, _maps(run, run.arrays.get("latents") or {})) for run in runs]
    return [(run, maps) for run, maps in found if maps]


def _maps(run: Facts, arrays: Mapping[str, Any]) -> list[tuple[str, Picture]]:
    found = []
    for condition, words in CONDITIONS.items():
        flat = "code" if f"{condition}_code" in arrays else "pca"
        for layout in (flat, "tsne"):
            points = arrays.get(f"{condition}_{layout}")
            if points is None or points.ndim != 2 or points.shape[1] != 2:
                continue
            alone = f"leaking_{layout}" not in arrays
            title = TITLES[layout] if alone else f"{TITLES[layout]}, {words}"
            found.append((title, _draw(run, arrays, f"{condition}_{layout}", title)))
    return found


def _draw(run: Facts, arrays: Mapping[str, Any], name: str, title: str) -> Picture:
    points = np.asarray(arrays[name])
    return draw_scatter(
        points,
        np.asarray(arrays["label"]),
        [str(one) for one in arrays["class_names"]],
        _axes_names(arrays, name),
        f"latents-{name.replace('_', '-')}-{run.letter}",
        f"Codes of {len(points)} test images by {run.name}: {title}, colored by class",
    )


def _axes_names(arrays: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """What the directions mean; in t-SNE they mean nothing."""
    condition, layout = name.split("_")
    if layout == "tsne":
        return None
    shares = np.asarray(arrays.get(f"{condition}_pca_share", []))
    if layout == "pca" and len(shares) == 2:
        first, second = 100 * shares
        return f"first, {first:.0f} % of variance", f"second, {second:.0f} % of variance"
    return "first latent", "second latent"
