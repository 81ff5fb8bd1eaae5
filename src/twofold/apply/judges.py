"""Classifiers trained on the real images of a data set, kept for the next time.

A judge is an ordinary run of an ordinary experiment, in the cache folder under a name that hashes
the recipe and the images: change either and another judge is trained.
"""

import hashlib
import os
import shutil
from pathlib import Path

from twofold.data import ImageDataset
from twofold.experiments.resolve import resolve, to_yaml
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.train import resume, train
from twofold.models.classifier import Classifier
from twofold.training.checkpoint import newest_checkpoint
from twofold.training.progress import Console, Progress

__all__ = ["JUDGES", "cache_folder", "judge", "train_judge"]

JUDGES = ("classifier-cnn", "classifier-mlp")


def cache_folder() -> Path:
    """`TWOFOLD_CACHE`, or the platform's place for caches."""
    if given := os.environ.get("TWOFOLD_CACHE"):
        return Path(given)
    import pooch

    return Path(pooch.os_cache("twofold"))


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


def judge(
    name: str, dataset: ImageDataset, device: str = "cpu", progress: Progress | None = None
) -> tuple[Classifier, Run]:
    """A classifier trained on the real training images, from the cache or trained now.

    Arguments:
        name: A recipe of `JUDGES`.
        dataset: Labelled images with a train split.
        device: Where to put it.
        progress: Who is told while it trains.

    Returns:
        The classifier and its run.
    """
    recipe = judge_recipe(name, dataset)
    key = hashlib.sha256((to_yaml(recipe) + _train_fingerprint(dataset)).encode()).hexdigest()[:12]
    folder = cache_folder() / "judges" / f"{name}-{dataset.name}-{key}"
    return train_judge(recipe, dataset, folder, device, progress)


def train_judge(
    recipe: Experiment,
    dataset: ImageDataset,
    folder: Path,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[Classifier, Run]:
    """Trains a classifier in a folder, or takes it from there.

    Raises:
        RunError: Naming the file of an earlier judge that is damaged; delete its folder.
    """
    progress = progress or Console()
    if newest_checkpoint(folder / "checkpoints") is not None:
        run = resume(Run(folder), progress, dataset)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # what a start that was killed left behind
        progress.say(f"training the classifier {recipe.name} on {dataset.name} (once)")
        run = train(recipe, out=folder, progress=progress, dataset=dataset)
    if not run.finished:
        raise KeyboardInterrupt
    return run.model(device), run


def _train_fingerprint(dataset: ImageDataset) -> str:
    return dataset.split("train").fingerprint
