"""Trains a few experiments for a moment and prints a hash of the weights of each, as JSON.

Run by test_same_weights.py in a process of its own, whose arithmetic is the same on every x86.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch

from twofold.experiments.train import train
from twofold.training.progress import Silent

PIXELS = ["data=digits", "size=28", "validation=100"]
LABELS = ["labels=100", "labeled_batch_size=50"]
CASES = {
    "digits-cvae": ["epochs=2"],
    "digits-cgan": ["epochs=2"],
    "chen-fang-ju2016-m1m2-1000": [
        *PIXELS,
        *LABELS,
        "images=200",
        "training.optimizers.m2.start=0",
        "training.optimizers.m1.stop=null",
    ],
    "chen-fang-ju2016-draw": [*PIXELS, "images=128"],
}


def digest(tensors: Iterable[torch.Tensor]) -> str:
    """Of the numbers alone, whatever they are called and in whichever order they come."""
    each = [hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest() for t in tensors]
    return hashlib.sha256("".join(sorted(each)).encode()).hexdigest()[:16]


def arithmetic() -> str:
    """A hash of a few results, to know a machine whose last digits are others."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(64, 64, generator=generator) for _ in range(2))
    results = {"product": a @ b, "exp": a.exp(), "tanh": a.tanh(), "log": a.abs().log()}
    return digest(results.values())


def weights(name: str, changes: list[str], seed: int) -> str:
    fixed = [f"seed={seed}", "device=cpu", "precision=fp32"]
    with tempfile.TemporaryDirectory() as folder:
        run = train(name, [*changes, *fixed], out=Path(folder) / "run", progress=Silent())
        return digest(run.model().state_dict().values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {f"{n}-{s}": weights(n, c, s) for n, c in CASES.items() for s in (0, 1, 2)}
    sys.stdout.write(json.dumps({"arithmetic": arithmetic(), **found}) + "\n")
