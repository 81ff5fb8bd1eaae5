"""Classifiers trained on the real images of a data set, kept for the next time.

A judge is an ordinary run of an ordinary experiment, in the cache folder under a name that hashes
the recipe and the images: change either and another judge is trained. For MNIST one is shipped with
the package: its weights, their hash, and the recipe of both (`benchmarks/ship_judge.py`).
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from twofold.apply.cache import cache_folder, made_once
from twofold.data import ImageDataset
from twofold.experiments.build import build_model
from twofold.experiments.resolve import parse_experiment, resolve
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.train import resume, train
from twofold.models.classifier import Classifier
from twofold.training.checkpoint import load_checkpoint, load_module, newest_checkpoint
from twofold.training.facts import read_facts
from twofold.training.progress import Console, Progress

__all__ = [
    "JUDGE",
    "MLP_JUDGE",
    "SHIPPED",
    "Judge",
    "judge",
    "judge_key",
    "judge_recipe",
    "train_judge",
]

JUDGE = "classifier-cnn"
MLP_JUDGE = "classifier-mlp"  # the kind of Lam (2023)
SHIPPED = Path(__file__).parent / "shipped"
_facts = cache(read_facts)


@dataclass(frozen=True)
class Judge:
    """A trained classifier and what it is.

    Attributes:
        name: Its recipe.
        classifier: In evaluation mode.
        digest: Sixteen hex digits of the SHA-256 of its checkpoint.
        trained_on: The images it has seen.
    """

    name: str
    classifier: Classifier
    digest: str
    trained_on: str


def judge_recipe(name: str, dataset: ImageDataset) -> Experiment:
    """The recipe for a data set: the same number of steps as on MNIST where there are fewer images.

    A classifier that sees 1 500 images for 8 epochs has seen nothing: training lasts at least
    3 000 steps, or 100 epochs if that is less.
    """
    recipe = resolve(name)
    count = int(dataset.split("train").class_counts.sum())
    batch_size = min(recipe.training.batch_size, max(1, count // 10))
    wanted = 3000 * batch_size / count
    epochs = max(recipe.training.epochs or 1.0, min(wanted, 100.0))
    return resolve(recipe, {"epochs": epochs, "batch_size": batch_size})


def judge_key(recipe: Experiment, images: ImageDataset) -> str:
    """Twelve hex digits of all that decides a judge: its recipe and what it is trained on."""
    parts = json.dumps([recipe.identity(), images.fingerprint])
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def judge(
    name: str,
    dataset: ImageDataset,
    device: str = "cpu",
    progress: Progress | None = None,
    exactly: bool = False,
) -> Judge:
    """A classifier trained on real training images: shipped, from the cache, or trained now.

    A shipped one has seen the whole training set, and judges runs that were given a part of it too,
    unless one is wanted that has seen `exactly` the training images of the data set.

    Raises:
        DataError: If the training images have no labels.
    """
    path = _shipped_for(name, dataset, exactly)
    if path is not None:
        return _load_shipped(name, path, dataset, device)
    labeled = dataset.split("train").labeled()
    recipe = judge_recipe(name, dataset)
    folder = cache_folder() / "judges" / f"{name}-{dataset.name}-{judge_key(recipe, labeled)}"
    return train_judge(recipe, dataset, folder, device, progress)


def train_judge(
    recipe: Experiment,
    dataset: ImageDataset,
    folder: Path,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Judge:
    """Trains a classifier in a folder, or takes it from there.

    Raises:
        RunError: Naming the file of an earlier judge that is damaged; delete its folder.
    """
    progress = progress or Console()
    with made_once(folder, f"is training the classifier {recipe.name}", progress.say):
        if newest_checkpoint(folder / "checkpoints") is not None:
            run = resume(Run(folder), progress, dataset)
        else:
            shutil.rmtree(folder, ignore_errors=True)  # what a start that was killed left behind
            progress.say(f"training the classifier {recipe.name} on {dataset.name} (once)")
            run = train(recipe, out=folder, progress=progress, dataset=dataset, keep_images=False)
    if not run.finished:
        raise KeyboardInterrupt
    count = len(dataset.split("train").labeled())
    model, facts = run.weights(device)
    trained_on = f"{count} training images of {dataset.name}"
    return Judge(recipe.name, model, facts["sha256"][:16], trained_on)


def _shipped_for(name: str, dataset: ImageDataset, exactly: bool) -> Path | None:
    """The facts of the shipped judge whose test or `exactly` training images are the data set's."""
    split = "train" if exactly else "test"
    if split not in dataset.splits:
        return None
    fingerprint = dataset.split(split).fingerprint
    for path in sorted(SHIPPED.glob(f"{name}-*.json")):
        if _facts(path)[f"{split}_fingerprint"] == fingerprint:
            return path
    return None


def _load_shipped(name: str, path: Path, dataset: ImageDataset, device: str) -> Judge:
    tensors, facts = load_checkpoint(path, device)
    recipe = parse_experiment(facts["experiment"], path.name)
    model = build_model(recipe, dataset.image_shape, dataset.num_classes, device)
    load_module(model, tensors, "model/")
    assert isinstance(model, Classifier)
    return Judge(name, model.eval(), facts["sha256"][:16], facts["trained_on"])
