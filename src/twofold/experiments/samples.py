"""The picture that a run draws of itself: the same latent codes each time."""

from pathlib import Path

import torch

from twofold.conditions import ClassCondition
from twofold.files import write_bytes
from twofold.models.base import Generative, Model
from twofold.pictures import contact_sheet, png_bytes, to_uint8

__all__ = ["class_rows", "draw_samples"]

COLUMNS = 10


def class_rows(model: Generative, columns: int = COLUMNS) -> torch.Tensor | None:
    """Labels for a sheet with one row per class, shape (K · columns,); None without classes."""
    if not isinstance(model.condition, ClassCondition):
        return None
    labels = torch.arange(model.condition.num_classes, device=model.device)
    return labels.repeat_interleave(columns)


def draw_samples(model: Model, path: Path) -> None:
    """Writes a sheet of samples from a fixed seed: ten columns, a row per class.

    A model told a part of the image has no prior sheet of its own, and draws nothing here.
    """
    assert isinstance(model, Generative)
    if model.condition.about == "image":
        return
    labels = class_rows(model)
    count = 100 if labels is None else len(labels)
    images = to_uint8(model.sample(count, labels, seed=0).cpu().numpy())
    scale = max(1, 28 // model.image_shape[1])
    write_bytes(path, png_bytes(contact_sheet(images, COLUMNS, scale=scale)))
