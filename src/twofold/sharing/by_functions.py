"""A model of which nothing is known but its functions: the same in torch and in ONNX.

Arrays are float32 with the batch first; images (B, C, H, W) are in [0, 1]. Nothing here imports
torch.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

__all__ = ["Array", "ByFunctions"]

Array = NDArray[np.float32]


class ByFunctions(ABC):
    """A model that is asked by the names of `sharing/functions.py`.

    Attributes:
        title: What a caption calls it.
        latent_dim: Of a whole code; 0 for a model without codes.
        num_steps: In how many steps it paints; 1 for all that do not.
    """

    @property
    @abstractmethod
    def title(self) -> str: ...

    @property
    @abstractmethod
    def latent_dim(self) -> int: ...

    @property
    @abstractmethod
    def num_steps(self) -> int: ...

    @abstractmethod
    def inputs(self) -> dict[str, list[str]]:
        """The names of the inputs of each function that it has, by the function's name."""

    @abstractmethod
    def compute(self, name: str, arrays: list[Array]) -> list[Array]:
        """The outputs of a function that it has, for as many arrays as it has inputs."""

    def can(self, name: str) -> bool:
        """Whether it has a function of this name."""
        return name in self.inputs()

    def call(self, name: str, *given: Array | None) -> list[Array]:
        """What a function gives for arrays in the order of its inputs, None for those it lacks.

        Raises:
            UsageError: If it has no such function, naming those it has.
        """
        functions = self.inputs()
        if name not in functions:
            raise UsageError(f"{self.title} has no `{name}`; it has {', '.join(functions)}")
        arrays = [array.astype(np.float32, copy=False) for array in given if array is not None]
        if len(arrays) != len(inputs := functions[name]):
            raise UsageError(f"`{name}` takes {', '.join(inputs)}, and got {len(arrays)} arrays")
        return self.compute(name, arrays)

    def generate(self, z: Array, condition: Array | None = None) -> Array:
        """Images of codes (B, D), painted step by step where the model does so."""
        if not self.can("paint"):
            return self.call("generate", z, condition)[0]
        return self.canvases(z, condition)[-1]

    def canvases(self, z: Array, condition: Array | None = None) -> list[Array]:
        """The images (B, C, H, W) as they stand after each step of a model that paints."""
        steps = np.split(z, self.num_steps, axis=1)
        canvas, _, _, *state = self.call("start", steps[0])
        painted = []
        for z_t in steps:
            images, canvas, *state = self.call("paint", z_t, canvas, *state, condition)
            painted.append(images)
        return painted

    def posterior(self, x: Array, condition: Array | None = None) -> list[Array]:
        """The code in the middle of q(z|x), and ln σ² where q is a Gaussian: shapes (B, D).

        Of a model that paints, q of each step is that after the middles of the steps before.
        """
        if not self.can("look"):
            return self.call("encode", x, condition)
        size = self.latent_dim // self.num_steps
        canvas, *states = self.call("start", np.zeros((len(x), size), np.float32))
        reading, writing, found = states[:2], states[2:], []
        for _ in range(self.num_steps):
            mean, logvar, *reading = self.call("look", x, canvas, *reading, writing[0], condition)
            _, canvas, *writing = self.call("paint", mean, canvas, *writing, condition)
            found.append((mean, logvar))
        return [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]

    def encode(self, x: Array, condition: Array | None = None) -> Array:
        """The code in the middle of q(z|x), shape (B, D)."""
        return self.posterior(x, condition)[0]
