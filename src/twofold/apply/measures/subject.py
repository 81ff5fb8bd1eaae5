"""What every measure looks at: a trained model, the data it was trained on, and test images."""

from dataclasses import dataclass
from typing import Any

import torch

from twofold.apply.judges import judge
from twofold.data import ImageDataset
from twofold.data.batches import Batches
from twofold.errors import RunError
from twofold.experiments.run import Run
from twofold.models.base import Model
from twofold.models.classifier import Classifier
from twofold.training.progress import Progress

__all__ = ["Subject", "make_subject"]


@dataclass(frozen=True)
class Subject:
    """What a measure looks at.

    Attributes:
        run: The run.
        model: Its model, in evaluation mode on its device.
        dataset: All splits, as the run was trained on.
        batches: The test images, prepared as the experiment prepares images.
        settings: `samples`, `iwae_samples`, `seed`.
        progress: Who is told.
    """

    run: Run
    model: Model
    dataset: ImageDataset
    batches: Batches
    settings: dict[str, Any]
    progress: Progress

    @property
    def depends(self) -> dict[str, Any]:
        return {"split": "test", "images": len(self.batches), "seed": self.settings["seed"]}

    def judge(self, name: str) -> Classifier:
        """A classifier trained on the real training images."""
        return judge(name, self.dataset, str(self.model.device), self.progress)[0]


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
    test = dataset.split("test")
    if images is not None:
        test = test.subset(range(min(images, len(test))))
    experiment = run.experiment
    batches = Batches(
        test,
        min(500, len(test)),
        binarise=experiment.data.binarise,
        device=device,
        binarise_seed=experiment.data.binarise_seed,
    )
    return Subject(run, run.model(str(device)), dataset, batches, settings, progress)
