r"""What a discriminator says of an image: a score, and perhaps its class or its code.

Notation: output of the network, (B, outputs); score D(x), (B,), a logit or a critic's; targets, a
distribution over the K classes for each image, (B, K). No sigmoid or softmax comes before these.

With K + 1 classes, of which the last is "fake", the score is the log odds of any class against it,

.. math:: D(x) = \ln \sum_{k \le K} e^{l_k} - l_{K+1}, \quad
          -\ln p(y|x) = -\ln \sigma(D(x)) - \ln p(y|x, real),

so that it goes with every pair of losses, and the class is a term of its own as in ACGAN.

References:
    Conditional Generative Adversarial Nets (Mirza and Osindero, 2014), for the condition beside x
    Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens, 2017),
    equations 2 and 3, https://arxiv.org/abs/1610.09585
    Improved Techniques for Training GANs (Salimans et al., 2016), section 5, and When Variational
    Auto-encoders meet Generative Adversarial Networks (Chen, Fang and Ju, 2016), section 3, for the
    K + 1 classes
    cGANs with Projection Discriminator (Miyato and Koyama, 2018), equation 4,
    https://arxiv.org/abs/1802.05637
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from twofold.errors import DataError, UsageError
from twofold.registry import register
from twofold.settings import Count, Positive

__all__ = ["Auxiliary", "Binary", "Conditional", "Head", "Judged", "PlusOne", "Projection", "Shown"]

Player = Literal["discriminator", "generator"]


@dataclass(frozen=True)
class Shown:
    """Images, or codes, as a discriminator gets them, and what is known of each.

    Attributes:
        x: Pixels in [-1, 1], shape (R, C, H, W); or codes, (R, D).
        c: The encoded condition, shape (R, dim), or None.
        targets: Which classes they are of, or were asked to be of, shape (R, K); rows of zeros
            where nobody knows; None without classes.
        z: The codes that fakes were made of, shape (R, D), or None.
        rows: Which real image each is of, shape (R,); None for one each, in order.
        weight: What each counts, shape (R,), adding up to 1; None for all the same.

    Example:
        >>> shown = Shown(torch.zeros(2, 1, 4, 4), weight=torch.tensor([0.75, 0.25]))
        >>> shown.mean(torch.tensor([4.0, 8.0])).item()
        5.0
    """

    x: Tensor
    c: Tensor | None = None
    targets: Tensor | None = None
    z: Tensor | None = None
    rows: Tensor | None = None
    weight: Tensor | None = None

    def held(self, differentiable: bool) -> "Shown":
        """The same, from which no gradient flows back; what follows may differentiate by x."""
        weight = None if self.weight is None else self.weight.detach()
        return replace(self, x=self.x.detach().requires_grad_(differentiable), weight=weight)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of a value for each, (R,) -> ()."""
        return values.mean() if self.weight is None else (self.weight * values).sum()


@dataclass(frozen=True)
class Judged:
    """What the discriminator said.

    Attributes:
        score: D(x), shape (R,).
        class_logits: Of p(y|x, real), shape (R, K), or None.
        code: What it reads of the code, shape (R, outputs of the prior's reading), or None.

    Example:
        >>> Judged(torch.zeros(2)).class_logits is None
        True
    """

    score: Tensor
    class_logits: Tensor | None = None
    code: Tensor | None = None


