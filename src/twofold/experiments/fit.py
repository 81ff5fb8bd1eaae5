"""Training a model that was made in Python, and opening its run again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from twofold.errors import RunError, TwofoldError, UsageError
from twofold.experiments.build import place
from twofold.experiments.environment import pick_device
from twofold.experiments.folders import refuse_used
from twofold.experiments.packed import open_folder
from twofold.experiments.run import Run
from twofold.experiments.start import describe, with_images, write_model
from twofold.experiments.train import begin, make_trainer
from twofold.models.base import Model
from twofold.settings import flat
from twofold.training.callbacks import Listener
from twofold.training.loop import Trainer
from twofold.training.progress import Console, Progress
from twofold.training.validate import mean_terms

__all__ = ["fit", "load"]


def fit(
    model: Model,
    images: Any,
    *,
    epochs: float = 10.0,
    out: str | Path | None = None,
    name: str = "",
    progress: Progress | None = None,
    callbacks: Iterable[Listener] = (),
    **fields: Any,
) -> Run:
    """Trains a model on images, in a run folder that every verb, measure and report can open.

    Arguments:
        model: A `Model`, trained where it stands.
        images: An array or tensor, a pair (images, labels), a data set of torch or Hugging Face, an
            `ImageDataset`, a path, or a data set's name.
        epochs: Passes over the training images.
        out: The run folder; by default runs/NAME, numbered if that is taken.
        name: Of the run; by default the model's title.
        progress: Where to say how it goes; the terminal or notebook by default, `Silent()` nowhere.
        callbacks: Who else is told how it goes: functions of a record of metrics.jsonl, or
            objects like `twofold.training.callbacks.Callback`.
        fields: Of an experiment's `training` and `data`, by their bare names:
            `lr=1e-3, batch_size=64, validation=0.2, binarize="dynamic", seed=1`.

    Returns:
        The run, finished or, after Ctrl-C, ready for `resume`.

    Raises:
        UsageError, DataError: Before anything is written, if something does not fit.
        RunError: If the folder is in use, a loss is not finite, or the disk is full.

    Example:
        >>> import numpy as np, tempfile, torch
        >>> from twofold import models
        >>> from twofold.training.progress import Silent
        >>> vae = models.VAE(
        ...     torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)),
        ...     torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.Unflatten(1, (1, 8, 8))),
        ...     latent_dim=2,
        ... )
        >>> x = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = fit(vae, x, epochs=1, batch_size=20, out=f"{folder}/mine", progress=Silent())
        ...     run.finished, run.progress
        (True, (8, 8))
    """
    experiment = describe(model, images, name, {"epochs": epochs, **fields})
    experiment, dataset = with_images(experiment, images)
    if out is not None:
        refuse_used(Path(out), experiment)
    model.accept_images(dataset.image_shape)
    place(model, pick_device(experiment.training.device))
    trainer = make_trainer(experiment, dataset, Path(), progress or Console(), model, callbacks)
    _try(trainer)
    folder = begin(trainer, experiment, dataset, out)
    model.eval()
    return Run(folder, model, None if isinstance(images, str | Path) else dataset)


def _try(trainer: Trainer) -> None:
    """Sends a few images through every phase, so that what does not fit fails before a run begins.

    Raises:
        UsageError: With the reason, whatever a network of one's own raises.
    """
    batch = next(iter(trainer.data.in_order(8)))
    try:
        with torch.random.fork_rng([]):
            mean_terms(trainer.model, [batch])
    except TwofoldError:
        raise
    except Exception as error:
        raise UsageError(
            f"this {trainer.model.title} fails on images of shape {tuple(batch.x.shape)} with "
            f"{type(error).__name__}: {error}"
        ) from error


def load(folder: str | Path, *, model: Model | None = None, images: Any = None) -> Run:
    """Opens a run folder.

    Arguments:
        folder: Of the run, or of one that `twofold export --hub` wrote, also hf:USER/NAME on the
            hub, or hf:USER/NAME@REVISION.
        model: For a run of classes that are not registered: a model made like the one that was
            trained, whose weights are then those of the run.
        images: For a run of images that the folder neither keeps nor names.

    Raises:
        RunError: If it is no run, is damaged, or its weights do not fit the model.
    """
    if model is None and images is None:
        return open_folder(folder)
    run = Run(folder, model, images)
    if model is None:
        return run
    if not isinstance(model, Model):
        raise UsageError(f"load opens a run with a Model, got {type(model).__name__}")
    there, given = flat(run.experiment.model.model_dump(mode="json")), flat(write_model(model))
    other = [
        f"{key} is {given.get(key)!r} and was {there.get(key)!r}"
        for key in sorted(there.keys() | given.keys())
        if there.get(key) != given.get(key) and not key.endswith("sampling_scale")
    ]
    if other:
        shown = "; ".join(other[:3] + ["…"] * (len(other) > 3))
        raise RunError(
            f"{run.path} holds another model: {shown}. Make the model as it was made for this run"
        )
    run.weights()
    return run
