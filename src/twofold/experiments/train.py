"""Starting and resuming a run."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from twofold.data import ImageDataset
from twofold.data.batches import Batches, PartlyLabeled
from twofold.data.preprocess import to_unit
from twofold.errors import UsageError
from twofold.experiments.build import build_model
from twofold.experiments.data import known_images, load_data
from twofold.experiments.environment import pick_device
from twofold.experiments.extend import extend, finish_extension, with_duration
from twofold.experiments.folders import claimed, locked_for_training, refuse_used
from twofold.experiments.resolve import parse_changes, resolve
from twofold.experiments.run import Run
from twofold.experiments.samples import draw_samples
from twofold.experiments.schema import Experiment
from twofold.experiments.start import with_images, write_start
from twofold.models.base import Generative, Model
from twofold.training.callbacks import Listener
from twofold.training.checkpoint import fall_back
from twofold.training.initial import start_from
from twofold.training.loop import Trainer
from twofold.training.progress import Console, Progress

__all__ = [
    "begin",
    "check_classes",
    "make_trainer",
    "resume",
    "train",
    "training_images",
]


def train(
    experiment: str | Path | Experiment,
    changes: Iterable[str] | Mapping[str, Any] = (),
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
    dataset: Any = None,
    keep_images: bool = True,
    callbacks: Iterable[Listener] = (),
    **fields: Any,
) -> Run:
    """Trains an experiment in a new run folder.

    Arguments:
        experiment: A name of the library, a YAML file, or an experiment.
        changes: Fields to change, as `key=value` texts or a mapping.
        out: The run folder; by default runs/NAME, numbered if that is taken.
        progress: Where to say how it goes; the terminal or notebook by default, `Silent()` nowhere.
        dataset: Images to use in place of those that the experiment names: all that `fit` takes.
        keep_images: Whether these are kept in the run folder, so that it can be used without them.
        callbacks: Who else is told how it goes: functions of a record of metrics.jsonl, or
            objects like `twofold.training.callbacks.Callback`.
        fields: Fields to change, by their bare names: `epochs=5, latent_dim=32`.

    Returns:
        The run, finished or, after Ctrl-C, ready to be resumed.

    Raises:
        UsageError, DataError: Before anything is written, if something does not fit.
        RunError: If the folder is in use, a loss is not finite, or the disk is full.
    """
    resolved = resolve(experiment, {**parse_changes(changes), **fields})
    images = None
    if dataset is not None:
        resolved, images = with_images(resolved, dataset)
    if out is not None:
        refuse_used(Path(out), resolved)
    images = images or load_data(resolved.data)
    trainer = make_trainer(resolved, images, Path(), progress, callbacks=callbacks)
    folder = begin(trainer, resolved, images, out, keep_images)
    return Run(folder, images=None if dataset is None else images)


def resume(
    run: str | Path | Run,
    progress: Progress | None = None,
    dataset: Any = None,
    *,
    callbacks: Iterable[Listener] = (),
    **duration: Any,
) -> Run:
    """Continues a run from its newest checkpoint, to the same weights as if never interrupted.

    With another duration it goes on to that, finished or not, and becomes the run that would have
    been trained so long from the start.

    Arguments:
        run: A run or its folder.
        progress: Where to say how it goes.
        dataset: The images, where the folder neither keeps nor names them.
        callbacks: Who else is told how it goes, as in `train`.
        duration: `epochs=100` or `images=1_000_000`, counted from the run's first step.

    Raises:
        RunError: If the run is damaged, its experiment was edited, or its data has changed.
        UsageError: If more is done already, anything but the duration is changed, or what is done
            depends on the duration, as the schedules linear and cosine do.
    """
    run = run if isinstance(run, Run) else Run(run)
    progress = progress or Console()
    with locked_for_training(run.path):
        fall_back(run.path / "checkpoints", len(run.records), progress.say)
        return _go_on(run, progress, dataset, callbacks, duration)


def _go_on(
    run: Run,
    progress: Progress,
    dataset: Any,
    callbacks: Iterable[Listener],
    duration: Mapping[str, Any],
) -> Run:
    run.check_unedited()
    finish_extension(run)
    experiment = with_duration(run, duration) if duration else run.experiment
    if run.finished and experiment.training == run.experiment.training:
        return run
    device = str(pick_device(run.experiment.training.device))
    images = (run if dataset is None else Run(run.path, images=dataset)).dataset()
    model = run.untrained_model(device)
    trainer = make_trainer(experiment, images, run.path, progress, model, callbacks)
    trainer.restore()
    if experiment.training != run.experiment.training:
        extend(run, trainer, experiment)
    trainer.run()
    return run


def make_trainer(
    experiment: Experiment,
    dataset: ImageDataset,
    folder: Path,
    progress: Progress | None,
    model: Model | None = None,
    callbacks: Iterable[Listener] = (),
) -> Trainer:
    """A trainer at its first step, for an experiment on images that are loaded.

    Arguments:
        experiment: Resolved.
        dataset: Its images.
        folder: The run's.
        progress: Where to say how it goes.
        model: On its device, where it is made already; by default as the experiment says.
        callbacks: Who else is told how it goes.

    Raises:
        UsageError, DataError: If model, images and settings do not fit each other.
    """
    settings = experiment.training
    device = pick_device(settings.device)
    if model is None:
        model = build_model(experiment, dataset.image_shape, dataset.num_classes, device)
    if settings.epochs == 0:
        raise UsageError("epochs=0 trains nothing; twofold.adopt takes a model as it is")
    train_split = training_images(dataset, experiment, model)

    def batches(part: ImageDataset, batch_size: int) -> Batches:
        return Batches(
            part,
            batch_size,
            binarize=experiment.data.binarize,
            shift=experiment.data.shift,
            device=device,
            seed=experiment.seed,
            binarize_seed=experiment.data.binarize_seed,
            channels_last=model.is_convolutional,
        )

    held_out = _held_out(dataset, experiment, model)
    validation = batches(held_out, min(len(held_out), 500)) if held_out else None
    data: Batches | PartlyLabeled = batches(train_split, settings.batch_size)
    if train_split.labels is not None and train_split.num_unlabeled and model.labels == "some":
        both = min(settings.batch_size, int(train_split.class_counts.sum()))
        data = PartlyLabeled(data, settings.labeled_batch_size or both)
    elif settings.labeled_batch_size is not None:
        raise UsageError(
            f"labeled_batch_size={settings.labeled_batch_size} has no effect: {_why_plain(model)}"
        )
    _check_batch(model, data, dataset.num_classes)
    return Trainer(
        model,
        data,
        settings,
        folder,
        validation=validation,
        seed=experiment.seed,
        picture=_painter(model, validation or data),
        progress=progress or Console(),
        origin=experiment.model_dump(mode="json"),
        callbacks=callbacks,
    )


def _painter(
    model: Model, batches: Batches | PartlyLabeled
) -> Callable[[Model, Path], None] | None:
    """How a run draws a picture of itself, with held-out images where it needs some."""
    if not isinstance(model, Generative):
        return None
    with torch.random.fork_rng([]):  # a dynamic binarization draws
        examples = next(iter(batches.in_order(10))).x
    return partial(draw_samples, examples=examples)


def training_images(dataset: ImageDataset, experiment: Experiment, model: Model) -> ImageDataset:
    """The training images of the classes and with the labels that the experiment keeps.

    A model that needs every label learns from the labeled images alone.
    """
    dataset = known_images(dataset, "train", experiment.data)
    if experiment.data.labels is not None:
        dataset = dataset.keep_labels(experiment.data.labels, experiment.data.label_seed)
    if model.labels == "all" and dataset.num_unlabeled:
        return dataset.labeled()
    if model.labels == "some":
        dataset.labeled()  # refuses a data set without any label
    return dataset


def _why_plain(model: Model) -> str:
    if model.labels == "some":
        return "every training image has a label; leave it out, or keep fewer, as in labels=100"
    return f"{model.title} does not learn from unlabeled images beside labeled ones; leave it out"


def _held_out(dataset: ImageDataset, experiment: Experiment, model: Model) -> ImageDataset | None:
    """The validation images of the classes that the experiment keeps.

    A model that reads labels takes those that have one.
    """
    if "validation" not in dataset.splits:
        return None
    held_out = known_images(dataset, "validation", experiment.data)
    if model.labels == "none" or not held_out.num_unlabeled:
        return held_out
    return held_out.labeled() if held_out.num_unlabeled < len(held_out) else None


def check_classes(model: Model, num_classes: int) -> None:
    """Refuses images of another number of classes than a model was made for.

    Raises:
        UsageError: With both numbers.
    """
    known = getattr(model.condition, "num_classes", None) or getattr(model, "num_classes", None)
    if model.labels != "none" and known and known != num_classes:
        raise UsageError(
            f"this {model.title} was made for {known} classes and the data has {num_classes}; give "
            f"it num_classes={num_classes}"
        )


def _check_batch(model: Model, data: Batches | PartlyLabeled, num_classes: int) -> None:
    """Fails before training when a batch lacks what the model is conditioned on."""
    alone = data.batch_size == 1 and isinstance(data, Batches)  # else a labeled one is beside it
    batch_norm = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    if alone and any(isinstance(module, batch_norm) for module in model.modules()):
        raise UsageError("batch norm needs more than one image in a batch; use batch_size=2")
    check_classes(model, num_classes)
    model.condition.pick(to_unit(data.images[:1]), None if data.labels is None else data.labels[:1])


def begin(
    trainer: Trainer,
    experiment: Experiment,
    images: ImageDataset,
    out: str | Path | None,
    keep_images: bool = True,
) -> Path:
    """Trains in a folder of its own, which nothing is written into before.

    Arguments:
        trainer: At its first step, of whatever folder.
        experiment: What it trains.
        images: Of it.
        out: The folder; by default runs/NAME, or the first of NAME-2, NAME-3 … that is free.
        keep_images: Whether images that were given in memory are kept with the run.

    Returns:
        The folder.

    Raises:
        UsageError, RunError: If the folder is in use, or training goes wrong.
    """
    start_from(trainer.model, experiment.training)
    trainer.check_figure()
    with claimed(experiment, out) as folder:
        trainer.folder = folder
        write_start(
            folder, experiment, images, trainer.model, trainer.device, keep_images, trainer.progress
        )
        trainer.run()
    return folder
