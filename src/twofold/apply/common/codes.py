"""Latent codes to look at: of images, or drawn, with the condition of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.apply.common.classes import Classes, asked_classes
from twofold.apply.common.inputs import Images, Inputs, load_inputs
from twofold.apply.context import Context, seeded
from twofold.data.dataset import UNLABELED
from twofold.errors import UsageError
from twofold.models.base import Generative, evaluating
from twofold.models.capabilities import HasCodes

__all__ = ["Codes", "as_weights", "codes_of_images", "drawn_codes"]


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes and what goes with each, on the model's device.

    Attributes:
        z: Shape (N, D).
        c: The condition of each: weights of classes (N, K), images (N, C, H, W), or None.
        x: The images they are of, shape (N, C, H, W), on the CPU; None for drawn codes.
        names: The class of each, where it is known; else empty.
    """

    z: Tensor
    c: Tensor | None
    x: Tensor | None
    names: Sequence[str]

    def part(self, start: int, stop: int) -> "Codes":
        """Those from one number to before another."""
        rows = slice(start, stop)
        c, x = (None if values is None else values[rows] for values in (self.c, self.x))
        return Codes(self.z[rows], c, x, self.names[rows])

    def __len__(self) -> int:
        return len(self.z)


def codes_of_images(
    context: Context,
    verb: str,
    images: Images | None,
    n: int | None,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
) -> Codes:
    """The posterior means of images.

    Arguments:
        context: The model.
        verb: What the codes are for.
        images: As of `load_inputs`, and so are the others.
        n: How many.
        label: Of all images, where they have no labels.
        resize: Whether images may be resized.
        seed: Of what is drawn.

    Raises:
        UsageError: If the model finds no codes, or the images do not fit it.
    """
    model = context.model.capability(HasCodes, verb)
    inputs = load_inputs(context, images, n=n, label=label, resize=resize, seed=seed)
    return _encoded(context, model, inputs, seed)


@torch.no_grad()
def _encoded(context: Context, model: HasCodes, inputs: Inputs, seed: int) -> Codes:
    z, c, x = [], [], []
    with seeded(seed, context.device), evaluating(model):
        for batch in inputs.batches():
            condition = context.condition_of(batch)
            z.append(model.codes(batch.x, condition))
            c.append(condition)
            x.append(batch.x.cpu())
    cs = None if c[0] is None else torch.cat(c)
    y = cs if context.model.condition.about == "class" else inputs.labels
    names = [] if y is None else [_name(context, k) for k in y.tolist()]
    return Codes(torch.cat(z), as_weights(context, cs), torch.cat(x), names)


def drawn_codes(
    context: Context,
    n: int,
    label: Classes | None = None,
    images: Images | None = None,
    resize: bool = False,
    seed: int = 0,
) -> Codes:
    """The codes of samples, each with a class in turn, or with an image whose part is shown.

    Arguments:
        context: The model, which makes images.
        n: How many.
        label: The classes, for a class-conditional model; by default all.
        images: As of `load_inputs`, for a model conditioned on a part of an image.
        resize: Whether these may be resized.
        seed: Of the codes.

    Raises:
        UsageError: If `n` is less than 1, there is no such class, or the images do not fit.
    """
    if n < 1:
        raise UsageError(f"n={n}: ask for at least one")
    model = context.model
    assert isinstance(model, Generative)
    asked = asked_classes(context, label)
    z = model.sample_latent(n, seed)
    if model.condition.about == "image":
        inputs = load_inputs(context, images, n=n, resize=resize, seed=seed)
        with seeded(seed, context.device):
            c = torch.cat(
                [part for b in inputs.batches() if (part := context.condition_of(b)) is not None]
            )
        return Codes(z[: len(c)], c, None, [])
    if not asked:
        return Codes(z, None, None, [])
    y = torch.as_tensor(asked, device=z.device)[torch.arange(n) % len(asked)]
    return Codes(z, as_weights(context, y), None, [context.class_names[k] for k in y.tolist()])


def as_weights(context: Context, c: Tensor | None) -> Tensor | None:
    """Labels (N,) as weights of classes (N, K), which can be mixed; anything else as it is."""
    return (
        c if c is None or context.model.condition.about != "class" else context.model.condition(c)
    )


def _name(context: Context, k: int) -> str:
    return context.class_names[k] if k != UNLABELED else "?"
