"""How much memory training takes at its peak."""

import sys

import torch

__all__ = ["forget_peak", "peak_memory"]


def peak_memory(device: torch.device) -> int:
    """The most memory taken so far, in bytes; 0 where the platform does not tell.

    On CUDA that of tensors on the device. Elsewhere that of the whole process since it started,
    with Python, torch and the images.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak(device: torch.device) -> None:
    """Counts afresh on CUDA; a process cannot forget its own."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
