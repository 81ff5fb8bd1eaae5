"""What every measure looks at: a trained model, the data it was trained on, and test images."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.apply.cache import digest_of, remember
from twofold.apply.extractors import Extractor, classifier_extractor, random_extractor
from twofold.apply.judges import JUDGE, Judge, judge
from twofold.conditions import ClassCondition
from twofold.data import ImageDataset
from twofold.data.batches import Batch, Batches
from twofold.data.preprocess import to_unit
from twofold.errors import RunError
from twofold.experiments.run import Run
from twofold.experiments.train import training_images
from twofold.metrics.measure import NotMeasured, join
from twofold.models.base import Generative, Model, Reconstructs
from twofold.training.progress import Progress

__all__ = ["Features", "Generated", "Subject", "draw_index", "make_subject"]


@dataclass(frozen=True)
class Generated:
    """Images from the prior, the same for every measure.

    Attributes:
        x: Shape (N, C, H, W), in [0, 1].
        y: The class each was asked to be, shape (N,), in the proportions of the training images;
            None for a model that is not conditioned on the class.
        depends: What any figure of them depends on.
        caution: What a reader must know of how they were made.
    """

    x: Tensor
    y: Tensor | None
    depends: dict[str, Any]
    caution: str = ""

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Features:
    """Images as one extractor sees them; shapes (N, D).

    Attributes:
        extractor: Who.
        generated: Of the generated images.
        test: Of the real test images.
        train: Of as many of the model's training images as were generated, or all there are: in the
            place of the generated ones they give the floor.
        y_generated: The class each generated image was asked to be, or None.
        y_test: The classes of the test images, or None.
        depends: What any figure of them depends on.
        caution: What a reader must know of the generated images.
    """

    extractor: Extractor
    generated: Tensor
    test: Tensor
    train: Tensor
    y_generated: Tensor | None
    y_test: Tensor | None
    depends: dict[str, Any]
    caution: str

    @property
    def name(self) -> str:
        return self.extractor.name

    def floor(self, figure: Callable[[Tensor, Tensor], Mapping[str, float]]) -> dict[str, float]:
        """Figures of the training images in the place of the generated ones, from the cache.

        Where these are too few there is nothing: a model may have learnt from a handful.

        Arguments:
            figure: Of features of test images and of others; its name is part of the key.
        """
        parts = [figure.__module__, figure.__name__, digest_of(self.test), digest_of(self.train)]
        try:
            found = remember("floors", parts, lambda: figure(self.test, self.train))
        except NotMeasured:
            return {}
        return {name: float(value) for name, value in found.items()}

    def by_class(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Each class with the features of its test and its generated images."""
        if self.y_generated is None or self.y_test is None:
            return
        for k in self.y_test.unique().tolist():
            yield k, self.test[self.y_test == k], self.generated[self.y_generated == k]


