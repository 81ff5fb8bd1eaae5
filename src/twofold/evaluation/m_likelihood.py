"""How probable the model finds the test images."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from twofold.distributions import bits_per_dim
from twofold.errors import NotMeasured
from twofold.evaluation.figure import Figure, mean_and_error
from twofold.evaluation.likelihood import elbo_terms, iwae_bounds
from twofold.experiments.context import Context
from twofold.experiments.run import Run
from twofold.models.base import Model
from twofold.models.capabilities import HasLikelihood

__all__ = ["condition_in_title", "likelihood", "what_is_no_probability"]

MOVED = 0.5  # nats in the last tenfold of k, above which a bound has not converged


def likelihood(context: Context) -> Iterator[Figure]:
    """ELBO, its terms and the IWAE bound on the test images, in bits per dimension too."""
    model = context.model.capability(HasLikelihood)
    if model is None:
        raise NotMeasured(f"a {context.model.title} bounds no likelihood; a VAE, M2 or DRAW does")
    context.progress.say("ELBO and IWAE bound on the test images")
    recon, kl = elbo_terms(model, context.batches.in_order())
    condition = condition_in_title(context.model)
    provenance = {
        **context.provenance,
        "binarize": context.run.experiment.data.binarize,
        "likelihood": model.likelihood.name,
    }
    figure = {"unit": "nats per image", "notes": what_is_no_probability(context.run, model)}
    for name, title, values, better in (
        ("elbo", f"ELBO{condition}", -(recon + kl), "higher"),
        ("recon_nll", "reconstruction, −E ln p(x|z)", recon, None),
        ("kl", "KL(q(z|x) ‖ p(z))", kl, None),
    ):
        yield Figure.of_mean(name, title, values, better=better, provenance=provenance, **figure)
    k = context.settings["iwae_samples"]
    bounds = iwae_bounds(model, context.batches.in_order(), k)
    iwae = Figure.of_mean(
        f"iwae/{k}",
        f"IWAE bound, k = {k}{condition}",
        bounds[k],
        "nats per image",
        better="higher",
        provenance={**provenance, "samples": k},
        notes=join(figure["notes"], _unconverged(bounds, k)),
        details={"convergence": [[n, *mean_and_error(bound)] for n, bound in bounds.items()]},
    )
    yield iwae
    shown = model.condition.about == "image"  # and what is shown has no bits
    if not model.likelihood.needs_binary and not shown:
        yield _bits_per_dim(context, model, iwae)


def condition_in_title(model: Model) -> str:
    """What a title says of a conditional probability."""
    return {"class": " given the class", "image": " given what is shown"}.get(
        model.condition.about, ""
    )


def what_is_no_probability(run: Run, model: HasLikelihood) -> str:
    """Why exp of the figure is no probability of the images; empty where it is one."""
    if model.likelihood.needs_binary and run.experiment.data.binarize == "none":
        return "gray pixels as Bernoulli targets: not a likelihood, compare only with the same"
    if not model.likelihood.is_discrete:
        return "a density on [0, 1], not a probability of 8-bit pixels"
    return ""


def _unconverged(bounds: dict[int, Tensor], k: int) -> str:
    """What a reader must know of a bound that the last tenfold of k still moved."""
    if k // 10 not in bounds:
        return f"k = {k} is too few to see whether the bound has converged"
    rise = (bounds[k] - bounds[k // 10]).mean().item()
    _, error = mean_and_error(bounds[k])
    if rise <= min(MOVED, MOVED if error is None else error):
        return ""
    return f"not converged in k: from k = {k // 10} to {k} the bound rose by {rise:.2g} nats"


def _bits_per_dim(context: Context, model: HasLikelihood, iwae: Figure) -> Figure:
    """The IWAE bound in bits for each pixel and channel."""
    shape, density = context.model.image_shape, not model.likelihood.is_discrete
    caution = "of gray levels without dequantization: no bound on the bits of 8-bit pixels"
    return replace(
        iwae,
        name="bits_per_dim",
        title=f"bits per dimension{condition_in_title(context.model)}",
        value=bits_per_dim(-iwae.value, shape, density),
        unit="bits per dimension",
        better="lower",
        error=None if iwae.error is None else bits_per_dim(iwae.error, shape),
        notes=join(iwae.notes, caution if density else ""),
        details={},
    )
