"""How probable the model finds the test images."""

from collections.abc import Iterator
from typing import Any

import torch

from twofold.apply.measures.subject import Subject
from twofold.conditions import ClassCondition
from twofold.metrics.likelihood import elbo_terms, iwae_bound
from twofold.metrics.measure import Measure, NotMeasured
from twofold.models.base import HasLikelihood

__all__ = ["likelihood"]


def likelihood(subject: Subject) -> Iterator[Measure]:
    """ELBO, its terms and the IWAE bound on the test images."""
    model = subject.model.offers(HasLikelihood)
    if model is None:
        raise NotMeasured(f"a {subject.model.title} bounds no likelihood; a VAE, M2 or DRAW does")
    subject.progress.say("ELBO and IWAE bound on the test images")
    recon, kl = elbo_terms(model, subject.batches.in_order())
    caution = _caution(subject, model)
    told = " given the class" if isinstance(model.condition, ClassCondition) else ""
    for name, title, values, better in (
        ("elbo", f"ELBO{told}", -(recon + kl), "higher"),
        ("recon_nll", "reconstruction, −E ln p(x|z)", recon, None),
        ("kl", "KL(q(z|x) ‖ p(z))", kl, None),
    ):
        yield _mean(subject, model, name, title, values, better, caution)
    k = subject.settings["iwae_samples"]
    bound = iwae_bound(model, subject.batches.in_order(), k)
    yield _mean(
        subject,
        model,
        f"iwae/{k}",
        f"IWAE bound, k = {k}{told}",
        bound,
        "higher",
        caution,
        samples=k,
    )


def _mean(
    subject: Subject,
    model: HasLikelihood,
    name: str,
    title: str,
    values: torch.Tensor,
    better: Any,
    caution: str,
    **depends: Any,
) -> Measure:
    return Measure(
        name=name,
        title=title,
        value=values.mean().item(),
        unit="nats per image",
        better=better,
        error=values.std().item() / len(values) ** 0.5 if len(values) > 1 else None,
        depends={
            **subject.depends,
            "binarise": subject.run.experiment.data.binarise,
            "likelihood": model.likelihood.name,
            **depends,
        },
        caution=caution,
    )


def _caution(subject: Subject, model: HasLikelihood) -> str:
    if model.likelihood.needs_binary and subject.run.experiment.data.binarise == "none":
        return "grey pixels as Bernoulli targets: not a likelihood, compare only with the same"
    if not model.likelihood.is_discrete:
        return "a density on [0, 1], not a probability of 8-bit pixels"
    return ""
