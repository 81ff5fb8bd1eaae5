"""A trained model with what surrounds it: its run, its images, and what it is conditioned on.

Every verb and every measure is given one `Context`; whatever it needs beyond the model is made when
it is first asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data import ImageDataset
from twofold.data.batches import Batch, Batches
from twofold.data.dataset import UNLABELED
from twofold.data.given import class_index
from twofold.data.preprocess import to_unit
from twofold.errors import NotMeasured, RunError, UsageError, shorten
from twofold.experiments.adopt import Subject, as_run
from twofold.experiments.data import known_images
from twofold.experiments.environment import pick_device
from twofold.experiments.run import Run
from twofold.experiments.train import training_images
from twofold.models.base import Model
from twofold.models.capabilities import Classifies
from twofold.streams import seed_for
from twofold.training.progress import Progress, Silent

__all__ = ["Classes", "Context", "Subject", "draw_index", "open_run", "seeded"]


ENOUGH = 100  # images for a reference
T = TypeVar("T")
Classes = int | str | Sequence[int | str]  # one by number or name, or several


@dataclass(frozen=True, eq=False)
class Context:
    """A model in evaluation mode, with what its run says of it.

    Attributes:
        run: Where it comes from.
        model: On the device asked for.
        class_names: Of its training images; empty where they had no labels.
        facts: Of the checkpoint that its weights are from: `step`, `total_steps`, `sha256`.
        settings: Of measuring: `samples`, `iwae_samples`, `seed`, and `images`, how many of the
            test images are measured, None for all.
        progress: Where to say how it goes.
        split: Which images are measured, those called test here: `test`, or `validation` where
            settings are still to be chosen by the figures.
    """

    run: Run
    model: Model
    class_names: tuple[str, ...]
    facts: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Silent)
    split: Literal["test", "validation"] = "test"
    _made: dict[Any, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def title(self) -> str:
        """What a caption calls it."""
        return f"{self.model.title} of {self.run.name}"

    def once(self, make: Callable[["Context"], T]) -> T:
        """What a function makes of this context, made when it is first asked for."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    # --- what it is conditioned on ----------------------------------------------------------------

    @property
    def known_classes(self) -> list[int]:
        """The numbers of the classes it was trained on.

        That is all but those left out of the data, and those without an image in it.
        """
        unseen = self.run.experiment.data.without
        known = [k for k, name in enumerate(self.class_names) if name not in unseen]
        return [k for k in known if k not in self._empty_classes]

    @property
    def _empty_classes(self) -> list[int]:
        counts = self.run.environment["data"].get("trained_on", [])
        return [k for k, count in enumerate(counts) if not count]

    def require_class_condition(self, verb: str, others: str) -> None:
        """Refuses a model that is not conditioned on the class, naming others that are.

        Raises:
            UsageError: If it has no condition, or a part of the image.
        """
        about = self.model.condition.about
        if about != "class":
            what = "on a part of the image, not on the class" if about == "image" else "on no class"
            raise UsageError(
                f"cannot {verb}: this {self.model.title} is conditioned {what}; use a {others}"
            )

    def asked_classes(self, label: Classes | None) -> list[int]:
        """The classes asked for; if none is named those the model knows, if any.

        A class that was left out of training can be asked for by name or number.

        Raises:
            UsageError: If there is no such class, or the model cannot be asked for one.
        """
        if self.model.condition.about != "class":
            if label is not None:
                raise UsageError(
                    f"{self.model.title} is not conditioned on the class, so none can be asked "
                    "for; use a CVAE or CGAN"
                )
            return []
        if label is None:
            return self.known_classes
        wanted = [label] if isinstance(label, int | str) else label
        numbers = [class_index(one, self.class_names) for one in wanted]
        if empty := [self.class_names[k] for k in numbers if k in self._empty_classes]:
            raise UsageError(
                f"class {shorten(empty[0])} has no training images, so the model has not learnt "
                "it; ask for another"
            )
        return numbers

    @property
    def needs_class(self) -> bool:
        """Whether it needs a class beside each image and cannot infer it, as M2 can."""
        return self.model.condition.about == "class" and self.model.capability(Classifies) is None

    def condition_of(self, batch: Batch) -> Tensor | None:
        """What the model is conditioned on: nothing, the class of each image, or the image itself.

        A model that classifies infers the class of images without a label.

        Raises:
            UsageError: If it is conditioned on the class and the images have none.
        """
        condition, y = self.model.condition, batch.y
        if condition.about != "class":
            return condition.pick(batch.x, y)
        if y is not None and not bool((y == UNLABELED).any()):
            return y
        reader = self.model.capability(Classifies)
        if reader is None:
            raise UsageError(
                f"a {self.model.title} is conditioned on each image's class, and these have no "
                "labels; put each class into a folder of its name, or give one for all with "
                "--label (in Python: label=)"
            )
        found = reader.classify(batch.x).argmax(dim=1)
        return found if y is None else torch.where(y == UNLABELED, found, y)

    # --- its images -------------------------------------------------------------------------------

    @cached_property
    def dataset(self) -> ImageDataset:
        """All splits of the data set it was trained on.

        Raises:
            RunError: If there are no such images to measure, or they are gone or have changed.
        """
        dataset, split = self.run.dataset(), self.split
        if split not in dataset.splits:
            raise RunError(
                f"{dataset.name} has no {split} images; train with {split}=0.1 to hold some out"
            )
        return dataset

    @cached_property
    def test(self) -> ImageDataset:
        """The images of the split, of the classes it was trained on: what figures are of."""
        return known_images(self.dataset, self.split, self.run.experiment.data)

    @cached_property
    def train(self) -> ImageDataset:
        """The images that the model has learnt from, with the labels it was given."""
        return training_images(self.dataset, self.run.experiment, self.model)

    @cached_property
    def reference(self) -> tuple[str, ImageDataset]:
        """What real images take the place of generated ones for a reference, and these.

        The validation images, which neither model nor classifier has learnt from; where these are
        fewer than a hundred, or measured themselves, the training images.
        """
        if self.split != "validation" and "validation" in self.dataset.splits:
            held_out = known_images(self.dataset, "validation", self.run.experiment.data)
            if len(held_out) >= ENOUGH:
                return "validation", held_out
        return "training", self.train

    @cached_property
    def test_index(self) -> NDArray[np.int64]:
        """Which test images are measured."""
        total, count = len(self.test), self.settings.get("images")
        if count is None or count >= total:
            return np.arange(total)
        return np.sort(draw_index(total, count))

    @cached_property
    def batches(self) -> Batches:
        """The test images that are measured, prepared as the experiment prepares images."""
        test = self.prepare(self.test)
        if len(self.test_index) == len(test):
            return test
        return test.only(torch.as_tensor(self.test_index), test.batch_size)

    def prepare(self, images: ImageDataset, batch_size: int = 500) -> Batches:
        """Images on the device as training prepares them: floats, binarized where that was so."""
        data = self.run.experiment.data
        return Batches(
            images,
            min(batch_size, len(images)),
            binarize=data.binarize,
            device=self.device,
            binarize_seed=data.binarize_seed,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """What any figure of the test images depends on."""
        found = {"split": self.split, "images": len(self.batches), "seed": self.settings["seed"]}
        left_out = self.run.experiment.data.without
        return {**found, "without": " ".join(sorted(map(str, left_out)))} if left_out else found

    @property
    def labels(self) -> Tensor:
        """The classes of the test images, shape (N,).

        Raises:
            NotMeasured: If the images have none.
        """
        if self.batches.labels is None:
            raise NotMeasured(
                f"the images of {self.dataset.name} have no labels; put each class into a folder"
            )
        return self.batches.labels

    def real(self, split: str, count: int | None = None) -> Tensor:
        """Images (N, C, H, W) in [0, 1] as they are in the data, without any binarization.

        Of `test`, of `train`, which the model has learnt from, or of `reference`; `count` are drawn
        at random, the same for every run.
        """
        if split == "test":
            images = self.test.images[self.test_index]
        else:
            images = (self.train if split == "train" else self.reference[1]).images
        if count is not None and count < len(images):
            images = images[draw_index(len(images), count)]
        return to_unit(torch.as_tensor(images).to(self.device))

    def keep_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keeps arrays behind a figure with the run, whose figures are of test images."""
        if self.split == "test":
            self.run.keep_arrays(name, arrays)

    def examples(self, split: str, count: int) -> Batch:
        """So many images from all over `test` or `train`, evenly, as training prepares them."""
        batches = self.batches if split == "test" else self.prepare(self.train)
        index = torch.linspace(0, len(batches) - 1, min(count, len(batches))).long()
        return next(batches.only(index, count).in_order())


def open_run(
    run: Subject,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    split: Literal["test", "validation"] = "test",
) -> Context:
    """The context of a run, its folder, or a pair of a model and its images.

    Raises:
        RunError: If it is no run, or is damaged.
        UsageError: If there is no such device.
    """
    run = as_run(run)
    model, facts = run.weights(str(pick_device(device)))
    names = tuple(run.environment["data"]["class_names"])
    return Context(run, model, names, facts, settings or {}, progress or Silent(), split)


def draw_index(total: int, count: int) -> NDArray[np.int64]:
    """Which `count` of `total` images are taken, at random but the same for every run."""
    return np.random.default_rng(0).permutation(total)[:count]


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """A block whose random draws follow from a seed, are none of training's and disturb nobody."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed_for("use of a model", seed))
        yield
