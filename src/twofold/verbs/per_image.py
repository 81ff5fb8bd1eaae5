"""Figures of each image, gathered batch by batch into means with standard errors."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.pixels import mse

__all__ = ["PerImage", "means", "squared_error"]


@dataclass(frozen=True, eq=False)
class PerImage:
    """A figure of each image of a batch.

    Attributes:
        quantity: What is measured.
        values: Shape (B,).
        by: By what it was taken, for its name.
        variant: The same in words, for its title.
        provenance: What the figure depends on.
        notes: What a reader must know before comparing.
    """

    quantity: Quantity
    values: Tensor
    by: str = ""
    variant: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


def squared_error(
    verb: str,
    of: str,
    made: Tensor,
    truth: Tensor,
    notes: Sequence[str] = (),
    mask: Tensor | None = None,
) -> PerImage:
    """The mean squared error over channels and pixels of images in [0, 1], (B, C, H, W) both.

    Only the pixels of a mask (H, W) count where there is one.
    """
    quantity = Quantity(
        f"{verb}/mse", f"squared error of the {of}", "per pixel in [0, 1]", "lower", least=0.0
    )
    return PerImage(quantity, mse(made, truth, mask), notes=notes)


def means(batches: Iterable[Sequence[PerImage]], provenance: Mapping[str, Any]) -> list[Figure]:
    """The mean of each figure over the images of all batches, and how many these are."""
    found: dict[tuple[str, str], list[PerImage]] = {}
    for batch in batches:
        for one in batch:
            found.setdefault((one.quantity.key, one.by), []).append(one)
    figures = []
    for each in found.values():
        first, values = each[0], torch.cat([one.values.cpu().double() for one in each])
        figures.append(
            first.quantity.mean(
                values,
                first.by,
                first.variant,
                provenance={"images": len(values), **provenance, **first.provenance},
                notes=tuple(first.notes),
            )
        )
    return figures
