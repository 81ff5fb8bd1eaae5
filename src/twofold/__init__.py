"""Twofold: VAEs and GANs on small images, and how to tell which is better.

The public names are few and imported when first used, so that `import twofold` costs nothing:

    run = twofold.train("lam2023-cvae", epochs=5)
    twofold.evaluate(run)
    twofold.sample(run, n=100)
    twofold.interpolate(run).save("between.webp")
    twofold.compare([run])
"""

from typing import TYPE_CHECKING, Any

from twofold._version import __version__

if TYPE_CHECKING:
    from twofold.apply.anomaly import anomaly
    from twofold.apply.augment import augment
    from twofold.apply.canvases import canvases
    from twofold.apply.classify import classify
    from twofold.apply.complete import complete
    from twofold.apply.denoise import denoise
    from twofold.apply.estimator import SemiSupervisedClassifier
    from twofold.apply.evaluate import evaluate
    from twofold.apply.interpolate import interpolate
    from twofold.apply.invert import invert
    from twofold.apply.latents import latents
    from twofold.apply.manifold import manifold
    from twofold.apply.reconstruct import reconstruct
    from twofold.apply.restyle import restyle
    from twofold.apply.sample import sample
    from twofold.apply.traverse import traverse
    from twofold.data import ImageDataset, load_dataset
    from twofold.errors import TwofoldError
    from twofold.experiments.resolve import load_experiment, resolve
    from twofold.experiments.run import Run
    from twofold.experiments.seed_runs import train_seeds
    from twofold.experiments.train import resume, train
    from twofold.report.compare import compare
    from twofold.reproduction.reproduce import reproduce

_PUBLIC = {
    "ImageDataset": "twofold.data",
    "Run": "twofold.experiments.run",
    "SemiSupervisedClassifier": "twofold.apply.estimator",
    "TwofoldError": "twofold.errors",
    "anomaly": "twofold.apply.anomaly",
    "augment": "twofold.apply.augment",
    "canvases": "twofold.apply.canvases",
    "classify": "twofold.apply.classify",
    "compare": "twofold.report.compare",
    "complete": "twofold.apply.complete",
    "denoise": "twofold.apply.denoise",
    "evaluate": "twofold.apply.evaluate",
    "interpolate": "twofold.apply.interpolate",
    "invert": "twofold.apply.invert",
    "latents": "twofold.apply.latents",
    "load_dataset": "twofold.data",
    "load_experiment": "twofold.experiments.resolve",
    "manifold": "twofold.apply.manifold",
    "reconstruct": "twofold.apply.reconstruct",
    "reproduce": "twofold.reproduction.reproduce",
    "resolve": "twofold.experiments.resolve",
    "restyle": "twofold.apply.restyle",
    "resume": "twofold.experiments.train",
    "sample": "twofold.apply.sample",
    "train": "twofold.experiments.train",
    "train_seeds": "twofold.experiments.seed_runs",
    "traverse": "twofold.apply.traverse",
}

__all__ = [
    "ImageDataset",
    "Run",
    "SemiSupervisedClassifier",
    "TwofoldError",
    "__version__",
    "anomaly",
    "augment",
    "canvases",
    "classify",
    "compare",
    "complete",
    "denoise",
    "evaluate",
    "interpolate",
    "invert",
    "latents",
    "load_dataset",
    "load_experiment",
    "manifold",
    "reconstruct",
    "reproduce",
    "resolve",
    "restyle",
    "resume",
    "sample",
    "train",
    "train_seeds",
    "traverse",
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
