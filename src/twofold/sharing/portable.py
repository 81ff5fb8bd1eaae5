"""An exported model without torch: numpy, Pillow and onnxruntime do what the run's verbs do."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import RunError, UsageError
from twofold.files import read_arrays
from twofold.packages import require
from twofold.sharing.by_functions import Array, ByFunctions
from twofold.sharing.contract import read_contract
from twofold.sharing.noise import standard_normal
from twofold.streams import CODES_OF_SAMPLES, seed_for

__all__ = ["Portable"]

AT_ONCE = 500  # images


class Portable(ByFunctions):
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

    @property
    def latent_dim(self) -> int:
        return (self.contract["latent"] or {"dim": 0})["dim"]

    @property
    def num_steps(self) -> int:
        return (self.contract["latent"] or {"steps": 1})["steps"] or 1

    def inputs(self) -> dict[str, list[str]]:
        functions = self.contract["functions"].items()
        return {name: [one["name"] for one in about["inputs"]] for name, about in functions}

    def compute(self, name: str, arrays: list[Array]) -> list[Array]:
        """What onnxruntime makes of arrays.

        Raises:
            RunError: If the function's file is damaged.
        """
        session, inputs, count = self._session(name), self.inputs()[name], len(arrays[0])
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
