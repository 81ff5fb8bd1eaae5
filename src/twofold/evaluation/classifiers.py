"""Classifiers trained on the real images of a data set, kept for the next time.

A reference classifier is an ordinary run of an ordinary experiment, in the cache folder under a
name that hashes the recipe and the images: change either and another one is trained. It learns from
the training images alone, so that validation and test images are new to it. For MNIST one is
shipped with the package: its weights, their hash, the recipe of both, and the images that it has
not learnt from (`benchmarks/ship_classifier.py`).
"""

import hashlib
import json
import shutil
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from twofold.data import ImageDataset
from twofold.data.download import cache_folder
from twofold.errors import NotMeasured
from twofold.evaluation.cache import made_once
from twofold.experiments.build import build_model
from twofold.experiments.context import Context
from twofold.experiments.resolve import parse_experiment, resolve
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.train import resume, train
from twofold.models.classifier import Classifier
from twofold.training.checkpoint import load_checkpoint, load_module, newest_checkpoint
from twofold.training.facts import read_facts
from twofold.training.progress import Console, Progress

__all__ = [
    "CNN",
    "MLP",
    "SHIPPED",
    "ReferenceClassifier",
    "checksums",
    "classifier_key",
    "classifier_recipe",
    "find_classifier",
    "reference_classifier",
    "train_classifier",
]

CNN = "classifier-cnn"
MLP = "classifier-mlp"  # the kind of Lam (2023)
SHIPPED = Path(__file__).parent / "shipped"
HELD_OUT = "held_out"  # the tensor of a shipped one: checksums of its validation images
_facts = cache(read_facts)


@dataclass(frozen=True)
class ReferenceClassifier:
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


def classifier_recipe(name: str, dataset: ImageDataset) -> Experiment:
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


def classifier_key(recipe: Experiment, images: ImageDataset) -> str:
    """Twelve hex digits of all that decides a classifier: its recipe and what it is trained on."""
    parts = json.dumps([recipe.identity(), images.fingerprint])
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def find_classifier(
    name: str,
    dataset: ImageDataset,
    device: str = "cpu",
    progress: Progress | None = None,
    exactly: bool = False,
) -> ReferenceClassifier:
    """A classifier trained on real training images: shipped, from the cache, or trained now.

    A shipped one measures the runs whose validation and test images it has not learnt from, also
    those that were given a part of its training images, unless one is wanted that has seen
    `exactly` the training images of the data set.

    Raises:
        DataError: If the training images have no labels.
    """
    path = _shipped_for(name, dataset, exactly)
    if path is not None:
        return _load_shipped(name, path, dataset, device)
    labeled = dataset.split("train").labeled()
    recipe = classifier_recipe(name, dataset)
    folder = (
        cache_folder() / "classifiers" / f"{name}-{dataset.name}-{classifier_key(recipe, labeled)}"
    )
    return train_classifier(recipe, dataset, folder, device, progress)


def train_classifier(
    recipe: Experiment,
    dataset: ImageDataset,
    folder: Path,
    device: str = "cpu",
    progress: Progress | None = None,
) -> ReferenceClassifier:
    """Trains a classifier in a folder, or takes it from there.

    Raises:
        RunError: Naming the file of an earlier one that is damaged; delete its folder.
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
    return ReferenceClassifier(recipe.name, model, facts["sha256"][:16], trained_on)


def reference_classifier(context: Context, name: str) -> ReferenceClassifier:
    """A classifier trained on the real training images of a context.

    Raises:
        NotMeasured: If these are not of two classes or more.
    """
    dataset = context.dataset
    if dataset.num_classes < 2:
        raise NotMeasured(
            f"a classifier needs images of 2 classes or more, and {dataset.name} has "
            f"{dataset.num_classes or 'no labels'}; put each class into a folder"
        )
    return find_classifier(name, dataset, str(context.device), context.progress)


def checksums(images: ImageDataset) -> Tensor:
    """A CRC-32 of the pixels of each image, shape (N,), int64: equal images have the same."""
    return torch.tensor([zlib.crc32(image.tobytes()) for image in images.images])


def _shipped_for(name: str, dataset: ImageDataset, exactly: bool) -> Path | None:
    """The facts of the shipped one that fits the data set.

    Its test images are the data set's, whose validation images are among those held out from it;
    or it has `exactly` the training images of the data set.
    """
    split = "train" if exactly else "test"
    if split not in dataset.splits:
        return None
    fingerprint = dataset.split(split).fingerprint
    for path in sorted(SHIPPED.glob(f"{name}-*.json")):
        same = _facts(path)[f"{split}_fingerprint"] == fingerprint
        if same and (exactly or _is_held_out(path, dataset)):
            return path
    return None


def _is_held_out(path: Path, dataset: ImageDataset) -> bool:
    """Whether a shipped one has learnt from none of the validation images."""
    if "validation" not in dataset.splits:
        return True
    held_out = load_checkpoint(path)[0][HELD_OUT]
    return bool(torch.isin(checksums(dataset.split("validation")), held_out).all())


def _load_shipped(name: str, path: Path, dataset: ImageDataset, device: str) -> ReferenceClassifier:
    tensors, facts = load_checkpoint(path, device)
    recipe = parse_experiment(facts["experiment"], path.name)
    model = build_model(recipe, dataset.image_shape, dataset.num_classes, device)
    load_module(model, tensors, "model/")
    assert isinstance(model, Classifier)
    return ReferenceClassifier(name, model.eval(), facts["sha256"][:16], facts["trained_on"])
