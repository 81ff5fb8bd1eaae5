"""A trained model as the verbs see it: what it can do, and what it is conditioned on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.data.dataset import UNLABELED
from twofold.errors import UsageError, unknown_name
from twofold.experiments.environment import pick_device
from twofold.experiments.run import Run
from twofold.models.base import Classifies, Model, require

__all__ = ["Trained", "class_index", "open_run", "seeded"]

T = TypeVar("T")


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode, with what its run says of it.

    Attributes:
        run: Where it comes from.
        model: On the device asked for.
        class_names: Of its training images; empty where they had no labels.
    """

    run: Run
    model: Model
    class_names: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def title(self) -> str:
        """What a caption calls it."""
        return f"{self.model.title} of {self.run.name}"

    @property
    def known_classes(self) -> list[int]:
        """The numbers of the classes it was trained on: all but those left out of the data."""
        unseen = self.run.experiment.data.without
        return [k for k, name in enumerate(self.class_names) if name not in unseen]

    def able(self, capability: type[T], verb: str) -> T:
        """Who answers for a capability.

        Raises:
            UsageError: Naming models that have what this one lacks.
        """
        return require(self.model, capability, verb)

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

    @property
    def needs_class(self) -> bool:
        """Whether it needs a class beside each image and cannot infer it, as M2 can."""
        return self.model.condition.about == "class" and self.model.offers(Classifies) is None

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
        reader = self.model.offers(Classifies)
        if reader is None:
            raise UsageError(
                f"a {self.model.title} is conditioned on each image's class, and these have no "
                "labels; put each class into a folder of its name, or give one for all with "
                "--class (in Python: label=)"
            )
        inferred = reader.classify(batch.x).argmax(dim=1)
        return inferred if y is None else torch.where(y == UNLABELED, inferred, y)


def open_run(run: str | Path | Run, device: str = "auto") -> Trained:
    """The trained model of a run or its folder.

    Raises:
        RunError: If it is no run, or is damaged.
        UsageError: If there is no such device.
    """
    run = run if isinstance(run, Run) else Run(run)
    model = run.model(str(pick_device(device)))
    return Trained(run, model, tuple(run.environment["data"]["class_names"]))


def class_index(label: int | str, names: Sequence[str]) -> int:
    """The number of a class given by number or name.

    Raises:
        UsageError: If there is none, naming those there are.
    """
    text = str(label)
    if text in names:
        return list(names).index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    if text.lstrip("-").isdecimal():
        raise UsageError(
            f"there is no class {text}: this model knows {len(names)} classes, "
            f"0 to {len(names) - 1} ({', '.join(names)})"
        )
    raise unknown_name("class", text, names)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """A block whose random draws follow from a seed and disturb nobody else's."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
