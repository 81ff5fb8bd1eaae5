"""The auxiliary classifier's terms, and whom they reach."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.conditions import ImagePart, part_mask
from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError
from twofold.models.acgan import ACGAN
from twofold.models.adversary import Adversary
from twofold.models.capabilities import Classifies
from twofold.models.gan import GAN
from twofold.models.heads import Auxiliary, Shown
from twofold.networks import build_network

SHAPE, D, K = (1, 3, 4), 5, 3


def make_acgan(
    learns_from: str = "all", told: bool = True, weight: float = 1.0, **of_adversary
) -> ACGAN:
    discriminator = build_network("fc-16", SHAPE, (1 + K,), activation="leaky-0.2")
    head = {"name": "class", "learns_from": learns_from, "weight": weight}
    return ACGAN(
        build_network("fc-16", (D,), SHAPE, K if told else 0),
        Adversary(discriminator, head, **of_adversary),
        latent_dim=D,
        condition="class" if told else "none",
        image_shape=SHAPE,
        num_classes=K,
    )


def make_batch(count: int = 6) -> Batch:
    return Batch(torch.rand(count, *SHAPE), torch.arange(count) % K)


def by_hand(model: ACGAN, batch: Batch, seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The terms of both players, non-saturating, from F alone."""
    torch.manual_seed(seed)
    told = torch.eye(K)[batch.y] if model.condition.dim else None
    x_fake = torch.tanh(model.generator(torch.randn(len(batch), D), told))
    real, fake = (model.adversary.discriminator(x) for x in (batch.x * 2 - 1, x_fake))
    one, zero = torch.ones(len(batch)), torch.zeros(len(batch))
    cross_entropy = F.binary_cross_entropy_with_logits
    d = {"adversarial": cross_entropy(real[:, 0], one) + cross_entropy(fake[:, 0], zero)}
    g = {"adversarial": cross_entropy(fake[:, 0], one)}
    d["class_real"] = F.cross_entropy(real[:, 1:], batch.y)
    if model.adversary.head.learns_from == "all":
        d["class_fake"] = g["class_fake"] = F.cross_entropy(fake[:, 1:], batch.y)
    return d, g


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize(("learns_from", "told"), [("all", True), ("real", True), ("real", False)])
def test_terms_and_gradients_are_cross_entropies_of_logits(learns_from, told, weight):
    """Trap: sigmoid or softmax before a cross-entropy that applies its own."""
    model, batch = make_acgan(learns_from, told, weight), make_batch()
    torch.manual_seed(2)
    found = [phase.loss(batch) for phase in model.phases]
    for phase, terms, expected in zip(
        model.phases, found, by_hand(model, batch, seed=2), strict=True
    ):
        assert terms.terms.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(terms.terms[name], value)
        total = sum(v * (weight if "class" in name else 1.0) for name, v in expected.items())
        torch.testing.assert_close(terms.total, total)
        pairs = zip(
            torch.autograd.grad(terms.total, phase.parameters, retain_graph=True),
            torch.autograd.grad(total, phase.parameters, retain_graph=True),
            strict=True,
        )
        for gradient, target in pairs:
            assert target.abs().max() > 0
            torch.testing.assert_close(gradient, target, rtol=1e-4, atol=1e-6)


def test_a_sure_classifier_costs_its_logits():
    """Trap: a double softmax. Ten nats for the wrong class are ten, and would be 1.5."""
    model, batch = make_acgan("real"), make_batch()
    with torch.no_grad():
        last = model.adversary.discriminator.after[-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 10.0, 0.0, 0.0]))
    right = model.discriminator_loss(Batch(batch.x, torch.zeros(6).long()))
    wrong = model.discriminator_loss(Batch(batch.x, torch.ones(6).long()))
    assert right.terms["class_real"].item() == pytest.approx(0.0, abs=1e-3)
    assert wrong.terms["class_real"].item() == pytest.approx(10.0, abs=1e-3)
    assert (right.watch["accuracy_class"].item(), wrong.watch["accuracy_class"].item()) == (1, 0)


@pytest.mark.parametrize("told", [False, True])
def test_under_real_the_class_never_reaches_the_generator(told):
    """Its loss and its gradient are those of the GAN without the classifier."""
    model, batch = make_acgan("real", told), make_batch()

    class ScoreAlone(torch.nn.Module):
        def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
            return model.adversary.discriminator(x)[:, :1]

    gan = GAN(model.generator, ScoreAlone(), D, model.condition, image_shape=SHAPE)
    losses = []
    for player in (model, gan):
        torch.manual_seed(5)
        losses.append(player.generator_loss(Batch(batch.x, batch.y)))
    assert list(losses[0].terms) == ["adversarial"]
    parameters = list(model.generator.parameters())
    torch.testing.assert_close(
        *(torch.autograd.grad(loss.total, parameters) for loss in losses), rtol=0, atol=0
    )


