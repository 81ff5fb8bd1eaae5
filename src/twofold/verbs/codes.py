"""Latent codes to look at: of images, or drawn, with the condition of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.experiments.context import Classes, Context
from twofold.models.base import Generative
from twofold.models.capabilities import HasCodes
from twofold.verbs.inputs import Images, load_inputs

__all__ = ["Codes", "Request"]


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes and what goes with each.

    Attributes:
        z: Shape (N, D), on the model's device.
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


@dataclass(frozen=True)
class Request:
    """What a verb that looks at codes was asked for.

    Attributes:
        context: The model, which makes images.
        images: As of `load_inputs`, and so are the others.
        label: Of all images without labels; of drawn codes the classes in turn, by default all.
        resize: Whether images may be resized.
        seed: Of all that is drawn.
    """

    context: Context
    images: Images | None
    label: Classes | None
    resize: bool
    seed: int

    def codes_of_images(self, verb: str, n: int) -> Codes:
        """The posterior means of n images.

        Raises:
            UsageError: If the model finds no codes, or the images do not fit it.
        """
        context, label = self.context, self.label
        if not (label is None or isinstance(label, int | str)):
            raise UsageError("between images, one class is given for all of them; name one only")
        model = context.model.capability(HasCodes, verb)
        inputs = load_inputs(
            context, self.images, n=n, label=label, resize=self.resize, seed=self.seed
        )

        def encode(batch: Batch) -> tuple[Tensor, Tensor | None, Tensor]:
            c = context.condition_of(batch)
            return model.codes(batch.x, c), c, batch.x

        z, c, x = inputs.each(encode, self.seed)
        by_class = context.model.condition.about == "class"
        y = c if by_class else inputs.labels
        names = [] if y is None else [(*context.class_names, "?")[k] for k in y.tolist()]
        return Codes(z.to(context.device), context.model.condition(c) if by_class else c, x, names)

    def drawn_codes(self, n: int) -> Codes:
        """The codes of n samples, each with a class in turn, or with an image of which it is part.

        Raises:
            UsageError: If `n` is less than 1, there is no such class, or the images do not fit.
        """
        if n < 1:
            raise UsageError(f"n={n}: ask for at least one")
        context, model = self.context, self.context.model
        assert isinstance(model, Generative)
        asked = context.asked_classes(self.label)
        z = model.sample_latent(n, self.seed)
        if model.condition.about == "image":
            inputs = load_inputs(context, self.images, n=n, resize=self.resize, seed=self.seed)
            (c,) = inputs.each(lambda batch: (context.condition_of(batch),), self.seed)
            return Codes(z[: len(c)], c, None, [])
        if not asked:
            return Codes(z, None, None, [])
        y = torch.as_tensor(asked)[torch.arange(n) % len(asked)]
        return Codes(z, model.condition(y), None, [context.class_names[k] for k in y.tolist()])
