"""The picture that a run draws of itself: the same latent codes each time."""

from pathlib import Path

import torch

from twofold.conditions import ClassCondition, ImagePart
from twofold.files import write_bytes
from twofold.models.base import Generative, Model
from twofold.pictures.formats import png_bytes
from twofold.pictures.sheets import MAX_ROWS, contact_sheet, to_uint8

__all__ = ["class_rows", "draw_samples"]

COLUMNS = 10


def class_rows(model: Generative, columns: int = COLUMNS) -> torch.Tensor | None:
    """Labels for a sheet with a row per class, shape (rows · columns,); None without classes."""
    if not isinstance(model.condition, ClassCondition):
        return None
    rows = min(model.condition.num_classes, MAX_ROWS)
    labels = torch.arange(rows, device=model.device)
    return labels.repeat_interleave(columns)


def draw_samples(model: Model, path: Path, examples: torch.Tensor) -> None:
    """Writes a sheet of samples from a fixed seed: ten columns, a row per class.

    A model conditioned on a part of the image completes examples instead: what it sees, eight
    completions from different codes, and the whole.

    Arguments:
        model: Makes images.
        path: The PNG.
        examples: Held-out images in [0, 1], shape (10, C, H, W), or fewer.
    """
    assert isinstance(model, Generative)
    if isinstance(model.condition, ImagePart):
        x = _completions(model, model.condition, examples)
    else:
        labels = class_rows(model)
        x = model.sample(100 if labels is None else len(labels), labels, seed=0)
    images = to_uint8(x.cpu().numpy())
    scale = max(1, 28 // model.image_shape[1])
    write_bytes(path, png_bytes(contact_sheet(images, COLUMNS, scale=scale)))


def _completions(model: Generative, condition: ImagePart, examples: torch.Tensor) -> torch.Tensor:
    """A row per example, shape (rows · COLUMNS, C, H, W)."""
    seen = examples * condition.visible
    filled = [model.sample(len(examples), examples, seed=seed) for seed in range(COLUMNS - 2)]
    return torch.stack([seen, *filled, examples], dim=1).flatten(0, 1)
