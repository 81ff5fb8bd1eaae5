"""Twofold: VAEs and GANs on small images, and how to tell which is better.

The public names are few and imported when first used, so that `import twofold` costs nothing:

    run = twofold.train("lam2023-cvae", epochs=5)
    twofold.evaluate(run)
    twofold.sample(run, n=100)
    twofold.interpolate(run).save("between.webp")
    twofold.compare([run])

A name is public by its import below, which type checkers read as they read any, and this module
itself when the name is first used. A function that takes a run, in a file of its name in `verbs` or
in a package of its own, is thereby a command as well.
"""

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold._version import __version__ as __version__

if TYPE_CHECKING:
    from twofold.anomalies.anomaly import anomaly as anomaly
    from twofold.data import ImageDataset as ImageDataset
    from twofold.data import as_dataset as as_dataset
    from twofold.data import load_dataset as load_dataset
    from twofold.errors import TwofoldError as TwofoldError
    from twofold.experiments.adopt import adopt as adopt
    from twofold.experiments.fit import fit as fit
    from twofold.experiments.fit import load as load
    from twofold.experiments.resolve import load_experiment as load_experiment
    from twofold.experiments.resolve import resolve as resolve
    from twofold.experiments.run import Run as Run
    from twofold.experiments.seed_runs import train_seeds as train_seeds
    from twofold.experiments.train import resume as resume
    from twofold.experiments.train import train as train
    from twofold.inpainting.complete import complete as complete
    from twofold.registry import register as register
    from twofold.report.compare import compare as compare
    from twofold.reproduction.reproduce import reproduce as reproduce
    from twofold.serving.serve import serve as serve
    from twofold.sharing.export import export as export
    from twofold.sweeps.sweep import Sweep as Sweep
    from twofold.sweeps.sweep import sweep as sweep
    from twofold.verbs.augment import augment as augment
    from twofold.verbs.canvases import canvases as canvases
    from twofold.verbs.classify import classify as classify
    from twofold.verbs.denoise import denoise as denoise
    from twofold.verbs.estimator import SemiSupervisedClassifier as SemiSupervisedClassifier
    from twofold.verbs.evaluate import evaluate as evaluate
    from twofold.verbs.interpolate import interpolate as interpolate
    from twofold.verbs.invert import invert as invert
    from twofold.verbs.latents import latents as latents
    from twofold.verbs.manifold import manifold as manifold
    from twofold.verbs.reconstruct import reconstruct as reconstruct
    from twofold.verbs.restyle import restyle as restyle
    from twofold.verbs.sample import sample as sample
    from twofold.verbs.track import track as track
    from twofold.verbs.traverse import traverse as traverse

PUBLIC = {
    alias.name: node.module
    for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("twofold.")
    for alias in node.names
}  # the module of each name

__all__ = sorted(PUBLIC)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'twofold' has no attribute {name!r}")
    value = getattr(importlib.import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
