"""Ctrl-C during training: the step at hand is finished first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["interruptible"]


@contextmanager
def interruptible(ask: Callable[[], bool]) -> Iterator[None]:
    """Within the block SIGINT and SIGTERM ask for the end; a second one ends it at once.

    Outside the main thread, where Python allows no signal handlers, the block is left as it is.

    Arguments:
        ask: Asks for the end, and says whether it had been asked for before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: object) -> None:
        if ask():
            raise KeyboardInterrupt

    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
