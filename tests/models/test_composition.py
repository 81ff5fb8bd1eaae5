"""Every objective × prior × posterior × adversary: it trains and is measured, or is refused.

All that is registered is asked, and what is refused is written down here: neither changes unseen.
"""

import re
from itertools import product
from typing import Any

import pytest
import torch

from twofold.data.batches import Batch
from twofold.errors import TwofoldError
from twofold.models import AutoEncoder, Generative, Model
from twofold.registry import entries, make, parse, settings_of

K, SHAPE = 3, (1, 4, 4)
NETWORKS = {"encoder": "fc-8", "decoder": "fc-8"}
LATENT = {"latent_dim": 4}
FAMILIES: dict[str, dict[str, Any]] = {
    "vae": {**NETWORKS, **LATENT},
    "cvae": {**NETWORKS, **LATENT},
    "m2": {**NETWORKS, **LATENT, "classifier": "fc-8"},
    "draw": {"latent_dim": 2, "num_steps": 2, "hidden_dim": 8},
    "cdraw": {"latent_dim": 2, "num_steps": 2, "hidden_dim": 8},
}
OBJECTIVES = [entry.name for entry in entries("objective") if not entry.origin]
PRIORS = [entry.name for entry in entries("prior") if not entry.origin]
POSTERIORS = [entry.name for entry in entries("posterior") if not entry.origin]
HEADS = [entry.name for entry in entries("head") if not entry.origin]
LOSSES = [entry.name for entry in entries("loss") if not entry.origin]
LABEL_SUMS = ("exact-sum", "relaxed-sum")


def reason(family: str, objective: str, prior: str, posterior: str) -> str:
    """Why a combination makes no sense; empty where it does."""
    if (objective in LABEL_SUMS) != (family == "m2"):
        return "another sort of objective"
    one_gaussian = posterior == "gaussian" and family in ("vae", "cvae")
    if objective in ("dreg", "beta-tc") and not one_gaussian:
        return "needs one Gaussian"
    if prior == "vamp" and (family != "vae" or not one_gaussian):
        return "made of one Gaussian q(z|x) without a condition"
    if prior == "coded":
        return "partly discrete"
    if "two-layer" in (prior, posterior):
        return "made by HVAE for its own two codes"
    return ""


def build(family: str, **fields: Any) -> Model:
    settings = {"family": family, **FAMILIES[family], **fields}
    return make("model", parse("model", settings), image_shape=SHAPE, num_classes=K)


def batch_for(model: Model) -> Batch:
    y = torch.arange(6) % K
    if model.labels == "some":
        y[4:] = -1
        return Batch(torch.rand(6, *SHAPE).round(), y, num_labeled=4, labeled_share=0.5)
    return Batch(torch.rand(6, *SHAPE).round(), y)


def check_training(model: Model, unmoved: tuple[str, ...] = ()) -> None:
    """Every phase has a finite loss and moves all that it may, but for what it cannot."""
    batch = batch_for(model)
    for phase in model.train().phases:
        terms = phase.loss(batch)
        assert terms.terms, phase.name
        assert torch.isfinite(terms.total), phase.name
        model.zero_grad(set_to_none=True)
        terms.total.backward(inputs=phase.parameters, retain_graph=phase.keeps_graph)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        for parameter in phase.parameters:
            name = names[id(parameter)]
            if name in unmoved:
                assert parameter.grad is None, f"{phase.name} follows {name} after all"
                continue
            assert parameter.grad is not None, f"{phase.name} does not follow {name}"
            assert torch.isfinite(parameter.grad).all(), name


def check_use(model: Model) -> None:
    """It samples, reconstructs, bounds, and is what a file says of it."""
    assert isinstance(model, Generative)
    c = torch.arange(6) % K if model.condition.about == "class" else None
    x = model.eval().sample(6, c, seed=1)
    assert x.shape == (6, *SHAPE)
    assert torch.equal(model.sample(6, c, seed=1), x)
    if isinstance(model, AutoEncoder):
        assert model.reconstruct(x, c).shape == x.shape
        for bound in (model.elbo(x, c, 2), model.log_likelihood(x, c, 3)):
            assert bound.shape == (6,)
            assert torch.isfinite(bound).all()
    written = settings_of(model)
    assert written is not None
    again = parse("model", written.model_dump(mode="json"))
    rebuilt = make("model", again, image_shape=SHAPE, num_classes=K)
    assert rebuilt.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(("family", "objective"), list(product(FAMILIES, OBJECTIVES)))
def test_every_objective_goes_with_every_prior_or_says_why_not(family: str, objective: str):
    for prior, posterior in product(PRIORS, POSTERIORS):
        if posterior != "gaussian" and family not in ("vae", "cvae"):
            continue  # M2 and DRAW have no choice of it
        places = {"objective": objective, "prior": prior}
        if family in ("vae", "cvae"):
            places["posterior"] = posterior
        if reason(family, objective, prior, posterior):
            with pytest.raises(TwofoldError) as refusal:
                build(family, **places)
            assert re.search(r"use |needs |is part of ", str(refusal.value)), str(refusal.value)
            continue
        model = build(family, **places)
        # Draws of the prior, all that this objective looks at, have no gradient to the weights.
        by_draws = (objective, prior) == ("wae-mmd", "mixture")
        check_training(model, ("prior.logits",) if by_draws else ())
        check_use(model)


def head_reason(family: str, head: str) -> str:
    """Why an adversary's head does not go with what it would judge; empty where it does."""
    about_class = family in ("cvae", "m2", "cdraw", "cgan")
    if head == "code":
        return "reads the code of a generator"
    if head in ("class", "plus-one", "projection") and not about_class:
        return "asks for a class"
    if head == "projection" and family == "m2":
        return "unlabeled images have no class to project on"
    if head == "conditional" and family in ("cvae", "cdraw", "m2"):
        return "a hybrid shows no condition"
    return ""


@pytest.mark.parametrize(("family", "head"), list(product([*FAMILIES, "gan", "cgan"], HEADS)))
def test_every_head_goes_with_every_pair_of_losses_or_says_why_not(family: str, head: str):
    for loss in LOSSES:
        penalties = {"r1": 0.1, "r2": 0.1, "gp_weight": 0.1, "ema": 0.9, "augment": ["translation"]}
        adversary = {"discriminator": "fc-8", "head": head, "loss": loss, **penalties}
        if family in FAMILIES:
            autoencoder = {"family": family, **FAMILIES[family]}
            settings = {"family": "hybrid", "autoencoder": autoencoder, "adversary": adversary}
        else:
            settings = {"family": family, "generator": "fc-8", **LATENT, "adversary": adversary}
        if head_reason(family, head):
            with pytest.raises(TwofoldError, match=r"use |needs "):
                make("model", settings, image_shape=SHAPE, num_classes=K)
            continue
        model = make("model", settings, image_shape=SHAPE, num_classes=K)
        check_training(model)
        check_use(model)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_hybrid_goes_around_what_has_a_reconstruction_term(objective: str):
    family = "m2" if objective in LABEL_SUMS else "vae"
    autoencoder = {"family": family, **FAMILIES[family], "objective": objective}
    settings = {"family": "hybrid", "autoencoder": autoencoder, "adversary": "fc-8"}
    if objective in ("iwae", "dreg"):
        with pytest.raises(TwofoldError, match=r"no reconstruction term .* use objective=elbo"):
            make("model", settings, image_shape=SHAPE, num_classes=K)
        return
    model = make("model", settings, image_shape=SHAPE, num_classes=K)
    check_training(model)
    check_use(model)
