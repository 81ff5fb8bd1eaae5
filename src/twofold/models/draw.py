r"""DRAW: a recurrent VAE that looks at an image and paints it in T steps.

Notation: x image (B, C, H, W), canvas c_t, z_t latent code of step t (B, D); h_enc and h_dec the
states of two LSTMs. A code of the whole image is the T codes side by side, (B, T D).

.. math::
    \hat x_t &= x - E[p(x | c_{t-1})], \quad r_t = read(x, \hat x_t, h^{dec}_{t-1}) \\
    h^{enc}_t &= LSTM(h^{enc}_{t-1}, [r_t, h^{dec}_{t-1}]), \quad z_t \sim q(z_t | h^{enc}_t) \\
    h^{dec}_t &= LSTM(h^{dec}_{t-1}, z_t), \quad c_t = c_{t-1} + write(h^{dec}_t) \\
    \mathcal L &= -\ln p(x | c_T) + \sum_t D_{KL}(q(z_t | h^{enc}_t) \| p(z_t))

References:
    DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015), equations 3 to 12,
    https://arxiv.org/abs/1502.04623
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from twofold.conditions import Condition, ImageShape
from twofold.distributions import DiagonalGaussian, ImageDistribution
from twofold.errors import UsageError
from twofold.likelihoods import Likelihood
from twofold.models.parts import make_condition, make_likelihood
from twofold.models.variational import Variational
from twofold.networks.attention import NUM_PARAMETERS, Grid, attend, read_patch, write_patch
from twofold.objectives import Inference, LatentObjective
from twofold.objectives.base import rows_of
from twofold.phases import Phase
from twofold.priors import Prior
from twofold.registry import make, register
from twofold.settings import Count

__all__ = ["DRAW", "Reader", "Writer"]

GREGOR = "Gregor et al., 2015, arXiv 1502.04623"

State = tuple[Tensor, Tensor]  # h and memory of an LSTM, (B, hidden) each


class Reader(nn.Module):
    """What the encoder sees of the image and of what is still missing from it.

    Arguments:
        glimpse: N of the attention; None reads everything.
        hidden_dim: Of the decoder's state, which says where to look.
        image_shape: (C, H, W).

    Example:
        >>> read = Reader(5, hidden_dim=8, image_shape=(1, 28, 28))
        >>> x = torch.zeros(2, 1, 28, 28)
        >>> read(x, x, torch.zeros(2, 8)).shape
        torch.Size([2, 50])
    """

    def __init__(self, glimpse: int | None, hidden_dim: int, image_shape: ImageShape) -> None:
        super().__init__()
        channels, self.height, self.width = image_shape
        self.glimpse = glimpse
        self.where = nn.Linear(hidden_dim, NUM_PARAMETERS) if glimpse else None
        area = glimpse**2 if glimpse else self.height * self.width
        self.dim = 2 * channels * area

    def forward(self, x: Tensor, error: Tensor, h_dec: Tensor) -> Tensor:
        """r_t, shape (B, dim), of x and x̂ (B, C, H, W)."""
        both = torch.cat([x, error], dim=1)  # (B, 2 C, H, W)
        if self.where is None or self.glimpse is None:
            return both.flatten(1)
        grid = attend(self.where(h_dec), self.glimpse, self.height, self.width)
        return read_patch(grid, both).flatten(1)


class Writer(nn.Module):
    """What the decoder adds to the canvas.

    Arguments:
        glimpse: N of the attention; None writes everywhere.
        hidden_dim: Of the decoder's state.
        image_shape: (C, H, W) of the canvas.

    Example:
        >>> Writer(5, hidden_dim=8, image_shape=(1, 28, 28))(torch.zeros(2, 8)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(self, glimpse: int | None, hidden_dim: int, image_shape: ImageShape) -> None:
        super().__init__()
        channels, self.height, self.width = image_shape
        self.glimpse = glimpse
        size = (glimpse, glimpse) if glimpse else (self.height, self.width)
        self.patch = nn.Linear(hidden_dim, channels * size[0] * size[1])
        self.patch_shape = (channels, *size)
        self.where = nn.Linear(hidden_dim, NUM_PARAMETERS) if glimpse else None

    def forward(self, h_dec: Tensor) -> Tensor:
        """An addition to the canvas, shape (B, C, H, W)."""
        patch = self.patch(h_dec).unflatten(1, self.patch_shape)
        grid = self.grid(h_dec)
        return patch if grid is None else write_patch(grid, patch.to(grid.gamma.dtype))

    def grid(self, h_dec: Tensor) -> Grid | None:
        """Where it writes; None without attention."""
        if self.where is None or self.glimpse is None:
            return None
        return attend(self.where(h_dec), self.glimpse, self.height, self.width)


class Path(NamedTuple):
    """What one pass of the encoder over T steps leaves behind."""

    canvas: Tensor  # (B, C', H, W), the last
    mu: Tensor  # (T, B, D), of q(z_t|...)
    logvar: Tensor  # (T, B, D)
    codes: Tensor  # (T, B, D)


@register("model", "draw", title="recurrent VAE that paints in steps", paper=GREGOR)
@register(
    "model",
    "cdraw",
    title="DRAW conditioned on the class",
    paper=GREGOR,
    defaults={"condition": "class"},
)
class DRAW(Variational):
    """A Deep Recurrent Attentive Writer.

    Arguments:
        latent_dim: D, dimensions of the code of one step.
        num_steps: T.
        hidden_dim: Of both LSTMs.
        read_glimpse: N of the read attention; None for none.
        write_glimpse: N of the write attention; None for none.
        condition: What encoder and decoder are given at every step.
        likelihood: p(x|c_T) from the canvas.
        objective: What training minimizes.
        prior: p(z) of the codes of all steps.
        image_shape: (C, H, W).
        num_classes: K of the images, for a condition on the class.

    Raises:
        UsageError: If a glimpse is larger than the image.

    Example:
        >>> draw = DRAW(latent_dim=2, num_steps=3, hidden_dim=8, image_shape=(1, 8, 8))
        >>> draw.canvases(torch.zeros(5, 6)).shape
        torch.Size([3, 5, 1, 8, 8])
    """

    def __init__(
        self,
        latent_dim: Count = 10,
        num_steps: Count = 10,
        hidden_dim: Count = 256,
        read_glimpse: int | None = None,
        write_glimpse: int | None = None,
        condition: Condition | str = "none",
        likelihood: Likelihood | str = "bernoulli",
        objective: LatentObjective | str = "elbo",
        prior: Prior | str = "standard-normal",
        *,
        image_shape: ImageShape,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        for name, glimpse in (("read_glimpse", read_glimpse), ("write_glimpse", write_glimpse)):
            if glimpse is not None and not 1 <= glimpse <= min(image_shape[1:]):
                raise UsageError(
                    f"{name}={glimpse}: a glimpse of images of {image_shape[1]}×{image_shape[2]} "
                    f"has a side of 1 to {min(image_shape[1:])}; null means no attention"
                )
        self.likelihood = make_likelihood(likelihood, image_shape)
        self.image_shape = image_shape
        self.num_steps = num_steps
        self.step_dim = latent_dim
        self.latent_dim = num_steps * latent_dim
        self.condition = make_condition(condition, image_shape, num_classes)
        self.objective = make("objective", objective)
        self.take_prior(prior)
        canvas_shape = (self.likelihood.decoder_channels, *image_shape[1:])
        given = self.condition.dim
        self.read = Reader(read_glimpse, hidden_dim, image_shape)
        self.encoder = nn.LSTMCell(self.read.dim + hidden_dim + given, hidden_dim)
        self.posterior_head = nn.Linear(hidden_dim, 2 * latent_dim)
        self.decoder = nn.LSTMCell(latent_dim + given, hidden_dim)
        self.write = Writer(write_glimpse, hidden_dim, canvas_shape)
        self.first_canvas = nn.Parameter(torch.zeros(canvas_shape))
        self.first_encoder = nn.Parameter(torch.zeros(hidden_dim))
        self.first_decoder = nn.Parameter(torch.zeros(hidden_dim))
        self.check_objective()

    @property
    def phases(self) -> list[Phase]:
        return [Phase("draw", list(self.parameters()), self.loss, unit=self.objective.unit)]

    @property
    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of q(z|x); all others are the decoder's and the prior's."""
        parts = (self.read, self.encoder, self.posterior_head)
        return [p for part in parts for p in part.parameters()] + [self.first_encoder]

    # --- the recurrence ---------------------------------------------------------------------------

    def start(self, count: int) -> tuple[Tensor, State, State]:
        """What the first step finds: the canvas (B, C', H, W), the encoder's state, the decoder's.

        A state is what an LSTM says and what it remembers, (B, hidden) each.
        """
        canvas = self.first_canvas.expand(count, -1, -1, -1)
        enc, dec = (first.expand(count, -1) for first in (self.first_encoder, self.first_decoder))
        return canvas, (enc, torch.zeros_like(enc)), (dec, torch.zeros_like(dec))

    def look(
        self, x: Tensor, encoded: Tensor | None, canvas: Tensor, enc: State, h_dec: Tensor
    ) -> tuple[DiagonalGaussian, State]:
        """q(z_t|...) from the image and what the canvas lacks of it, and the encoder's new state.

        Arguments:
            x: Images, shape (B, C, H, W).
            encoded: The encoded condition, (B, dim), or None; so in `paint`.
            canvas: As the last step left it, shape (B, C', H, W).
            enc: The encoder's state.
            h_dec: What the decoder said last, shape (B, hidden).
        """
        error = x - self.likelihood(canvas).mean
        r = self.read(x, error, h_dec)
        enc = self.encoder(self._beside(torch.cat([r, h_dec], dim=1), encoded), enc)
        return DiagonalGaussian(*self.posterior_head(enc[0]).chunk(2, dim=1)), enc

    def paint(
        self, z_t: Tensor, encoded: Tensor | None, canvas: Tensor, dec: State
    ) -> tuple[Tensor, State]:
        """The canvas after a step with the code z_t (B, D), and the decoder's new state."""
        dec = self.decoder(self._beside(z_t, encoded), dec)
        return canvas + self.write(dec[0]), dec

    @staticmethod
    def _beside(h: Tensor, c: Tensor | None) -> Tensor:
        return h if c is None else torch.cat([h, c.to(h.dtype)], dim=1)

    def _encode(self, x: Tensor, c: Tensor | None, at_means: bool = False) -> "Path":
        """One pass over the T steps with freshly drawn codes, or with the means of every step."""
        encoded = self.condition(c)
        canvas, enc, dec = self.start(len(x))
        mus, logvars, codes = [], [], []
        for _ in range(self.num_steps):
            q, enc = self.look(x, encoded, canvas, enc, dec[0])
            z = q.mean if at_means else q.rsample()
            canvas, dec = self.paint(z, encoded, canvas, dec)
            mus.append(q.mu)
            logvars.append(q.logvar)
            codes.append(z)
        return Path(canvas, torch.stack(mus), torch.stack(logvars), torch.stack(codes))

    def _paint(self, z: Tensor, c: Tensor | None) -> Iterator[Tensor]:
        """The canvas (B, C', H, W) after each step, for codes (B, T D)."""
        encoded = self.condition(c)
        canvas, _, dec = self.start(len(z))
        for z_t in z.unflatten(1, (self.num_steps, self.step_dim)).unbind(dim=1):
            canvas, dec = self.paint(z_t, encoded, canvas, dec)
            yield canvas

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The means of q(z_t|...) along the path that they themselves make, shape (B, T D)."""
        return self._encode(x, c, at_means=True).codes.transpose(0, 1).flatten(1)

    def canvases(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The image as it stands after each step, (T, B, C, H, W), for codes (B, T D)."""
        return self.likelihood(torch.stack(list(self._paint(z, c)))).mean.clamp(0, 1)

    def decode(self, z: Tensor, c: Tensor | None = None) -> ImageDistribution:
        """p(x|z) for codes (B, T D): that of the last canvas."""
        (canvas,) = deque(self._paint(z, c), maxlen=1)  # the others are let go at once
        return self.likelihood(canvas)

    # --- inference --------------------------------------------------------------------------------

    @property
    def offers(self) -> frozenset[str]:
        """No one Gaussian: where each step's posterior is depends on the codes drawn before it."""
        return frozenset(["closed KL"] if self.prior.closed_kl else [])

    def infer(self, x: Tensor, c: Tensor | None, num_samples: int = 1) -> Inference:
        """S paths; q is the posteriors along each, one beside the other: (S, B, T D)."""
        passes = [self._encode(x, c) for _ in range(num_samples)]
        mu, logvar, z = (
            torch.stack([part.transpose(0, 1).flatten(1) for part in parts])
            for parts in zip(*[(one.mu, one.logvar, one.codes) for one in passes], strict=True)
        )  # (S, B, T D) each
        q = DiagonalGaussian(mu, logvar)
        p = self.likelihood(torch.cat([one.canvas for one in passes]))
        rows = rows_of(num_samples, len(x), x.device)
        return Inference(x, q, z, p, rows)

    def _kl_summary(self, kls: list[Tensor]) -> dict[str, Any]:
        """The KL of each step."""
        if not kls:
            return {}
        per_step = torch.cat(kls).mean(dim=0).unflatten(0, (self.num_steps, -1)).sum(dim=1)
        return {"kl_per_step": [round(value, 4) for value in per_step.tolist()]}