class Head(nn.Module, ABC):
    """From the output of a discriminating network to what it says.

    Attributes:
        reads_condition: Whether the network is given the encoded condition beside the image.
        names_classes: Whether it tells the class of an image.
        reads_code: Whether it reads off the code.
        guesses_classes: Whether a real image without label is of the class that q(y|x) guesses.
        weight: Of what it says beside the score.
        num_classes: K; 0 before it has joined a model.

    Example:
        >>> Binary()(torch.tensor([[0.5], [2.0]]), None).score
        tensor([0.5000, 2.0000])
    """

    registry_kind: ClassVar[str] = "head"
    reads_condition: ClassVar[bool] = False
    names_classes: ClassVar[bool] = False
    reads_code: ClassVar[bool] = False
    guesses_classes: bool = False
    weight: float = 1.0
    num_classes: int = 0

    def join(self, model: Any, num_classes: int) -> None:  # noqa: ARG002
        """Takes its place in a model whose images have so many classes."""
        self.num_classes = num_classes

    @property
    def outputs(self) -> int:
        """How many numbers the network must give."""
        return 1

    @abstractmethod
    def forward(self, output: Tensor, targets: Tensor | None) -> Judged:
        """What an output (R, outputs) says of images of certain classes (R, K)."""

    def terms(self, judged: Judged, shown: Shown, player: Player, real: bool) -> dict[str, Tensor]:  # noqa: ARG002
        """What a player minimizes beside the score, by name, each of shape ()."""
        return {}


@register("head", "binary", title="real or fake")
class Binary(Head):
    """Real or fake, from the image alone.

    Example:
        >>> Binary()(torch.tensor([[0.5]]), None).score
        tensor([0.5000])
    """

    def forward(self, output: Tensor, targets: Tensor | None) -> Judged:  # noqa: ARG002
        return Judged(output[:, 0])


@register("head", "conditional", title="real or fake, for the condition beside the image")
class Conditional(Binary):
    """Real or fake, by a network that reads image and condition together.

    Example:
        >>> Conditional().reads_condition, Conditional().outputs
        (True, 1)
    """

    reads_condition = True


class Classes(Head):
    """A head that names the class as well."""

    names_classes = True

    def join(self, model: Any, num_classes: int) -> None:
        if num_classes < 2:
            raise DataError(
                f"this head names classes and needs labels of at least 2, got {num_classes}; "
                "put each class into a sub-folder, or use head=binary"
            )
        super().join(model, num_classes)

    @staticmethod
    def cross_entropy(judged: Judged, shown: Shown) -> Tensor:
        """-Σ_y t_y ln p(y|x, real), the mean over images, shape ()."""
        assert judged.class_logits is not None
        assert shown.targets is not None
        log_probs = judged.class_logits.log_softmax(dim=1)
        return shown.mean(-(shown.targets * log_probs).sum(dim=1))

    def of_real(self, judged: Judged, shown: Shown) -> Tensor:
        """The same of real images, the mean over those whose class is known or guessed."""
        whole = self.cross_entropy(judged, shown)
        if shown.weight is None or shown.targets is None:
            return whole
        return whole / shown.mean(shown.targets.sum(dim=1))


@register("head", "class", title="real or fake, and the class", paper="Odena et al., 2017")
class Auxiliary(Classes):
    """Real or fake from the first output, the class from the K others: ACGAN's.

    Arguments:
        learns_from: Whose class it learns: `all` images, the generator too being judged by it
            (Odena et al.), or `real` ones only, in which case the generator never sees it.
        weight: Of the class terms.

    Example:
        >>> head = Auxiliary()
        >>> head.join(None, num_classes=3)
        >>> head.outputs, head(torch.zeros(2, 4), None).class_logits.shape
        (4, torch.Size([2, 3]))
    """

    def __init__(self, learns_from: Literal["all", "real"] = "all", weight: Positive = 1.0) -> None:
        super().__init__()
        self.learns_from = learns_from
        self.weight = weight

    def join(self, model: Any, num_classes: int) -> None:
        super().join(model, num_classes)
        if self.learns_from == "all":
            _check_class(model, "learns_from=all", "learns_from=real")

    @property
    def outputs(self) -> int:
        return 1 + self.num_classes

    def forward(self, output: Tensor, targets: Tensor | None) -> Judged:  # noqa: ARG002
        return Judged(output[:, 0], output[:, 1:])

    def terms(self, judged: Judged, shown: Shown, player: Player, real: bool) -> dict[str, Tensor]:  # noqa: ARG002
        if not real and self.learns_from == "real":
            return {}
        if real:
            return {"class_real": self.of_real(judged, shown)}
        return {"class_fake": self.cross_entropy(judged, shown)}


