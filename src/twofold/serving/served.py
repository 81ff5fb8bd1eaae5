"""One run on the page: what it is, what it can do, and its answers to requests.

Answers are plain data for JSON; images in them are as `packed` writes them.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from twofold.data.batches import Batch
from twofold.errors import TwofoldError, UsageError
from twofold.experiments.context import Context, Subject, open_run, seeded
from twofold.models.base import Generative
from twofold.models.capabilities import Classifies, Discriminates, HasCodes, Paints
from twofold.serving.codes_map import CodesMap, codes_map
from twofold.serving.conditions import rows_of, rows_of_weights
from twofold.serving.images import packed, received
from twofold.serving.in_torch import InTorch
from twofold.serving.requests import Ask, Between, End, Generate, Picture, Read, Sent
from twofold.sharing.by_functions import Array
from twofold.verbs.inputs import load_inputs
from twofold.verbs.paths import line, path_between

__all__ = ["Served"]

# What the page asks for, who answers for it, and the functions that do.
NEEDED: dict[str, tuple[type, tuple[str, ...]]] = {
    "generate": (Generative, ("generate", "paint")),
    "reconstruct": (HasCodes, ("encode", "look")),
    "classify": (Classifies, ("classify",)),
    "discriminate": (Discriminates, ("discriminate",)),
    "paint": (Paints, ("paint",)),
}


class Served:
    """A run that was opened.

    Arguments:
        run: A run or its folder.
        device: Where to compute.

    Attributes:
        about: What it is and can do, as plain data.

    Raises:
        RunError: If the run is damaged.
        UsageError: If the model can do nothing that the page shows.
    """

    def __init__(self, run: Subject, device: str = "auto") -> None:
        self.context: Context = open_run(run, device)
        self.model = InTorch(self.context)
        self.about = self._describe()  # now, for it reads the test images

    # --- what it is -------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        """What the page has to know before it asks for anything."""
        context, lacking = self.context, self._lacking()
        try:
            tests, no_tests = len(context.test), None
        except TwofoldError as error:
            tests, no_tests = 0, str(error)
        return {
            "title": context.title,
            "model": context.model.title,
            "image": list(context.model.image_shape),
            "classes": list(context.class_names),
            "known_classes": context.known_classes,
            "about": context.model.condition.about,
            "infers_class": not context.needs_class,
            "latent_dim": context.model.latent_dim,
            "can": [name for name in NEEDED if name not in lacking],
            "cannot": lacking,
            "tests": tests,
            "no_tests": no_tests,
        }

    def _lacking(self) -> dict[str, str]:
        """What it cannot do, and which models can."""
        found = {}
        for name, (kind, functions) in NEEDED.items():
            try:
                self.context.model.capability(kind, name)
            except UsageError as error:
                found[name] = str(error)
                continue
            if not any(self.model.can(function) for function in functions):
                found[name] = f"cannot {name}: {self.context.model.title} does so in another way"
        return found

    @cached_property
    def _map(self) -> CodesMap:
        return codes_map(self.context, self.model)

    def latents(self, _: Ask) -> dict[str, Any]:
        """The latents in the order of what they carry, and their usual values."""
        maker = self._maker()
        middle, sigma = (part.cpu().numpy() for part in maker.prior.spread())
        found: dict[str, Any] = {"middle": middle.tolist(), "sigma": sigma.tolist()}
        try:
            self._require("reconstruct")
            return {**found, **self._map.carried()}
        except TwofoldError:  # without codes of images nothing is known of the latents
            return {**found, "order": list(range(len(middle))), "carries": None, "what": ""}

    def map(self, _: Ask) -> dict[str, Any]:
        """The codes of test images on the plane."""
        self._require("reconstruct")
        return self._map.described()

    # --- its answers ------------------------------------------------------------------------------

    def generate(self, asked: Generate) -> dict[str, Any]:
        """Images of codes or of a seed."""
        z = self._codes(asked)
        c = self._condition_of_codes(len(z), asked.weights, asked.image)
        if asked.steps:
            self._require("paint")
            if len(z) > 1:
                raise UsageError(f"got {len(z)} codes; the steps of one code are shown at a time")
            painted = self.model.canvases(z, c)
            return {"z": z.tolist(), "images": packed(np.concatenate(painted)), "scores": None}
        images = self.model.generate(z, c)
        return {"z": z.tolist(), "images": packed(images), "scores": self._scores(images, c)}

    def picture(self, asked: Picture) -> dict[str, Any]:
        """An image as the model sees it."""
        _, x, label = self._seen(asked.image)
        return {"images": packed(x), "label": label}

    def encode(self, asked: Read) -> dict[str, Any]:
        """The code of an image, and how sure the encoder is of each latent."""
        self._require("reconstruct")
        batch, x, label = self._seen(asked.image)
        c = self._condition_of_image(batch, asked.weights)
        mean, *logvar = self.model.posterior(x, c)
        sigma = np.exp(0.5 * logvar[0][0]).tolist() if logvar else None
        weights = None if c is None or c.ndim > 2 else c[0].tolist()
        return {"z": mean[0].tolist(), "sigma": sigma, "weights": weights, "label": label}

    def classify(self, asked: Read) -> dict[str, Any]:
        """The probability of each class."""
        self._require("classify")
        _, x, label = self._seen(asked.image)
        return {"probabilities": self._probabilities(x), "label": label}

    def reconstruct(self, asked: Read) -> dict[str, Any]:
        """All that the model makes of an image, as far as it can."""
        batch, x, label = self._seen(asked.image)
        found: dict[str, Any] = {"images": packed(x), "label": label, "probabilities": None}
        if self.model.can("classify"):
            found["probabilities"] = self._probabilities(x)
        if "reconstruct" in self.about["cannot"]:
            return {**found, "reconstruction": None, "z": None}
        c = self._condition_of_image(batch, asked.weights)
        z = self.model.encode(x, c)
        again = self.model.generate(z, c)
        twice = None if c is None else np.concatenate([c, c])
        return {
            **found,
            "reconstruction": packed(again),
            "error": float(np.mean((again - x) ** 2)),
            "z": z[0].tolist(),
            "scores": self._scores(np.concatenate([x, again]), twice),
        }

    def between(self, asked: Between) -> dict[str, Any]:
        """Images along the way from one end to another."""
        maker = self._maker()
        (z_a, c_a), (z_b, c_b) = self._end(asked.a), self._end(asked.b)
        bent = maker.prior.spherical and asked.a.image is None and asked.b.image is None
        kind = "spherical" if bent else "linear"
        start, end = torch.as_tensor(z_a), torch.as_tensor(z_b)
        z = path_between(start, end, asked.steps, kind, maker.prior.code_dim)[0].numpy()
        c = None
        if c_a is not None and c_b is not None:
            t = torch.linspace(0, 1, asked.steps, dtype=torch.float64)
            c = line(torch.as_tensor(c_a), torch.as_tensor(c_b), t)[0].numpy()
        return {"images": packed(self.model.generate(z, c)), "path": kind, "z": z.tolist()}

    # --- what the answers are made of -------------------------------------------------------------

    def _require(self, name: str) -> None:
        if name in (lacking := self.about["cannot"]):
            raise UsageError(lacking[name])

    def _maker(self) -> Generative:
        self._require("generate")
        return self.context.model.capability(Generative, "generate")

    def _codes(self, asked: Generate) -> Array:
        maker = self._maker()
        if asked.seed is not None:
            return maker.sample_latent(asked.n, asked.seed).cpu().numpy()
        given = asked.z or []
        if wrong := [len(row) for row in given if len(row) != maker.latent_dim]:
            raise UsageError(f"a code has {wrong[0]} numbers; expected {maker.latent_dim}")
        return np.array(given, np.float32)

    def _seen(self, sent: Sent) -> tuple[Batch, Array, str | None]:
        """An image as training prepares it, (1, C, H, W), and its class where that is known."""
        inputs = load_inputs(self.context, received(sent, self.context), resize=True)
        with seeded(0, self.context.device):
            batch = next(inputs.batches())
        return batch, batch.x.cpu().numpy(), inputs.names[0] or None

    def _condition_of_codes(
        self, count: int, weights: Sequence[float] | None, image: Sent | None
    ) -> Array | None:
        about = self.context.model.condition.about
        if weights is not None:
            return rows_of_weights(self.context, weights, count)
        if about == "class":
            raise UsageError(f"{self.model.title} needs a class; choose one, or several by weights")
        if about == "image":
            if image is None:
                raise UsageError(f"{self.model.title} completes images; give one of which to start")
            return np.repeat(self._seen(image)[1], count, axis=0)
        return None

    def _condition_of_image(self, batch: Batch, weights: Sequence[float] | None) -> Array | None:
        if weights is not None:
            return rows_of_weights(self.context, weights, len(batch))
        return rows_of(self.context, batch)

    def _end(self, end: End) -> tuple[Array, Array | None]:
        if end.image is None:
            z = self._maker().sample_latent(1, end.seed or 0).cpu().numpy()
            return z, self._condition_of_codes(1, end.weights, None)
        self._require("reconstruct")
        batch, x, _ = self._seen(end.image)
        c = self._condition_of_image(batch, end.weights)
        return self.model.encode(x, c), c

    def _probabilities(self, x: Array) -> list[float]:
        log_probs = self.model.call("classify", x)[0][0].astype(np.float64)
        return np.exp(log_probs - np.logaddexp.reduce(log_probs)).tolist()

    def _scores(self, images: Array, c: Array | None) -> list[float] | None:
        """What a discriminator says of images, where there is one that judges images."""
        if not self.model.can("discriminate"):
            return None
        takes = self.model.inputs()["discriminate"]
        given = c if "condition" in takes else None
        return self.model.call("discriminate", images, given)[0].tolist()
