r"""How probable a model finds held-out images: the ELBO, its terms, and IWAE bounds.

.. math:: L_k = E\left[\ln \tfrac{1}{k} \sum_{i=1}^k \frac{p(x, z_i)}{q(z_i|x)}\right],
          \quad \mathrm{ELBO} = L_1 \le L_k \le L_{k+1} \le \ln p(x)

References:
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016), theorem 1,
    https://arxiv.org/abs/1509.00519
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.distributions import bits_per_dim
from twofold.errors import NotMeasured
from twofold.evaluation.figure import NORMAL, Figure, Quantity, mean_and_error
from twofold.evaluation.findings import Finding, default_findings
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import DASHED, THIN, WIDE, Panel
from twofold.evaluation.questions import LIKELIHOOD
from twofold.evaluation.summary import RunSummary, mentions, those_with
from twofold.experiments.context import Context
from twofold.experiments.run import Run
from twofold.models.base import evaluating
from twofold.models.capabilities import HasLikelihood
from twofold.phases import NATS
from twofold.pictures.style import canvas, drawing, label_ticks, render
from twofold.registry import register
from twofold.words import count as in_groups
from twofold.words import number

__all__ = [
    "Likelihood",
    "elbo_terms",
    "given_words",
    "iwae_bounds",
    "of_densities",
    "running_log_mean_exp",
    "sample_counts",
    "what_is_no_probability",
]

# Decoded images at a time, which bound the memory: as many as a CPU has caches for, or keep a GPU
# at work. An image is encoded once for each so many of its draws.
ROWS, ROWS_ELSEWHERE, DRAWS = 2_000, 20_000, 40


@torch.no_grad()
def elbo_terms(
    model: HasLikelihood, batches: Iterable[Batch], num_samples: int = 1
) -> tuple[Tensor, Tensor]:
    """Reconstruction term and KL of every held-out image, by so many draws of z.

    Returns:
        E_q[-ln p(x|z)] and KL in nats per image, float64, shapes (N,) and (N,).
    """
    recon, kl = [], []
    with evaluating(model):
        for batch in batches:
            c = model.condition.pick(batch.x, batch.y)
            terms = model.elbo_terms(batch.x, c, num_samples)
            recon.append(terms[0].cpu().double())
            kl.append(terms[1].cpu().double())
    return torch.cat(recon), torch.cat(kl)


def running_log_mean_exp(log_values: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """ln of the mean of exp over the first axis of all stretches (S_1, B), (S_2, B), … so far.

    Yields:
        After each stretch the number of values so far, and shape (B,) in float64.

    Example:
        >>> stretches = [torch.zeros(3, 1), torch.full((1, 1), -1e9)]
        >>> [(count, round(mean.item(), 4)) for count, mean in running_log_mean_exp(stretches)]
        [(3, 0.0), (4, -0.2877)]
    """
    total, count = None, 0
    for stretch in log_values:
        part = torch.logsumexp(stretch.double(), dim=0)
        total = part if total is None else torch.logaddexp(total, part)
        count += len(stretch)
        yield count, total - math.log(count)


def sample_counts(num_samples: int) -> list[int]:
    """Where a bound of k samples is looked at on the way: 1, 10, 100, …, k // 10 and k.

    Example:
        >>> sample_counts(5000)
        [1, 10, 100, 500, 1000, 5000]
    """
    powers = {10**i for i in range(len(str(num_samples)))}
    return sorted({*powers, num_samples, num_samples // 10} - {0})


@torch.no_grad()
def iwae_bounds(
    model: HasLikelihood,
    batches: Iterable[Batch],
    num_samples: int,
    rows: int | None = None,
) -> dict[int, Tensor]:
    """The IWAE bounds on ln p(x|c) of every image, in bounded memory.

    Each L_k is of the first k of the same draws, so their differences have less noise than they.

    Arguments:
        model: One that bounds ln p(x|c).
        batches: Held-out images.
        num_samples: The largest k.
        rows: How many images may be decoded at once, whatever k is; by default as many as the
            device is fastest with.

    Returns:
        L_k in nats per image, float64, shape (N,), for each k of `sample_counts`.

    Raises:
        ValueError: If there is not at least one sample.
    """
    if num_samples < 1:
        raise ValueError(f"a bound needs at least one sample, got {num_samples}")
    counts, rows = sample_counts(num_samples), rows or _rows(model)
    bounds: dict[int, list[Tensor]] = {k: [] for k in counts}
    with evaluating(model):
        for batch in batches:
            c = model.condition.pick(batch.x, batch.y)
            lengths = _stretches(counts, max(1, rows // len(batch)))
            drawn = (model.log_weights(batch.x, c, length) for length in lengths)
            for k, bound in running_log_mean_exp(drawn):
                if k in bounds:
                    bounds[k].append(bound.cpu())
    return {k: torch.cat(parts) for k, parts in bounds.items()}


def _rows(model: HasLikelihood) -> int:
    return ROWS if model.device.type == "cpu" else ROWS_ELSEWHERE


def _stretches(counts: list[int], longest: int) -> Iterator[int]:
    """Lengths that add up to each of the counts in turn, none above `longest`."""
    for start, end in pairwise([0, *counts]):
        yield from (min(longest, end - done) for done in range(start, end, longest))


MOVED = 0.5  # nats in the last tenfold of k, above which a bound has not converged
GIVEN = {"class": "given the class", "image": "given what is shown"}
ELBO = Quantity(
    "elbo",
    "ELBO",
    NATS,
    "higher",
    paper="Kingma and Welling (2014), equation 3",
    caveat="A lower bound: part of a difference may be how tight the two bounds are.",
    headline=True,
)
RECON = Quantity("recon_nll", "reconstruction, −E ln p(x|z)", NATS)
KL = Quantity("kl", "KL(q(z|x) ‖ p(z))", NATS, least=0.0)
IWAE = Quantity(
    "iwae",
    "IWAE bound",
    NATS,
    "higher",
    paper="Burda et al. (2016), theorem 1",
    caveat="It rises with k; compare it at equal k alone.",
)
BITS = Quantity("bits_per_dim", "bits per dimension", "bits per dimension", "lower")


@register("measure", "likelihood")
class Likelihood(Measure):
    """ELBO, its terms and the IWAE bound on the test images, in bits per dimension too."""

    question = LIKELIHOOD
    quantities = (ELBO, RECON, KL, IWAE, BITS)

    def take(self, context: Context) -> Iterator[Figure]:
        model = context.model.capability(HasLikelihood)
        if model is None:
            raise NotMeasured(
                f"a {context.model.title} bounds no likelihood; a VAE, M2 or DRAW does"
            )
        context.progress.say(f"ELBO and IWAE bound on the {context.split} images")
        recon, kl = elbo_terms(model, context.batches.in_order())
        shared: dict[str, Any] = {
            "provenance": {**context.provenance, **of_densities(context, model.likelihood.name)},
            "notes": what_is_no_probability(context.run, model),
        }
        yield ELBO.mean(-(recon + kl), variant=given_words(context), **shared)
        yield RECON.mean(recon, **shared)
        yield KL.mean(kl, **shared)
        k = context.settings["iwae_samples"]
        bounds = iwae_bounds(model, context.batches.in_order(_rows(model) // DRAWS), k)
        shared["provenance"] = {**shared["provenance"], "samples": k}
        shared["notes"] += _unconverged(bounds, k)
        variant = ", ".join(filter(None, [f"k = {k}", given_words(context)]))
        curve = [[n, *mean_and_error(bound)] for n, bound in bounds.items()]
        yield IWAE.mean(bounds[k], str(k), variant, details={"convergence": curve}, **shared)
        shown = model.condition.about == "image"  # and what is shown has no bits
        if not model.likelihood.needs_binary and not shown:
            yield _bits(context, model, bounds[k], shared)

    def findings(self, runs: Sequence[RunSummary]) -> Iterator[Finding]:
        """The ELBO and, of one run, its parts; and who can have none."""
        having, found = those_with(runs, "elbo"), default_findings(runs, "elbo")
        parts = having[0].figures if len(having) == 1 else {}
        for one in found:
            text = one.text
            if {"recon_nll", "kl"} <= parts.keys():
                recon, kl = (number(parts[name].value) for name in ("recon_nll", "kl"))
                text += f" Of its negative, {recon} is reconstruction and {kl} the KL to the prior."
            yield Finding(one.topic, text)
        gans = [run for run in runs if run.is_gan and not run.model.get("wraps")]
        if gans and any(run.is_vae for run in runs):
            verb = "has" if len(gans) == 1 else "have"
            text = (
                f"{mentions(gans)} {verb} none, as no GAN does, and cannot be placed on that scale."
            )
            yield Finding(found[-1].topic if found else "Likelihood", text)

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        yield from super().panels(runs)
        for run in runs:
            yield from _draw_bounds(run)


def given_words(context: Context) -> str:
    """What a density is conditioned on, for a title: `given the class`, or nothing."""
    return GIVEN.get(context.model.condition.about, "")


def of_densities(context: Context, likelihood: str) -> dict[str, Any]:
    """What any figure of p(x) depends on beside the images, of a p(x|z) by its name."""
    about = context.model.condition.about
    return {
        "binarize": context.run.experiment.data.binarize,
        "likelihood": likelihood,
        **({"conditioned_on": about} if about in GIVEN else {}),
    }


def what_is_no_probability(run: Run, model: HasLikelihood) -> tuple[str, ...]:
    """Why exp of the figure is no probability of the images; empty where it is one."""
    if model.likelihood.needs_binary and run.experiment.data.binarize == "none":
        return ("gray pixels as Bernoulli targets: not a likelihood, compare only with the same",)
    if not model.likelihood.is_discrete:
        return ("a density on [0, 1], not a probability of 8-bit pixels",)
    return ()


def _unconverged(bounds: dict[int, Tensor], k: int) -> tuple[str, ...]:
    """What a reader must know of a bound that the last tenfold of k still moved."""
    if k // 10 not in bounds:
        return (f"k = {k} is too few to see whether the bound has converged",)
    rise = (bounds[k] - bounds[k // 10]).mean().item()
    _, error = mean_and_error(bounds[k])
    if rise <= min(MOVED, MOVED if error is None else error):
        return ()
    return (f"not converged in k: from k = {k // 10} to {k} the bound rose by {rise:.2g} nats",)


def _bits(context: Context, model: HasLikelihood, bound: Tensor, shared: dict[str, Any]) -> Figure:
    """The IWAE bound in bits for each pixel and channel."""
    shape, density = context.model.image_shape, not model.likelihood.is_discrete
    value, error = mean_and_error(bound)
    note = "of gray levels without dequantization: no bound on the bits of 8-bit pixels"
    return BITS.figure(
        bits_per_dim(-value, shape, density),
        variant=given_words(context),
        error=None if error is None else bits_per_dim(error, shape),
        provenance=shared["provenance"],
        notes=(*shared["notes"], *([note] if density else [])),
    )


def _draw_bounds(run: RunSummary) -> Iterator[Panel]:
    """The IWAE bound by its k, and what AIS has in its place as a dashed line."""
    from twofold.evaluation.ais import above_bound  # which measures by the bounds of this file

    bounds = [one for name, one in run.figures.items() if name.startswith("iwae/")]
    curves = [one.details.get("convergence") or [] for one in bounds]
    curve = max(curves, key=len, default=[])  # rows of k, bound, standard error
    if len(curve) < 2:
        return
    k, values, errors = zip(*curve, strict=True)
    above = above_bound(run)
    with drawing():
        figure, axes = canvas(WIDE)
        axes.set_xscale("log")
        bars = [NORMAL * (error or 0.0) for error in errors]
        axes.errorbar(k, values, yerr=bars, fmt="o-", color=run.ink, markersize=3.5, **THIN)
        if above is not None:
            axes.axhline(values[-1] + above, color=run.ink, **DASHED)
        axes.margins(x=0.06, y=0.12)
        axes.set_xticks(k)
        label_ticks(axes, lambda value: in_groups(round(value)))
        axes.set(xlabel="k, draws from q(z|x) for each image", ylabel=NATS)
        alt = f"The IWAE bound of {run.name} by its number of draws"
        picture = render(figure, f"iwae-by-k-{run.letter}", alt)
    note = (
        "The bound rises with k towards ln p(x). The dashed line is AIS, as far above the end of "
        "the curve as it lies above the bound of its own few images."
    )
    yield Panel(f"{run.mention} {IWAE.title}", picture, note, folded=True)
