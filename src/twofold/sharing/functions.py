"""What a trained model can be asked for, as functions of tensors whose first axis is the batch.

Whoever uses a model without knowing its family looks here: each function says what it takes and
gives, in the order that it is called with, and is the same in PyTorch and in ONNX.

| name | from | to |
|---|---|---|
| `generate` | a code, and what the model is conditioned on | an image |
| `encode` | an image, and the condition | the code in the middle of q(z|x), and its log-variance |
| `classify` | an image | ln p(y|x) |
| `discriminate` | an image, and the condition | a score |

A model that paints in steps has in place of the first two `start`, `look` and `paint`: the state
before the first step, q(z_t|...) of a step, and the step itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from twofold.distributions import DiagonalGaussian
from twofold.errors import UsageError
from twofold.models.base import Generative, Model, ReadsLabels
from twofold.models.capabilities import Classifies, Discriminates, Encodes, HasCodes, Paints

__all__ = ["Field", "Function", "functions_of"]

ONE = (0.0, 1.0)


@dataclass(frozen=True)
class Field:
    """An input or an output, float32.

    Attributes:
        name: What the file calls it.
        meaning: What it is.
        shape: Of one row, without the batch axis; () for a number.
        range: The least and the largest value; None where it has no limits.
    """

    name: str
    meaning: str
    shape: tuple[int, ...]
    range: tuple[float, float] | None = None

    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "meaning": self.meaning,
            "shape": ["batch", *self.shape],
            "dtype": "float32",
            "range": None if self.range is None else list(self.range),
        }


class Function(nn.Module):
    """One thing that a model can do, in evaluation mode and without a random number.

    Attributes:
        name: `generate`, `encode` and so on.
        inputs, outputs: What it takes and gives, in order.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4)).eval()
        >>> generate, encode = functions_of(vae)
        >>> [field.name for field in encode.outputs], generate(torch.zeros(5, 2))[0].shape
        (['mean', 'logvar'], torch.Size([5, 1, 4, 4]))
    """

    def __init__(
        self,
        name: str,
        inputs: list[Field],
        outputs: list[Field],
        model: Any,
        call: Callable[..., tuple[Tensor, ...]],
    ) -> None:
        super().__init__()
        self.name = name
        self.inputs, self.outputs = inputs, outputs
        self.model = model
        self.call = call

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """From tensors (B, ...) to a tuple of such, in float32."""
        return tuple(value.float() for value in self.call(*given))


def functions_of(model: Model) -> list[Function]:
    """Everything that a model in evaluation mode can do.

    Raises:
        UsageError: If it can do nothing that is a function of codes or images.

    Example:
        >>> from twofold.models import GAN
        >>> gan = GAN("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4)).eval()
        >>> [function.name for function in functions_of(gan)]
        ['generate', 'discriminate']
    """
    given, images = _condition(model), Field("x", "images", tuple(model.image_shape), ONE)
    with torch.no_grad():
        found = [*_making(model, images, given), *_reading(model, images, given)]
    if not found:
        raise UsageError(f"{model.title} neither makes, encodes, classifies nor judges images")
    return found


def _condition(model: Model) -> list[Field]:
    condition = model.condition
    if condition.about == "class":
        words = "which class: 1 for it and 0 for the others, or weights between classes"
        return [Field("condition", words, (condition.dim,), ONE)]
    if condition.about == "image":
        words = "images, of which the model is shown the visible part alone"
        return [Field("condition", words, tuple(model.image_shape), ONE)]
    return []


def _making(model: Model, images: Field, given: list[Field]) -> Iterator[Function]:
    """From codes to images and back."""
    painter = model.capability(Paints)
    if painter is not None:
        yield from _steps(painter, images, given)
        return
    maker = model.capability(Generative)
    if maker is not None:
        codes = Field("z", "codes", (model.latent_dim,))
        made = Field("images", "images", images.shape, images.range)
        yield Function("generate", [codes, *given], [made], maker, _one(maker.generate))
    encoder: Any = model.capability(Encodes) or model.capability(HasCodes)
    if encoder is not None:
        yield _encode(encoder, images, given)


def _one(call: Callable[..., Tensor]) -> Callable[..., tuple[Tensor]]:
    """A function of one result as one of several."""
    return lambda *given: (call(*given),)


def _encode(encoder: Any, images: Field, given: list[Field]) -> Function:
    mean = Field("mean", "the code in the middle of q(z|x)", (encoder.latent_dim,))
    logvar = Field("logvar", "ln σ² of each dimension of q(z|x), a Gaussian", mean.shape)
    if not isinstance(encoder, Encodes):
        return Function("encode", [images, *given], [mean], encoder, _one(encoder.codes))

    def parameters(x: Tensor, c: Tensor | None = None) -> tuple[Tensor, ...]:
        q = encoder.posterior(x, c)
        return (q.mu, q.logvar) if isinstance(q, DiagonalGaussian) else (q.mean,)

    device = encoder.device
    tried = parameters(*(torch.zeros(1, *field.shape, device=device) for field in [images, *given]))
    outputs = [mean, logvar][: len(tried)]
    return Function("encode", [images, *given], outputs, encoder, parameters)


def _reading(model: Model, images: Field, given: list[Field]) -> Iterator[Function]:
    """What is said of images."""
    reader = model.capability(Classifies)
    if isinstance(reader, ReadsLabels):
        zeros = torch.zeros(1, *images.shape, device=model.device)
        words = "ln p(y|x), for each class in order"
        log_probs = Field("log_probs", words, (reader.class_log_probs(zeros).shape[1],))
        yield Function("classify", [images], [log_probs], reader, _one(reader.class_log_probs))
    judge = model.capability(Discriminates)
    if judge is not None:
        score = Field("score", "how real an image looks: a logit, or a critic's score", ())
        yield Function("discriminate", [images, *given], [score], judge, _one(judge.realness))


def _steps(painter: Any, images: Field, given: list[Field]) -> Iterator[Function]:
    """The recurrence, a step at a time; the first axis of every state is the batch."""
    canvas, enc, _ = painter.start(1)
    board = Field("canvas", "what was painted so far", tuple(canvas.shape[1:]))
    size = tuple(enc[0].shape[1:])
    reading, writing = (
        [
            Field(f"h_{who}", f"what the {who}oder says", size),
            Field(f"memory_{who}", f"what the {who}oder remembers", size),
        ]
        for who in ("enc", "dec")
    )
    code = Field("z", "the code of one step", (painter.step_dim,))
    mean = Field("mean", "the code in the middle of q(z_t|...)", code.shape)
    logvar = Field("logvar", "ln σ² of each dimension of q(z_t|...), a Gaussian", code.shape)
    made = Field("images", "the image as it stands", images.shape, images.range)

    def start(z: Tensor) -> tuple[Tensor, ...]:
        canvas, enc, dec = painter.start(z.shape[0])  # `len` would fix the batch
        return (canvas, *enc, *dec)

    def look(x: Tensor, canvas: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        h, memory, h_dec, *c = state
        q, enc = painter.look(x, painter.condition(*c or [None]), canvas, (h, memory), h_dec)
        return (q.mu, q.logvar, *enc)

    def paint(z: Tensor, canvas: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        h, memory, *c = state
        canvas, dec = painter.paint(z, painter.condition(*c or [None]), canvas, (h, memory))
        return (painter.likelihood(canvas).mean.clamp(0, 1), canvas, *dec)

    yield Function("start", [code], [board, *reading, *writing], painter, start)
    looked = [images, board, *reading, writing[0], *given]
    yield Function("look", looked, [mean, logvar, *reading], painter, look)
    painted = [code, board, *writing, *given]
    yield Function("paint", painted, [made, board, *writing], painter, paint)
