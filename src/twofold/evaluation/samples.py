"""Images that a model makes, and what extractors see of them and of real ones: once per context.

An extractor is a network whose last hidden layer describes an image. The first is the reference
classifier of the data set, which sees what makes a digit that digit, and is blind to what it
learned to ignore, such as specks. The second is the same network with random weights, which has
learned to ignore nothing; it checks that a figure is not the classifier's whim.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twofold.conditions import ClassCondition
from twofold.errors import NotMeasured
from twofold.evaluation.cache import digest_of, remember
from twofold.evaluation.classifiers import CNN, ReferenceClassifier, reference_classifier
from twofold.experiments.context import Context
from twofold.experiments.resolve import load_experiment
from twofold.models.base import Generative
from twofold.models.capabilities import Holds, Reconstructs

__all__ = [
    "Extractor",
    "Features",
    "Generated",
    "classes_as_trained",
    "classifier_extractor",
    "features_of",
    "generated_by",
    "notes_of_codes",
    "notes_of_reference",
    "of_codes",
    "random_extractor",
    "sample_images",
]

BATCH = 500


@dataclass(frozen=True)
class Extractor:
    """Images to features.

    Attributes:
        name: `classifier` or `random`.
        digest: Of its weights.
        embed: From images (B, C, H, W) to features (B, D).
    """

    name: str
    digest: str
    embed: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Features of shape (N, D), float32, of images (N, C, H, W) in [0, 1]."""
        features = torch.cat([self.embed(part).float() for part in x.split(BATCH)])
        return features.cpu() if x.device.type == "mps" else features  # which has no float64


def classifier_extractor(of: ReferenceClassifier) -> Extractor:
    """The last hidden layer of a trained classifier."""
    return Extractor("classifier", of.digest, of.classifier.features)


def random_extractor(image_shape: tuple[int, int, int], device: torch.device) -> Extractor:
    """The same layers with random weights, the same for every data set of one image shape."""
    model = load_experiment(CNN).model
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        layers = model.network.model_copy(update={"init": "kaiming"})  # keeps the images' scale
        network = layers.build(input_shape=image_shape, output_shape=None)
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return Extractor("random", digest.hexdigest()[:16], network.to(device).eval())


