"""From the settings of an experiment to its model."""

import torch

from twofold.conditions import ImageShape
from twofold.experiments.schema import Experiment
from twofold.models.base import Model

__all__ = ["build_model"]


def build_model(
    experiment: Experiment,
    image_shape: ImageShape,
    num_classes: int,
    device: torch.device | str = "cpu",
) -> Model:
    """The model of an experiment, with weights drawn from its seed.

    Arguments:
        experiment: Checked.
        image_shape: (C, H, W) of the data.
        num_classes: K of the data; 0 without labels.
        device: Where it lives.

    Raises:
        UsageError, DataError: If the model does not fit the data, saying what would.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(experiment.seed)
        model = experiment.model.build(image_shape=image_shape, num_classes=num_classes)
    return place(model, device)


def place(model: Model, device: torch.device | str) -> Model:
    """The model on its device, in the memory layout that suits its networks."""
    if model.is_convolutional:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.to(device)
