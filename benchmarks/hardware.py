"""What a timing depends on beside the code."""

import os
import platform

import torch

from twofold.experiments.environment import processor_name

__all__ = ["hardware"]


def hardware() -> dict[str, str | int]:
    """Processor, cores, threads and versions, for the JSON of a benchmark."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "torch": torch.__version__,
    }