@dataclass(frozen=True)
class Subject:
    """What a measure looks at.

    Attributes:
        run: The run.
        model: Its model, in evaluation mode on its device.
        dataset: All splits of the data set.
        train: The images that the model has learnt from, with the labels it was given.
        test_index: Which test images are measured.
        batches: These, prepared as the experiment prepares images.
        settings: `samples`, `iwae_samples`, `seed`.
        progress: Where to say how it goes.
    """

    run: Run
    model: Model
    dataset: ImageDataset
    train: ImageDataset
    test_index: NDArray[np.int64]
    batches: Batches
    settings: dict[str, Any]
    progress: Progress

    @property
    def depends(self) -> dict[str, Any]:
        return {"split": "test", "images": len(self.batches), "seed": self.settings["seed"]}

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

    @cached_property
    def generated(self) -> Generated:
        """Images of the model, `samples` of them.

        Raises:
            NotMeasured: If it makes none, or some are not finite.
        """
        model, count = self._generative, self.settings["samples"]
        y = self.classes(count) if isinstance(model.condition, ClassCondition) else None
        c, caution = y, []
        if model.condition.about == "image":
            parts = [model.condition.pick(batch.x, batch.y) for batch in self.batches.in_order()]
            c = torch.cat([part for part in parts if part is not None])
            c = c[torch.arange(count, device=c.device) % len(c)]
            caution.append("the model completes test images, a part of which it is given")
        x = self.sample(count, c)
        binarize = self.run.experiment.data.binarize
        depends: dict[str, Any] = {"samples": count, "seed": self.settings["seed"]}
        if binarize != "none":
            depends["trained_on"] = f"pixels binarized ({binarize})"
            caution.append("the model learnt binarized pixels and is compared with gray ones")
        depends |= self.of_codes
        caution.append(self.caution_of_codes)
        if y is not None:
            depends["classes"] = "as in training"
        if model.offers(Reconstructs):
            depends["pixels"] = "means"
        return Generated(x, y, depends, join(*caution))

    def sample(self, count: int, c: Tensor | None) -> Tensor:
        """Images from the prior, given a condition each, shape (count, C, H, W).

        Raises:
            NotMeasured: If the model makes none, or some are not finite.
        """
        model = self._generative
        self.progress.say(f"generating {count} images")
        x = model.sample(count, c, self.settings["seed"])
        broken = (~x.isfinite().flatten(1).all(dim=1)).sum().item()
        if broken:
            raise NotMeasured(
                f"{broken} of {count} generated images hold NaN or infinite pixels: training has "
                "diverged; look at the losses, and train again with a smaller lr"
            )
        return x

    @property
    def of_codes(self) -> dict[str, Any]:
        """What figures of samples depend on where their codes are not drawn from the prior."""
        scale = self._generative.sampling_scale
        return {} if scale == 1.0 else {"sampling_scale": scale}

    @property
    def caution_of_codes(self) -> str:
        """What a reader must know then; empty where codes come from the prior."""
        if not self.of_codes:
            return ""
        return (
            f"codes are drawn {self._generative.sampling_scale:g} times as wide as the prior, so "
            "that the images are fewer kinds of the likelier ones"
        )

    @property
    def _generative(self) -> Generative:
        if not isinstance(self.model, Generative):
            raise NotMeasured(f"a {self.model.title.lower()} makes no images")
        return self.model

    def real(self, split: str, count: int | None = None) -> Tensor:
        """Images as they are in the data, without any binarization, on the device.

        Arguments:
            split: `test`, or `train` for the images that the model has learnt from.
            count: Draw so many at random, the same for every run; all by default.

        Returns:
            Shape (N, C, H, W), in [0, 1].
        """
        if split == "test":
            images = self.dataset.split("test").images[self.test_index]
        else:
            images = self.train.images
        if count is not None and count < len(images):
            images = images[draw_index(len(images), count)]
        return to_unit(torch.as_tensor(images).to(self.model.device))

    def examples(self, split: str, count: int) -> Batch:
        """Images from all over a split, as training prepares them; of `test`, only measured ones.

        Arguments:
            split: `test`, or `train` for the images that the model has learnt from.
            count: How many, evenly spaced; fewer where there are no more.
        """
        batches = self.batches
        if split == "train":
            batches = _prepared(self.run, self.train, self.model.device)
        index = torch.linspace(0, len(batches) - 1, min(count, len(batches))).long()
        return next(batches.only(index, count).in_order())

    def judge(self, name: str) -> Judge:
        """A classifier trained on the real training images.

        Raises:
            NotMeasured: If these are not of two classes or more.
        """
        if self.dataset.num_classes < 2:
            raise NotMeasured(
                f"a classifier needs images of 2 classes or more, and {self.dataset.name} has "
                f"{self.dataset.num_classes or 'no labels'}; put each class into a folder"
            )
        return judge(name, self.dataset, str(self.model.device), self.progress)

    @cached_property
    def features(self) -> tuple[Features, ...]:
        """Features of generated and real images, by the classifier if there are labels, and random.

        Raises:
            NotMeasured: If there are no generated images.
        """
        made, device = self.generated, self.model.device
        extractors = [random_extractor(self.dataset.image_shape, device)]
        if self.dataset.num_classes > 1:
            extractors.insert(0, classifier_extractor(self.judge(JUDGE)))
        test, train = self.real("test"), self.real("train", len(made))
        self.progress.say("features of generated and real images")
        return tuple(
            Features(
                extractor,
                extractor(made.x),
                _of_real_images(extractor, test),
                _of_real_images(extractor, train),
                made.y,
                self.batches.labels,
                {
                    **made.depends,
                    "split": "test",
                    "images": len(test),
                    "extractor": f"{extractor.name} {extractor.digest}",
                },
                made.caution,
            )
            for extractor in extractors
        )

    def classes(self, count: int) -> Tensor:
        """Labels for so many images, each class with its share of the training images."""
        seen = self.train.class_counts
        ends = np.rint(np.cumsum(seen) / seen.sum() * count).astype(np.int64)
        labels = np.repeat(np.arange(len(seen)), np.diff(ends, prepend=0))
        labels = np.random.default_rng(0).permutation(labels)
        return torch.as_tensor(labels, device=self.model.device)


def _of_real_images(extractor: Extractor, x: Tensor) -> Tensor:
    parts = [extractor.digest, tuple(x.shape), digest_of(x)]
    found = remember("features", parts, lambda: {"features": extractor(x).cpu().numpy()})
    return torch.as_tensor(found["features"]).to(x.device)


def make_subject(
    run: Run, settings: dict[str, Any], images: int | None, device: torch.device, progress: Progress
) -> Subject:
    """Loads model and test images.

    Raises:
        RunError: If the run has no test images or is damaged.
    """
    dataset = run.dataset()
    if "test" not in dataset.splits:
        raise RunError(f"{dataset.name} has no test images; train with test=0.1 to hold some out")
    model, test = run.model(str(device)), dataset.split("test")
    train = training_images(dataset, run.experiment, model)
    batches, index = _prepared(run, test, device), np.arange(len(test))
    if images is not None and images < len(test):
        index = np.sort(draw_index(len(test), images))
        batches = batches.only(torch.as_tensor(index), batches.batch_size)
    return Subject(run, model, dataset, train, index, batches, settings, progress)


def draw_index(total: int, count: int) -> NDArray[np.int64]:
    """Which `count` of `total` images are taken, at random but the same for every run."""
    return np.random.default_rng(0).permutation(total)[:count]


def _prepared(run: Run, images: ImageDataset, device: torch.device) -> Batches:
    """Images as the experiment prepares them."""
    data = run.experiment.data
    return Batches(
        images,
        min(500, len(images)),
        binarize=data.binarize,
        device=device,
        binarize_seed=data.binarize_seed,
    )
