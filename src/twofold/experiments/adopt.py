"""Runs of models that were trained elsewhere, so that every verb and measure can look at them."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from twofold.errors import UsageError
from twofold.experiments.packed import open_folder
from twofold.experiments.run import Run
from twofold.experiments.start import describe, with_images, write_start
from twofold.experiments.train import check_classes
from twofold.models.base import Model
from twofold.training.checkpoint import module_tensors, save_checkpoint

__all__ = ["Subject", "adopt", "as_run"]

Subject = str | Path | Run | tuple[Model, Any]  # what a verb is given


def adopt(
    model: Model, images: Any, *, out: str | Path | None = None, name: str = "", **fields: Any
) -> Run:
    """A run of a model that was trained elsewhere: to be measured, compared and used.

    Arguments:
        model: A `Model`; a plain generator becomes one as `models.GAN(generator, nn.Identity(),
            latent_dim=...)`.
        images: Whatever `fit` takes; the test images are what it is measured on.
        out: The run folder; by default one that lasts as long as the run that is given back.
        name: Of the run; by default the model's title.
        fields: Of the data, by their bare names: `test=0.5, binarize="dynamic"`.

    Raises:
        UsageError, DataError: If model and images do not fit.
    """
    experiment = describe(model, images, name, {"epochs": 0, **fields})
    experiment, dataset = with_images(experiment, images)
    model.accept_images(dataset.image_shape)
    check_classes(model, dataset.num_classes)
    lasts = out is not None
    folder = Path(out or Path(tempfile.mkdtemp(prefix="twofold-")) / experiment.name)
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise UsageError(f"{folder} is a file, or not empty; choose another out")
    facts = {"total_steps": 0, "seconds": 0.0, "origin": experiment.model_dump(mode="json")}
    write_start(folder, experiment, dataset, model, model.device)
    save_checkpoint(folder / "checkpoints", 0, module_tensors(model, "model/"), facts)
    run = Run(folder, model, None if isinstance(images, str | Path) else dataset)
    if not lasts:  # the folder goes when the run does
        weakref.finalize(run, shutil.rmtree, folder.parent, ignore_errors=True)
    return run


def as_run(subject: Subject) -> Run:
    """The run of what a verb was given: a run, its folder, or a model with its images.

    Raises:
        UsageError: If it is something else.
    """
    if isinstance(subject, Run):
        return subject
    if isinstance(subject, str | Path):
        return open_folder(subject)
    if isinstance(subject, tuple) and len(subject) == 2 and isinstance(subject[0], Model):
        return adopt(*subject)
    if isinstance(subject, Model):
        raise UsageError(
            f"this {subject.title} comes without images: give both, as in (model, images), or "
            "twofold.adopt(model, images)"
        )
    raise UsageError(
        f"got {type(subject).__name__}; expected a run, its folder, or a pair (model, images)"
    )
