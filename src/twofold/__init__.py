"""Twofold: VAEs and GANs on small images, and how to tell which is better.

The public names are few and imported when first used, so that `import twofold` costs nothing:

    run = twofold.train("lam2023-cvae", epochs=5)
    twofold.evaluate(run)
    twofold.sample(run, n=100)
    twofold.compare([run])
"""

from typing import TYPE_CHECKING, Any

from twofold._version import __version__

if TYPE_CHECKING:
    from twofold.apply.evaluate import evaluate
    from twofold.apply.sample import sample
    from twofold.data import ImageDataset, load_dataset
    from twofold.errors import TwofoldError
    from twofold.experiments.resolve import load_experiment, resolve
    from twofold.experiments.run import Run
    from twofold.experiments.siblings import train_seeds
    from twofold.experiments.train import resume, train
    from twofold.report.compare import compare

_PUBLIC = {
    "ImageDataset": "twofold.data",
    "Run": "twofold.experiments.run",
    "TwofoldError": "twofold.errors",
    "compare": "twofold.report.compare",
    "evaluate": "twofold.apply.evaluate",
    "load_dataset": "twofold.data",
    "load_experiment": "twofold.experiments.resolve",
    "resolve": "twofold.experiments.resolve",
    "resume": "twofold.experiments.train",
    "sample": "twofold.apply.sample",
    "train": "twofold.experiments.train",
    "train_seeds": "twofold.experiments.siblings",
}

__all__ = [
    "ImageDataset",
    "Run",
    "TwofoldError",
    "__version__",
    "compare",
    "evaluate",
    "load_dataset",
    "load_experiment",
    "resolve",
    "resume",
    "sample",
    "train",
    "train_seeds",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'twofold' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
