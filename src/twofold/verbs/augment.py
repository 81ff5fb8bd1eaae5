"""A training set that a model makes: as many images of each class, and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import RunError, UsageError
from twofold.evaluation.classifiers import CNN, ReferenceClassifier, find_classifier
from twofold.experiments.context import Context, Subject, open_run
from twofold.experiments.environment import describe_versions
from twofold.files import atomic_folder, write_json
from twofold.models.base import Generative
from twofold.pictures.sheets import MAX_ROWS, grid
from twofold.training.progress import Console, Progress
from twofold.verbs.result import Result, Save, pixels, write_images

__all__ = ["PROVENANCE", "Augmented", "augment"]

PROVENANCE = "provenance.json"
AT_ONCE = 1000  # images drawn at a time
TRIES = 50  # images drawn for each that is wanted, before a filter is given up
COLUMNS = 10  # of the picture


@dataclass(frozen=True, eq=False, repr=False)
class Augmented(Result):
    """Generated images, as many of each class.

    Attributes:
        images: uint8 (they may be many), shape (N, C, H, W), class by class.
        labels: What they were asked to be, shape (N,).
        class_names: K names.
        provenance: Run, checkpoint, model, seed, counts, filter, versions and date: plain data.
    """

    saved = ("images", "labels", "class_names")

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    provenance: Mapping[str, Any]

    def picture(self) -> NDArray[np.uint8]:
        """The first images of each class in a row."""
        K = len(self.class_names)
        by_class = self.images.reshape(K, -1, *self.images.shape[1:])
        return grid(by_class[:MAX_ROWS, :COLUMNS], row_heads=self.class_names[:MAX_ROWS])

    def writers(self) -> dict[str, Save]:
        return {"": self._save_folder, **super().writers()}

    def _save_folder(self, folder: Path) -> None:
        """A PNG each in a folder per class, which is a data set, and the provenance beside them."""
        with atomic_folder(folder) as temporary:
            write_json(temporary / PROVENANCE, self.provenance)
            write_images(temporary, self.images, self.labels, self.class_names)


def augment(
    run: Subject,
    *,
    per_class: int = 100,
    min_confidence: float | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Augmented:
    """Makes a training set of generated images, as many of each class.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        per_class: Images of each class that the model was trained on.
        min_confidence: Keep only images that a classifier of real ones takes for the class with
            this probability or more, such as 0.9, and draw others for the rest. What it does not
            recognize is then missing, odd styles first.
        seed: Seed of the latent codes.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.
        progress: Who hears what takes its time; by default the terminal or notebook.

    Returns:
        The set: a new folder, an .npz, or a .png of a few.

    Raises:
        UsageError: If the model makes no images or has no class condition, or a number cannot be
            what was given.
        RunError: If the run is damaged, or next to none of its images are recognized.

    Example:
        $ twofold augment runs/cvae --per-class 1000 --out more
    """
    if per_class < 1:
        raise UsageError(f"per_class={per_class}: ask for at least one image of each class")
    if min_confidence is not None and not 0 < min_confidence <= 1:
        raise UsageError(f"min_confidence={min_confidence}; expected more than 0 and at most 1")
    context = open_run(run, device)
    model = context.model.capability(Generative, "augment")
    context.require_class_condition("augment", "CVAE, CGAN, M2 or a hybrid of these")
    reference = None
    if min_confidence is not None:
        reference = find_classifier(
            CNN, context.run.dataset(), str(context.device), progress or Console()
        )
    draw = _Draw(context, model, reference, min_confidence or 0.0, seed)
    found = [draw.of_class(k, per_class) for k in context.known_classes]
    names = tuple(context.class_names[k] for k in context.known_classes)
    drawn = dict(zip(names, (count for _, count in found), strict=True))
    left_out = sum(drawn.values()) - per_class * len(found)
    filtered = f", {left_out} left out that were not recognized" if min_confidence else ""
    return Augmented(
        np.concatenate([pixels(images) for images, _ in found]),
        np.repeat(np.arange(len(found)), per_class),
        names,
        draw.provenance(per_class, drawn),
        caption=f"{context.title}: {per_class} images of each class{filtered}, seed {seed}",
    )


@dataclass(frozen=True)
class _Draw:
    """Images of one class, those left out that a classifier does not recognize."""

    context: Context
    model: Generative
    reference: ReferenceClassifier | None
    min_confidence: float
    seed: int

    def of_class(self, k: int, count: int) -> tuple[Tensor, int]:
        """So many images of class k, and how many were drawn for them."""
        kept: list[Tensor] = []
        have = drawn = rounds = 0
        while have < count:
            if drawn >= TRIES * count and drawn >= TRIES * AT_ONCE:
                raise RunError(
                    f"of {drawn} images of class {self.context.class_names[k]!r} the classifier "
                    f"recognizes {have} with probability {self.min_confidence:g} or more, and "
                    f"{count} are wanted; lower min_confidence, or train the model longer"
                )
            size = AT_ONCE if self.reference else min(AT_ONCE, count - have)
            x = self._some(k, size, rounds)
            rounds += 1
            good = torch.arange(len(x))
            if self.reference is not None:
                probability = self.reference.classifier.classify(x)[:, k].exp()
                good = (probability >= self.min_confidence).nonzero().squeeze(1)
            good = good[: count - have]
            kept.append(x[good].cpu())
            have += len(good)
            drawn += int(good[-1]) + 1 if have == count else size
        return torch.cat(kept), drawn

    def _some(self, k: int, count: int, rounds: int) -> Tensor:
        """Images whose codes no other class, round or seed has."""
        (state,) = np.random.SeedSequence((self.seed, k, rounds)).generate_state(1, np.uint64)
        c = torch.full((count,), k, device=self.context.device)
        return self.model.sample(count, c, int(state >> np.uint64(1)))

    def provenance(self, per_class: int, drawn: Mapping[str, int]) -> dict[str, Any]:
        """Where the images come from, as plain data."""
        run, reference, total = self.context.run, self.reference, per_class * len(drawn)
        found: dict[str, Any] = {
            "what": "images that a model generated; none is real",
            "run": run.name,
            "experiment": run.experiment.name,
            "model": self.context.model.title,
            "checkpoint_sha256": self.context.facts["sha256"],
            "step": self.context.facts["step"],
            "learnt_from": run.environment["data"],
            "without": list(run.experiment.data.without),
            "seed": self.seed,
            "images": total,
            "per_class": per_class,
            "versions": describe_versions(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if reference is not None:
            count = sum(drawn.values())
            found["filter"] = {
                "min_confidence": self.min_confidence,
                "classifier": f"{reference.name} {reference.digest}",
                "classifier_trained_on": reference.trained_on,
                "drawn": dict(drawn),
                "left_out": count - total,
                "share_kept": total / count,
            }
        return found