@register("head", "plus-one", title="one of K classes, or fake", paper="Salimans et al., 2016")
class PlusOne(Classes):
    """One of the K classes, or fake, which is the last of K + 1 outputs.

    Arguments:
        unlabeled: The target for a real image without label: the auto-encoder's `soft` q(y|x), or
            merely `real`.
        asks_class: Whether a fake must pass for its class, or only for real.

    Example:
        >>> head = PlusOne()
        >>> head.join(None, num_classes=3)
        >>> head(torch.zeros(1, 4), None).score  # ln 3, three classes against one
        tensor([1.0986])
    """

    def __init__(
        self, unlabeled: Literal["soft", "real"] = "soft", asks_class: bool = True
    ) -> None:
        super().__init__()
        self.guesses_classes = unlabeled == "soft"
        self.asks_class = asks_class

    def join(self, model: Any, num_classes: int) -> None:
        super().join(model, num_classes)
        if model is not None and not self.guesses_classes and model.labels != "some":
            raise UsageError(
                f"unlabeled=real has no effect in {model.title}, which learns from labeled images "
                "alone; leave it out"
            )
        if self.asks_class:
            _check_class(model, "asks_class=true", "asks_class=false")

    @property
    def outputs(self) -> int:
        return self.num_classes + 1

    def forward(self, output: Tensor, targets: Tensor | None) -> Judged:  # noqa: ARG002
        classes = output[:, :-1]
        return Judged(classes.logsumexp(dim=1) - output[:, -1], classes)

    def terms(self, judged: Judged, shown: Shown, player: Player, real: bool) -> dict[str, Tensor]:
        if real:
            return {"class_real": self.of_real(judged, shown)}
        asked = player == "generator" and self.asks_class
        return {"class_fake": self.cross_entropy(judged, shown)} if asked else {}


@register("head", "projection", title="real or fake for a class", paper="Miyato and Koyama, 2018")
class Projection(Head):
    """Real or fake for a class: features φ(x) of the network, projected on the class.

    .. math:: D(x, y) = v_y \\cdot \\phi(x) + w \\cdot \\phi(x) + b

    Arguments:
        features: Dimensions of φ, which the network gives; a ReLU is applied to them.

    Example:
        >>> head = Projection(features=8)
        >>> head.join(None, num_classes=3)
        >>> head(torch.rand(2, 8), torch.eye(3)[:2]).score.shape
        torch.Size([2])
    """

    def __init__(self, features: Count = 128) -> None:
        super().__init__()
        self.features = features
        self.linear = nn.Linear(features, 1)

    def join(self, model: Any, num_classes: int) -> None:
        if num_classes < 2 or (model is not None and model.condition.about != "class"):
            raise DataError(
                "head=projection judges an image by its class: use images with labels of at least "
                "2 classes and condition=class, or head=binary"
            )
        super().join(model, num_classes)
        self.embedding = nn.Linear(num_classes, self.features, bias=False)  # v_y

    @property
    def outputs(self) -> int:
        return self.features

    def forward(self, output: Tensor, targets: Tensor | None) -> Judged:
        assert targets is not None, "the model is conditioned on the class"
        phi = torch.relu(output)
        return Judged(self.linear(phi)[:, 0] + (self.embedding(targets) * phi).sum(dim=1))


def _check_class(model: Any, asked: str, instead: str) -> None:
    """Refuses to judge fakes by a class that nobody asked them to be of."""
    if model is not None and model.condition.about != "class":
        raise UsageError(
            f"{asked} judges fakes by a class that {model.title} is not given; use "
            f"condition=class, as a CVAE or CGAN has it, or {instead}"
        )
