"""An exported model without torch: numpy, Pillow and onnxruntime do what the run's verbs do.

Arrays are float32 with the batch first; images (B, C, H, W) are in [0, 1].
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import RunError, UsageError
from twofold.files import read_arrays
from twofold.packages import require
from twofold.sharing.contract import read_contract
from twofold.sharing.noise import standard_normal
from twofold.streams import CODES_OF_SAMPLES, seed_for

__all__ = ["Array", "Portable"]

Array = NDArray[np.float32]
AT_ONCE = 500  # images


class Portable:
    """A model in a folder that `twofold export --onnx` wrote.

    Arguments:
        folder: Of it.

    Attributes:
        contract: What it says of itself.

    Raises:
        RunError: If the folder is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.contract = read_contract(self.folder)
        self._sessions: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """What a caption calls it."""
        return self.contract["title"]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.contract["classes"])

    @property
    def about(self) -> str:
        """What it is conditioned on: `nothing`, `class` or `image`."""
        return self.contract["condition"]["about"]

    @cached_property
    def image_shape(self) -> tuple[int, int, int]:
        C, H, W = self.contract["image"]["shape"]
        return C, H, W

    def can(self, name: str) -> bool:
        """Whether it has a function of this name."""
        return name in self.contract["functions"]

    def call(self, name: str, *given: Array | None) -> list[Array]:
        """What a function gives for arrays in the order of its inputs, None for those it lacks.

        Raises:
            UsageError: If it has no such function, naming those it has.
            RunError: If its file is damaged.
        """
        if not self.can(name):
            raise UsageError(
                f"{self.title} has no `{name}`; it has {', '.join(self.contract['functions'])}"
            )
        about = self.contract["functions"][name]
        inputs = [one["name"] for one in about["inputs"]]
        arrays = [array.astype(np.float32, copy=False) for array in given if array is not None]
        if len(arrays) != len(inputs):
            raise UsageError(f"`{name}` takes {', '.join(inputs)}, and got {len(arrays)} arrays")
        session = self._session(name)
        count = len(arrays[0])
        parts = []
        for start in range(0, count, AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            feed = {key: array[rows] for key, array in zip(inputs, arrays, strict=True)}
            parts.append(session.run(None, feed))
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            runtime = require("onnxruntime", "export")
            path = self.folder / self.contract["functions"][name]["file"]
            try:
                content = path.read_bytes()
                options = runtime.SessionOptions()
                options.log_severity_level = 3
                self._sessions[name] = runtime.InferenceSession(
                    content, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:
                raise RunError(f"{path} is damaged: {error}; export the run again") from error
        return self._sessions[name]

    # --- codes ------------------------------------------------------------------------------------

    def latent(self, n: int, seed: int) -> Array:
        """Codes of samples (n, D): those of the run for this seed, if its prior is N(0, I)."""
        about = self.contract["latent"]
        if about is None:
            raise UsageError(f"cannot sample: {self.title} makes no images")
        if about["codes"] is None:
            return np.float32(about["scale"]) * standard_normal(
                seed_for(CODES_OF_SAMPLES, seed), n, about["dim"]
            )
        table = read_arrays(self.folder / about["codes"])["z"]
        return table[np.random.default_rng(seed).integers(len(table), size=n)]

    def condition_of(self, labels: Sequence[int] | NDArray[np.int64]) -> Array:
        """Classes by number (B,) as rows (B, K) of a one."""
        return np.eye(len(self.classes), dtype=np.float32)[np.asarray(labels, dtype=np.int64)]

    def generate(self, z: Array, condition: Array | None = None) -> Array:
        """Images of codes (B, D), painted step by step where the model does so."""
        if self.can("generate"):
            return self.call("generate", z, condition)[0]
        steps = np.split(z, self._steps, axis=1)
        canvas, _, _, *state = self.call("start", steps[0])
        images = canvas
        for z_t in steps:
            images, canvas, *state = self.call("paint", z_t, canvas, *state, condition)
        return images

    def encode(self, x: Array, condition: Array | None = None) -> Array:
        """The code in the middle of q(z|x), shape (B, D)."""
        if not self.can("look"):
            return self.call("encode", x, condition)[0]
        empty = np.zeros((len(x), self.contract["latent"]["dim"] // self._steps), np.float32)
        canvas, *states = self.call("start", empty)
        reading, writing, codes = states[:2], states[2:], []
        for _ in range(self._steps):
            mean, _, *reading = self.call("look", x, canvas, *reading, writing[0], condition)
            _, canvas, *writing = self.call("paint", mean, canvas, *writing, condition)
            codes.append(mean)
        return np.concatenate(codes, axis=1)

    @property
    def _steps(self) -> int:
        return self.contract["latent"]["steps"]
