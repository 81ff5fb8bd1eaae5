"""One thread that computes, and a queue before it that does not grow."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from twofold.errors import TwofoldError

__all__ = ["BusyError", "Worker"]


class BusyError(TwofoldError):
    """More is asked for than can wait."""


class Worker:
    """Computes one thing after another, whoever asks: models are not made for several threads.

    Arguments:
        most: How many requests are computed or wait; further ones are refused.
    """

    def __init__(self, most: int = 32) -> None:
        self.most, self.pending = most, 0
        self._thread = ThreadPoolExecutor(1, "twofold-serve")

    async def do(self, function: Callable[..., Any], *given: Any) -> Any:
        """What a function gives, computed when its turn comes.

        Raises:
            BusyError: If too many wait already.
        """
        if self.pending >= self.most:
            raise BusyError(f"{self.pending} requests wait already; ask again in a moment")
        self.pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *given)
        finally:
            self.pending -= 1

    def close(self) -> None:
        """Drops what waits; what is computed comes to its end."""
        self._thread.shutdown(wait=False, cancel_futures=True)
