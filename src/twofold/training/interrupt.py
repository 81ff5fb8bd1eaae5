"""Ctrl-C during training: the step at hand is finished first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["interruptible"]


@contextmanager
def interruptible(ask: Callable[[], bool]) -> Iterator[None]:
    """Within the block SIGINT, SIGTERM and SIGHUP ask for the end; a second one ends it at once.

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

    ends = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # the terminal is gone; Windows has none
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:  # as under nohup
        ends.append(hangup)
    before = {one: signal.signal(one, stop) for one in ends}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
