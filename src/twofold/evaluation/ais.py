"""How probable a decoder finds test images, by annealed importance sampling.

Of the same images stands beside it what the IWAE bound says, where there is an encoder: both are
lower bounds in expectation, so the higher is the nearer. The sampler is in `annealed.py`, the noise
that gives a generator a density in `observation.py`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import NotMeasured
from twofold.evaluation.annealed import Annealed, annealed_likelihood
from twofold.evaluation.figure import Figure, Quantity, mean_and_error
from twofold.evaluation.likelihood import (
    given_words,
    iwae_bounds,
    of_densities,
    what_is_no_probability,
)
from twofold.evaluation.measure import Measure
from twofold.evaluation.observation import GaussianObservation, fit_sigma
from twofold.evaluation.questions import LIKELIHOOD
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context
from twofold.models.base import Generative
from twofold.models.capabilities import Decodes, Discriminates, HasLikelihood
from twofold.registry import register

__all__ = ["AIS", "above_bound"]

IMAGES, CHAINS, LEAPFROGS = 32, 16, 3
TEMPERATURES = {"decoder": 300, "generator": 1000}  # the narrower p(x|z), the more it takes
FIT = {"chains": 8, "temperatures": 300, "leapfrogs": LEAPFROGS}  # of a generator's noise
IWAE_SAMPLES = 1000
FEWEST = 2.0  # effective chains per image, below which the estimate hangs on one of them
LOG_P = Quantity(
    "ais",
    "ln p(x) by AIS",
    "higher",
    paper="Wu et al. (2017), section 3",
    caveat="Of a few images, and too low where the chains have not mixed.",
)


@register("measure", "ais")
class AIS(Measure):
    """ln p(x) of some test images, given the class where the model is conditioned on it."""

    question = LIKELIHOOD
    quantities = (LOG_P,)
    slow = True

    def take(self, context: Context) -> Iterator[Figure]:
        batch = context.examples("test", IMAGES)
        c = context.model.condition.pick(batch.x, batch.y)
        decoder, depends, notes = _decoder(context)
        observed = isinstance(decoder, GaussianObservation)
        temperatures = TEMPERATURES["generator" if observed else "decoder"]
        context.progress.say(
            f"annealing {CHAINS} chains for each of {len(batch)} {context.split} images"
        )
        found = annealed_likelihood(decoder, batch.x, c, CHAINS, temperatures, LEAPFROGS)
        estimate = found.log_likelihood.cpu()
        if not estimate.isfinite().all():
            raise NotMeasured(
                "the decoder gives NaN or infinite log-probabilities: training has diverged; look "
                "at the losses, and train again with a smaller lr"
            )
        details = _details(found)
        if (model := context.model.capability(HasLikelihood)) is not None:
            details |= _beside(model, batch, estimate)
        how = [given_words(context), f"{CHAINS} chains", f"{temperatures} temperatures"]
        yield LOG_P.mean(
            estimate,
            variant=", ".join(filter(None, how)),
            provenance={
                **context.provenance,
                "images": len(batch),
                **depends,
                **{"chains": CHAINS, "temperatures": temperatures, "leapfrogs": LEAPFROGS},
            },
            notes=(*notes, *_doubts(details)),
            details=details,
        )


def above_bound(run: RunSummary) -> float | None:
    """By how many nats AIS was above the IWAE bound of the same images; None without either."""
    ais = run.figures.get(LOG_P.key)
    above = ais.details.get("above_iwae") if ais is not None else None
    return above[0] if above else None


def _decoder(context: Context) -> tuple[Decodes, dict[str, Any], tuple[str, ...]]:
    """What gives p(x|z), what the figure therefore depends on, and what its reader must know."""
    model = context.model
    decoder, bounded = model.capability(Decodes), model.capability(HasLikelihood)
    if decoder is None and isinstance(model, Generative) and model.capability(Discriminates):
        return _observed(context, model)
    if decoder is None or bounded is None:
        raise NotMeasured(
            f"a {model.title} has no p(x|z); a VAE, M2, DRAW or GAN has, and a hybrid of these"
        )
    depends = of_densities(context, bounded.likelihood.name)
    return decoder, depends, what_is_no_probability(context.run, bounded)


def _observed(
    context: Context, model: Generative
) -> tuple[Decodes, dict[str, Any], tuple[str, ...]]:
    """A generator as a decoder, by noise fitted to training images."""
    batch = context.examples("train", IMAGES)
    context.progress.say(f"fitting the noise of the generator to {len(batch)} training images")
    c = model.condition.pick(batch.x, batch.y)
    sigma = fit_sigma(model, batch.x, c, **FIT)[-1]
    depends = of_densities(context, "gaussian") | {"sigma": sigma, "sigma_images": len(batch)}
    note = (
        f"a density on [0, 1] under noise of σ = {sigma:.3f} around each generated image: it "
        "depends on σ, and compares only with the same observation model"
    )
    return GaussianObservation(model, sigma), depends, (note,)


def _details(found: Annealed) -> dict[str, Any]:
    """Each image's estimate and how far it can be trusted, with means over images."""
    images = (found.log_likelihood, found.error, found.effective, found.acceptance)
    return {
        "images": torch.stack([values.cpu().double() for values in images], dim=1).tolist(),
        "columns": ["ln p(x)", "standard error over chains", "effective chains", "acceptance"],
        "effective": found.effective.mean().item(),
        "acceptance": found.acceptance.mean().item(),
        "chains_error": found.error.square().sum().sqrt().item() / len(found.error),
    }


def _beside(model: HasLikelihood, batch: Batch, estimate: Tensor) -> dict[str, Any]:
    """The IWAE bound of the same images, and by how much AIS is above it, with standard errors."""
    bound = iwae_bounds(model, [batch], IWAE_SAMPLES)[IWAE_SAMPLES]
    return {
        "iwae": [IWAE_SAMPLES, *mean_and_error(bound)],
        "above_iwae": [*mean_and_error(estimate - bound)],
    }


def _doubts(details: dict[str, Any]) -> Iterator[str]:
    """Why the estimate may be far below ln p(x), and what not to hold it against."""
    if "iwae" in details:
        k, bound, _ = details["iwae"]
        yield f"compare with the IWAE bound of the same few images, {bound:.2f} at k = {k}"
    if details["effective"] < FEWEST:
        yield (
            f"on average {details['effective']:.1f} of {CHAINS} chains count: the estimate is "
            "likely too low"
        )
    above, error = details.get("above_iwae", (0.0, None))
    if above < -2 * (error or 0.0):
        yield f"below the IWAE bound of the same images by {-above:.2g} nats, so too low"
