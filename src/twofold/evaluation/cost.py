"""What a computation costs: its arithmetic, and its time."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

__all__ = ["calls_per_second", "count_flops", "wait_for"]


def count_flops(work: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products and convolutions in a computation.

    A multiply-add is two operations. Gradients count when `work` takes them; biases, activations,
    normalization and optimizers, which are small beside these, do not.

    Example:
        >>> count_flops(lambda: torch.ones(3, 4) @ torch.ones(4, 5)) == 2 * 3 * 4 * 5
        True
    """
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()
    with counter:
        work()
    return counter.get_total_flops()


def calls_per_second(
    work: Callable[[], object], device: torch.device, seconds: float = 0.5
) -> float:
    """How often a computation runs in a second, after one call that is not timed.

    It is called until the time is up and at least once more; the device is waited for before the
    clock is read.
    """
    work()
    wait_for(device)
    started, calls, elapsed = time.perf_counter(), 0, 0.0
    while not calls or elapsed < seconds:
        work()
        wait_for(device)
        calls, elapsed = calls + 1, time.perf_counter() - started
    return calls / elapsed


class _NoModules(ModuleTracker):
    """Follows no modules: the hooks for it cannot stand a gradient penalty."""

    def __enter__(self) -> "_NoModules":
        return self

    def __exit__(self, *_args: object) -> None: ...


def wait_for(device: torch.device) -> None:
    """Returns when the device has done its work: without that a clock reads nothing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
