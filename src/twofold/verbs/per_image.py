"""Figures of each image, gathered batch by batch into means with standard errors."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from twofold.evaluation.figure import Figure
from twofold.evaluation.pixels import mse

__all__ = ["PerImage", "means", "squared_error"]


@dataclass(frozen=True, eq=False)
class PerImage:
    """A figure of each image of a batch.

    Attributes:
        name: A key, the same in every batch.
        title: For people.
        values: Shape (B,).
        unit: Of the values.
        better: Which way is better, or None where neither is.
        depends: What the figure depends on.
        caution: What a reader must know before comparing.
    """

    name: str
    title: str
    values: Tensor
    unit: str
    better: Literal["higher", "lower"] | None = "higher"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    caution: str = ""


def squared_error(
    verb: str,
    of: str,
    made: Tensor,
    truth: Tensor,
    caution: str = "",
    mask: Tensor | None = None,
) -> PerImage:
    """The mean squared error over channels and pixels of images in [0, 1], (B, C, H, W) both.

    Only the pixels of a mask (H, W) count where there is one.
    """
    title, unit = f"squared error of the {of}", "per pixel in [0, 1]"
    return PerImage(f"{verb}/mse", title, mse(made, truth, mask), unit, "lower", notes=caution)


def means(batches: Iterable[Sequence[PerImage]], provenance: Mapping[str, Any]) -> list[Figure]:
    """The mean of each figure over the images of all batches; `depends` gets how many there are."""
    first: dict[str, PerImage] = {}
    values: dict[str, list[Tensor]] = {}
    for batch in batches:
        for figure in batch:
            first.setdefault(figure.name, figure)
            values.setdefault(figure.name, []).append(figure.values.cpu().double())
    return [
        Figure.of_mean(
            name,
            figure.title,
            torch.cat(values[name]),
            figure.unit,
            better=figure.better,
            provenance={"images": sum(map(len, values[name])), **provenance, **figure.provenance},
            notes=figure.notes,
        )
        for name, figure in first.items()
    ]
