"""Two ways to fill in what is hidden of an image: by a model trained for it, or by any decoder.

Each, an `Inpainter`, gives several completions of a batch, and estimates of the likelihood of what
was hidden.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from twofold.conditions import ClassCondition
from twofold.data.batches import Batch
from twofold.data.dataset import UNLABELED
from twofold.errors import NotMeasured
from twofold.evaluation.figure import Quantity
from twofold.evaluation.likelihood import what_is_no_probability
from twofold.experiments.context import Context
from twofold.inpainting.hidden import (
    Chains,
    codes_given,
    concatenate,
    hidden_bound,
    hidden_by_prior,
)
from twofold.models.base import Generative
from twofold.models.capabilities import Decodes, Encodes, HasLikelihood
from twofold.phases import NATS
from twofold.verbs.per_image import PerImage

__all__ = ["Inpainter", "make_inpainter"]

CHAINS, TEMPERATURES = 32, 200  # of annealing; more chains where more completions are asked for
LIKELIHOOD = Quantity("completion/log_likelihood", "ln p(hidden | visible)", NATS, "higher")
EFFECTIVE = Quantity("completion/effective_chains", "effective chains", "chains", "higher")


@dataclass(frozen=True)
class Conditional:
    """A model that was trained to complete images: z ~ p(z), decoded with what is visible."""

    context: Context
    model: Generative
    visible: Tensor
    samples: int

    @property
    def how(self) -> str:
        """By what means, in words."""
        return "as it was trained to"

    def inpaint(self, batch: Batch, count: int) -> Tensor:
        """So many completions of each image, pixels in [0, 1], shape (count, B, C, H, W)."""
        z = self.model.prior.sample(count * len(batch)).unflatten(0, (count, len(batch)))
        cs = [self.context.condition_of(batch)] * count
        return _with_visible(self.model, z, cs, batch.x, self.visible)

    def likelihood(self, batch: Batch) -> list[PerImage]:
        """Estimates of ln p(hidden | visible).

        Raises:
            NotMeasured: If the model has no likelihood.
        """
        model, k = self.context.model.capability(Encodes), self.samples
        if model is None or self.context.model.capability(HasLikelihood) is None:
            raise NotMeasured(
                f"a {self.context.model.title} says nothing of how probable the hidden part is; "
                "a VAE conditioned on a part of the image does"
            )
        given = (model, batch.x, self.context.condition_of(batch), ~self.visible, k)
        return [
            _log_likelihood(self.context, estimate(*given), name, how, {"samples": k})
            for name, how, estimate in (
                ("bound", f"importance-weighted bound, k = {k}", hidden_bound),
                ("prior", f"Monte Carlo over the prior, k = {k}", hidden_by_prior),
            )
        ]


@dataclass(frozen=True)
class Annealing:
    """Any other decoder: z ~ p(z | visible), found by annealing.

    The class is hidden too where it is not known, or where the model infers it, and is drawn with
    the code.
    """

    context: Context
    decoder: Decodes
    model: Generative
    visible: Tensor
    chains: int

    @property
    def how(self) -> str:
        return (
            f"by {self.chains} chains of codes through {TEMPERATURES} temperatures each, which "
            "takes a second or more an image"
        )

    def inpaint(self, batch: Batch, count: int) -> Tensor:
        z, c = self._seen(batch).resampled(count)
        return _with_visible(
            self.model, z, [None] * count if c is None else list(c), batch.x, self.visible
        )

    def likelihood(self, batch: Batch) -> list[PerImage]:
        seen, whole = self._seen(batch), self._codes(batch, torch.ones_like(self.visible))
        provenance = {"chains": self.chains, "temperatures": TEMPERATURES}
        given = "given the class where it is known, " if self.context.needs_class else ""
        how = f"ln p(x) − ln p(visible) by AIS, {self.chains} chains, {TEMPERATURES} temperatures"
        difference = whole.log_likelihood - seen.log_likelihood
        effective = torch.minimum(seen.effective, whole.effective)
        return [
            _log_likelihood(self.context, difference, "ais", f"{given}{how}", provenance),
            PerImage(
                EFFECTIVE,
                effective,
                variant=f"of {self.chains}, of the worse of the two",
                provenance=provenance,
            ),
        ]

    def _seen(self, batch: Batch) -> Chains:
        return batch.once("seen", lambda: self._codes(batch, self.visible))

    def _codes(self, batch: Batch, part: Tensor) -> Chains:
        y = batch.y if self.context.needs_class else None
        known = torch.zeros(len(batch), dtype=torch.bool) if y is None else y.cpu() != UNLABELED
        rows = [mask.nonzero().squeeze(1).to(batch.x.device) for mask in (known, ~known)]
        found = [
            codes_given(self.decoder, batch.x[some], c, part, self.chains, TEMPERATURES)
            for some, c in zip(rows, (None if y is None else y[rows[0]], None), strict=True)
            if len(some)
        ]
        return concatenate(found, torch.cat(rows).argsort())


Inpainter = Conditional | Annealing


def make_inpainter(context: Context, visible: Tensor, completions: int, samples: int) -> Inpainter:
    """What completes images of which the pixels (H, W) are visible, each so many times.

    `samples` is k of the likelihood of a model that is conditioned on a part of the image.

    Raises:
        UsageError: If the model is neither that nor a decoder.
    """
    able = context.model.capability
    if context.model.condition.about == "image":
        return Conditional(context, able(Generative, "complete"), visible, samples)
    decoder, model = able(Decodes, "complete"), able(Generative, "complete")
    chains = max(CHAINS, 2 * completions)
    if isinstance(model.condition, ClassCondition):  # as many of each class
        K = model.condition.num_classes
        chains = K * max(2, math.ceil(chains / K))
    return Annealing(context, decoder, model, visible, chains)


@torch.no_grad()
def _with_visible(
    model: Generative, z: Tensor, c: Sequence[Tensor | None], x: Tensor, visible: Tensor
) -> Tensor:
    """Images of codes (S, B, D) and S conditions, with the visible pixels of x (B, C, H, W)."""
    made = [model.generate(*pair) for pair in zip(z, c, strict=True)]
    return torch.where(visible, x, torch.stack(made).float())


def _log_likelihood(
    context: Context, values: Tensor, by: str, how: str, provenance: dict[str, Any]
) -> PerImage:
    """ln p(hidden | visible) as a figure, whose title says how it was estimated, and given what."""
    able = context.model.capability(HasLikelihood, "measure the hidden part")
    data = {"binarize": context.run.experiment.data.binarize, "likelihood": able.likelihood.name}
    notes = what_is_no_probability(context.run, able)
    return PerImage(LIKELIHOOD, values, by, how, {**data, **provenance}, notes)