def test_under_all_the_generator_learns_to_show_its_class():
    """A small step of G along the class term alone lowers it at the same noise."""
    model, batch = make_acgan(weight=1e4), make_batch()
    values = []
    for _ in range(2):
        torch.manual_seed(1)
        loss = model.generator_loss(Batch(batch.x, batch.y))
        values.append(loss.terms["class_fake"])
        parameters = list(model.generator.parameters())
        gradients = torch.autograd.grad(loss.total, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= 1e-6 * gradient
    assert values[1] < values[0]


def test_the_discriminator_gives_the_generator_nothing():
    model = make_acgan()
    model.discriminator_loss(make_batch()).total.backward()
    assert all(p.grad is None for p in model.generator.parameters())


def test_twice_the_same_images_change_nothing():
    """Trap: batch-sum in one term, batch-mean in another."""
    model, batch = make_acgan(r1=1.0), make_batch()
    c, terms = model.condition(batch.y), []
    fakes = Shown(torch.tanh(torch.randn(6, *SHAPE)), c, c)
    for times in (1, 2):
        more = Batch(batch.x.repeat(times, 1, 1, 1), batch.y.repeat(times))
        many = Shown(fakes.x.repeat(times, 1, 1, 1), c.repeat(times, 1), c.repeat(times, 1))
        more.once("x_fake", lambda many=many: many)
        losses = (model.discriminator_loss(more), model.generator_loss(more))
        terms.append([value for loss in losses for value in loss.terms.values()])
    assert len(terms[0]) == 6
    torch.testing.assert_close(*terms)


def test_classes_are_read_from_one_softmax():
    """The score is no class, and images are told in [0, 1]; the adversary answers for the model."""
    model, batch = make_acgan(), make_batch()
    x = batch.x
    logits = model.adversary.discriminator(x * 2 - 1)
    found = model.capability(Classifies, "classify").classify(x, batch_size=4)
    torch.testing.assert_close(found, logits[:, 1:].log_softmax(dim=1))
    torch.testing.assert_close(model.realness(x, batch.y), logits[:, 0])
    torch.testing.assert_close(model.adversary.score(Shown(x * 2 - 1)), logits[:, 0])


def test_an_adversary_that_was_not_told_what_to_say_names_the_class():
    """However it is handed over: a network, fields or an object."""
    network = build_network("fc-8", SHAPE, (1 + K,))
    for adversary in (network, "fc-8", {"discriminator": "fc-8"}, Adversary("fc-8", loss="hinge")):
        model = ACGAN("fc-8", adversary, D, image_shape=SHAPE, num_classes=K)
        assert isinstance(model.adversary.head, Auxiliary)
        assert model.capability(Classifies) is model.adversary


@pytest.mark.parametrize("part", [False, True])
def test_a_generator_that_is_told_no_class_is_not_judged_by_one(part):
    """Trap: fakes trained towards the labels of unrelated images."""
    mask = part_mask("left-half", *SHAPE[1:])
    networks = build_network("fc-8", (D,), SHAPE), build_network("fc-8", SHAPE, (1 + K,))
    words = "learns_from=all judges fakes by a class .* use condition=class, .* or learns_from=real"
    with pytest.raises(UsageError, match=words):
        ACGAN(
            *networks,
            latent_dim=D,
            condition=ImagePart(mask, 1) if part else "none",
            image_shape=SHAPE,
            num_classes=K,
        )


def test_classes_and_losses_that_are_not_there():
    with pytest.raises(UsageError, match=r"learns_from: got 'reel'; .*'all' or 'real'"):
        make_acgan("reel")
    networks = build_network("fc-8", (D,), SHAPE), build_network("fc-8", SHAPE, (2,))
    with pytest.raises(DataError, match="at least 2 classes, got 1"):
        ACGAN(*networks, latent_dim=D, image_shape=SHAPE, num_classes=1)
    judge = Adversary(networks[1], {"name": "class", "learns_from": "real"})
    with pytest.raises(DataError, match=r"names classes and needs labels of at least 2, got 1"):
        ACGAN(networks[0], judge, D, "none", image_shape=SHAPE, num_classes=1)
    with pytest.raises(UsageError, match=r"weight: got 0.0; input should be greater than 0"):
        make_acgan(weight=0.0)
