"""Style transfer: one image's style on every class (Chen, Fang and Ju, 2016, section 4.2).

q(z|x, y) of an image and its class gives a code that says how it is drawn and not what it shows,
and the decoder draws every class with it. The code is the posterior's mean and the same along a
row; the report drew a fresh one for each class, which blurs what a row has in common.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data import ImageDataset
from twofold.data.batches import Batch
from twofold.data.preprocess import to_unit
from twofold.errors import UsageError
from twofold.evaluation.classifiers import CNN, ReferenceClassifier, find_classifier
from twofold.evaluation.figure import Figure, Quantity, mean_and_error
from twofold.evaluation.recognition import accuracy, recognition
from twofold.evaluation.style import brightness, kept_error, kept_within_class, slant
from twofold.experiments.context import Context, Subject, open_run
from twofold.models.base import Generative
from twofold.models.capabilities import Encodes, HasCodes
from twofold.pictures.sheets import MAX_ROWS, grid
from twofold.training.progress import Console, Progress
from twofold.verbs.inputs import BATCH, Images, Inputs, load_inputs
from twofold.verbs.result import Result, pixels

__all__ = ["Restyled", "restyle"]

MEASURED = 1000  # test images
WIDTH = 64  # pixels of an image and the name of its class
ABLE = "CVAE, CDRAW, M2 or a hybrid of these"


@dataclass(frozen=True, eq=False, repr=False)
class Restyled(Result):
    """Images, and each of them as every class.

    Attributes:
        inputs: Shape (N, C, H, W).
        images: Shape (N, K, C, H, W).
        labels: The classes that the inputs were encoded with, shape (N,).
        classes: What each column is, K numbers: all classes that the model was trained on.
        class_names: Of the numbers.
    """

    saved = ("inputs", "images", "labels", "classes", "class_names")

    inputs: Tensor
    images: Tensor
    labels: Tensor
    classes: Sequence[int]
    class_names: tuple[str, ...]

    def picture(self) -> NDArray[np.uint8]:
        """A row for each image: itself, then every class in its style."""
        rows = torch.cat([self.inputs[:, None], self.images[:, :MAX_ROWS]], dim=1)
        heads = ["input", *(self.class_names[k] for k in self.classes[:MAX_ROWS])]
        return grid(pixels(rows), column_heads=heads, scale=max(1, WIDTH // rows.shape[-1]))


def restyle(
    run: Subject,
    images: Images | None = None,
    *,
    n: int = 10,
    label: int | str | None = None,
    resize: bool = False,
    fresh_noise: bool = False,
    measure: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Restyled:
    """Draws every class in the style of each image.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive, image or data set's name, or arrays; by default the test images.
        n: How many images are shown.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images of another size or color to the model's.
        fresh_noise: Draw another code of q(z|x, y) for each class of a row, as the report did, and
            do not hold one fixed.
        measure: Test images on which recognition is measured, 0 for none; by default 1000, or none
            where `images` are given.
        seed: Seed of which images are shown and measured, and of fresh noise.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.
        progress: Who hears what takes its time; by default the terminal or notebook.

    Returns:
        The images: a .png or an .npz.

    Raises:
        UsageError: If the model has no encoder, or is not conditioned on the class.
        RunError: If the run is damaged or its test images are gone.

    Example:
        $ twofold restyle runs/cvae --images seven.png --label 7
    """
    if measure is not None and measure < 0:
        raise UsageError(f"measure={measure}: how many images to measure, 0 for none")
    context = open_run(run, device)
    draw = _drawer(context, fresh_noise)
    measure = (MEASURED if images is None else 0) if measure is None else measure
    inputs = load_inputs(context, images, n=n, label=label, resize=resize, seed=seed)
    classes = context.known_classes
    x, made, y = inputs.each(draw, seed, max(1, BATCH // len(classes)))
    found: Sequence[Figure] = ()
    if measure > 0:
        drawn = load_inputs(context, n=measure, seed=seed)
        known = drawn.dataset.without(context.run.experiment.data.without)
        dataset = context.run.dataset()
        reference = find_classifier(CNN, dataset, str(context.device), progress or Console())
        code = "drawn for each class" if fresh_noise else "posterior mean"
        provenance = {"split": "test", "images": len(known), "seed": seed, "code": code}
        found = _measured(draw, replace(drawn, dataset=known), reference, dataset, provenance)
    how = "a code drawn afresh for each class" if fresh_noise else "one code along each row"
    caption = f"{context.title}: {inputs.source} in every class, {how}"
    return Restyled(x, made, y, classes, context.class_names, caption=caption, measures=found)


Draw = Callable[[Batch], tuple[Tensor, Tensor, Tensor]]


def _drawer(context: Context, fresh_noise: bool) -> Draw:
    """What gives the images (B, C, H, W) of a batch, each as every class (B, K, C, H, W), and y."""
    context.require_class_condition("restyle", ABLE)
    encoder = context.model.capability(HasCodes)
    if encoder is None:
        raise UsageError(
            f"cannot restyle: {context.model.title} has no encoder to find a style by; use a {ABLE}"
        )
    noisy = context.model.capability(Encodes, "restyle with fresh noise") if fresh_noise else None
    generator = context.model.capability(Generative, "restyle")
    classes = torch.tensor(context.known_classes, device=context.device)
    K = len(classes)

    def draw(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        y = context.condition_of(batch)
        assert y is not None, "the model is conditioned on the class"
        if noisy is None:
            z = encoder.codes(batch.x, y).repeat_interleave(K, dim=0)  # (B K, D)
        else:
            x, c = batch.x.repeat_interleave(K, dim=0), y.repeat_interleave(K)
            z = noisy.posterior(x, c).rsample()
        made = generator.generate(z, classes.repeat(len(batch))).float()
        return batch.x, made.unflatten(0, (-1, K)), y

    return draw


def _measured(
    draw: Draw,
    inputs: Inputs,
    reference: ReferenceClassifier,
    dataset: ImageDataset,
    provenance: Mapping[str, Any],
) -> list[Figure]:
    """Whether the class is recognized, and whether brightness and slant are those of the input."""
    classes = torch.tensor(inputs.context.known_classes)  # (K,), rising
    K = len(classes)

    def examine(batch: Batch) -> tuple[Tensor, ...]:
        x, made, y = draw(batch)
        flat = made.flatten(0, 1)
        seen = reference.classifier.classify(flat).unflatten(0, (-1, K))
        return seen, y, _features(x), _features(flat).unflatten(0, (-1, K))

    seed = provenance["seed"]
    log_probs, y, before, after = inputs.each(examine, seed, max(1, BATCH // K))
    column = torch.searchsorted(classes, y)  # (N,)
    found = [_recognized(log_probs, y, classes, reference, dataset, provenance)]
    for i, name in enumerate(("brightness", "slant")):
        if name == "slant" and dataset.image_shape[0] != 1:
            continue  # it is that of light on black
        of = (before[:, i], after[:, :, i], column)
        found.append(
            Quantity(
                f"style/{name}", f"{name} of the input kept, correlation", "", "higher"
            ).figure(
                kept_within_class(*of),
                error=kept_error(*of, seed=seed),
                provenance={**provenance, "within": "pairs of different classes"},
                notes=("one simple sign of style, and not all of it",),
            )
        )
    return found


def _features(x: Tensor) -> Tensor:
    """Brightness and slant of images, shape (N, 2)."""
    x = x.cpu()  # not every device has doubles
    return torch.stack([brightness(x), slant(x)], dim=1)


def _recognized(
    log_probs: Tensor,
    y: Tensor,
    classes: Tensor,
    reference: ReferenceClassifier,
    dataset: ImageDataset,
    provenance: Mapping[str, Any],
) -> Figure:
    """How often the class asked for is seen: N images as K classes (K,)."""
    N, K = log_probs.shape[:2]
    asked = classes.expand(N, K)
    real = dataset.split("test").labeled()
    x = to_unit(torch.as_tensor(real.images))
    real_share = accuracy(reference.classifier.classify(x), torch.as_tensor(real.labels))
    measure = recognition(
        f"restyled/{reference.name}",
        "restyled images recognized",
        log_probs.flatten(0, 1),
        asked.flatten(),
        dataset.class_names,
        {
            **provenance,
            "classes": K,
            "classifier": f"{reference.name} {reference.digest}",
            "classifier_accuracy": round(real_share, 5),
        },
        real_share,
        ("each image as its own class is counted too; `others` in the details leaves it out",),
    )
    hits = (log_probs.argmax(dim=2) == asked).double()  # (N, K)
    of_images = mean_and_error(hits.mean(dim=1))[1] or 0.0  # the K of one image fail together
    other = asked != y[:, None]
    details = {**measure.details, "others": 100 * hits[other].mean().item()}
    return replace(measure, error=max(measure.error or 0.0, 100 * of_images), details=details)