@dataclass(frozen=True)
class Generated:
    """Images from the prior, the same for every measure.

    Attributes:
        x: Shape (N, C, H, W), in [0, 1].
        y: The class each was asked to be, shape (N,), in the proportions of the training images;
            None for a model that is not conditioned on the class.
        provenance: What any figure of them depends on.
        notes: What a reader must know of how they were made.
    """

    x: Tensor
    y: Tensor | None
    provenance: dict[str, Any]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Features:
    """Images as one extractor sees them; shapes (N, D).

    Attributes:
        extractor: Who.
        generated: Of the generated images.
        test: Of the real test images.
        real: Of as many other real images as were generated, or all there are: in the place of the
            generated ones they give the reference.
        y_generated: The class each generated image was asked to be, or None.
        y_test: The classes of the test images, or None.
        provenance: What any figure of them depends on.
        notes: What a reader must know of the images.
    """

    extractor: Extractor
    generated: Tensor
    test: Tensor
    real: Tensor
    y_generated: Tensor | None
    y_test: Tensor | None
    provenance: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.extractor.name

    def reference(self, name: str, figure: Callable[[Tensor, Tensor], Any]) -> Any:
        """A figure of real images in the place of generated ones, a number or list, cached.

        Where these are too few it is None: a model may have learnt from a handful.
        """
        parts = [name, digest_of(self.test), digest_of(self.real)]
        try:
            found = remember("references", parts, lambda: {name: figure(self.test, self.real)})
        except NotMeasured:
            return None
        return found[name].tolist()

    def by_class(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Each class with the features of its test and its generated images."""
        if self.y_generated is None or self.y_test is None:
            return
        for k in self.y_test.unique().tolist():
            yield k, self.test[self.y_test == k], self.generated[self.y_generated == k]


def generated_by(context: Context) -> Generated:
    """Images of the model, `samples` of them, the same for every measure.

    Raises:
        NotMeasured: If it makes none, or some are not finite.
    """
    return context.once(_generate)


def _generate(context: Context) -> Generated:
    if (holding := context.model.capability(Holds)) is not None:
        x, y = holding.held()
        return Generated(x, y, {"samples": len(x), "source": context.run.name})
    model, count = _generative(context), context.settings["samples"]
    y = classes_as_trained(context, count) if isinstance(model.condition, ClassCondition) else None
    c, notes = y, []
    if model.condition.about == "image":
        parts = [model.condition.pick(batch.x, batch.y) for batch in context.batches.in_order()]
        c = torch.cat([part for part in parts if part is not None])
        c = c[torch.arange(count, device=c.device) % len(c)]
        notes.append("the model completes test images, a part of which it is given")
    x = sample_images(context, count, c)
    binarize = context.run.experiment.data.binarize
    provenance: dict[str, Any] = {"samples": count, "seed": context.settings["seed"]}
    if binarize != "none":
        provenance["trained_on"] = f"pixels binarized ({binarize})"
        notes.append("the model learnt binarized pixels and is compared with gray ones")
    provenance |= of_codes(context)
    notes += notes_of_codes(context)
    if y is not None:
        provenance["classes"] = "as in training"
    if model.capability(Reconstructs):
        provenance["pixels"] = "means"
    return Generated(x, y, provenance, tuple(notes))


def sample_images(context: Context, count: int, c: Tensor | None) -> Tensor:
    """Images from the prior, given a condition each, shape (count, C, H, W).

    Raises:
        NotMeasured: If the model makes none, or some are not finite.
    """
    model = _generative(context)
    context.progress.say(f"generating {count} images")
    x = model.sample(count, c, context.settings["seed"])
    broken = (~x.isfinite().flatten(1).all(dim=1)).sum().item()
    if broken:
        raise NotMeasured(
            f"{broken} of {count} generated images hold NaN or infinite pixels: training has "
            "diverged; look at the losses, and train again with a smaller lr"
        )
    return x


def of_codes(context: Context) -> dict[str, Any]:
    """What figures of samples depend on where their codes are not drawn from the prior."""
    scale = _generative(context).sampling_scale
    return {} if scale == 1.0 else {"sampling_scale": scale}


def notes_of_codes(context: Context) -> tuple[str, ...]:
    """What a reader must know then; nothing where codes come from the prior."""
    if not of_codes(context):
        return ()
    return (
        f"codes are drawn {_generative(context).sampling_scale:g} times as wide as the prior, so "
        "that the images are fewer kinds of the likelier ones",
    )


def _generative(context: Context) -> Generative:
    if not isinstance(context.model, Generative):
        raise NotMeasured(f"a {context.model.title.lower()} makes no images")
    return context.model


def features_of(context: Context) -> tuple[Features, ...]:
    """Features of generated and real images, by the classifier if there are labels, and random.

    Raises:
        NotMeasured: If there are no generated images.
    """
    return context.once(_features)


def _features(context: Context) -> tuple[Features, ...]:
    made, device = generated_by(context), context.model.device
    extractors = [random_extractor(context.dataset.image_shape, device)]
    if context.dataset.num_classes > 1:
        extractors.insert(0, classifier_extractor(reference_classifier(context, CNN)))
    test, real = context.real("test"), context.real("reference", len(made))
    context.progress.say("features of generated and real images")
    return tuple(
        Features(
            extractor,
            extractor(made.x),
            _of_real_images(extractor, test),
            _of_real_images(extractor, real),
            made.y,
            context.batches.labels,
            {
                **made.provenance,
                "split": context.split,
                "images": len(test),
                "extractor": f"{extractor.name} {extractor.digest}",
                "reference": f"{context.reference[0]} images",
            },
            made.notes + (notes_of_reference(context) if extractor.name == "classifier" else ()),
        )
        for extractor in extractors
    )


def notes_of_reference(context: Context) -> tuple[str, ...]:
    """What a reader must know of a classifier's figure of the reference images."""
    if context.reference[0] == "validation":
        return ()
    return (
        "the reference is of training images, which the classifier has seen: fresh real images "
        "would not reach it",
    )


def classes_as_trained(context: Context, count: int) -> Tensor:
    """Labels for so many images, each class with its share of the training images."""
    seen = context.train.class_counts
    ends = np.rint(np.cumsum(seen) / seen.sum() * count).astype(np.int64)
    labels = np.repeat(np.arange(len(seen)), np.diff(ends, prepend=0))
    labels = np.random.default_rng(0).permutation(labels)
    return torch.as_tensor(labels, device=context.model.device)


def _of_real_images(extractor: Extractor, x: Tensor) -> Tensor:
    parts = [extractor.digest, tuple(x.shape), digest_of(x)]
    found = remember("features", parts, lambda: {"features": extractor(x).cpu().numpy()})
    return torch.as_tensor(found["features"]).to(x.device)
