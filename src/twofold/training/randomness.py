"""Torch's generators, which belong to a run while it trains and to the caller before and after."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["Randomness"]


class Randomness:
    """The random numbers of a run.

    Arguments:
        device: Where it trains.
        seed: Of every random number in training.

    Example:
        >>> randomness = Randomness(torch.device("cpu"), seed=0)
        >>> with randomness.of_the_run():
        ...     first, state = torch.rand(1), randomness.state()
        ...     second = torch.rand(1)
        >>> randomness.continue_from(state)
        >>> with randomness.of_the_run():
        ...     torch.equal(torch.rand(1), second)
        True
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device = device
        self.seed = seed
        self._from: dict[str, Tensor] = {}

    @contextmanager
    def of_the_run(self) -> Iterator[None]:
        """Torch's generators belong to the run inside the block and are given back after it."""
        with torch.random.fork_rng(self._cuda_devices()):
            self.set()
            yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Random numbers of the seed inside the block, without touching those of training."""
        with torch.random.fork_rng(self._cuda_devices()):
            torch.manual_seed(self.seed)
            yield

    def set(self) -> None:
        """Puts the generators where the run begins or, if it is continued, where it stood."""
        if not self._from:
            torch.manual_seed(self.seed)
            return
        torch.set_rng_state(self._from["cpu"])
        if "cuda" in self._from:
            torch.cuda.set_rng_state(self._from["cuda"], self.device)

    def state(self) -> dict[str, Tensor]:
        """Where the generators stand, by device."""
        states = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        return states

    def continue_from(self, state: Mapping[str, Tensor]) -> None:
        """Remembers where a run stood, for the next `set`.

        Raises:
            KeyError, ValueError: If that is no state of these generators.
        """
        devices = {"cpu": torch.device("cpu"), self.device.type: self.device}
        for name in state.keys() & devices.keys() | {"cpu"}:
            try:
                torch.Generator(devices[name]).set_state(state[name])
            except (RuntimeError, TypeError) as error:
                raise ValueError(f"no random state of {name}: {error}") from error
        self._from = dict(state)

    def _cuda_devices(self) -> list[torch.device]:
        return [self.device] if self.device.type == "cuda" else []
