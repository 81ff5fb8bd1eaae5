"""A run: a folder and nothing else.

experiment.yaml    what was asked, resolved
environment.json   versions, hardware, data, what the model is, parameter counts
metrics.jsonl      the log
checkpoints/       safetensors and JSON
samples/           pictures drawn while it trained
evaluation.json    what was measured
evaluation/        arrays behind it that are too large for JSON
images.npz         the images, where they were given in memory
trackers.json      the ids by which W&B and MLflow know it, where it is tracked
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from twofold.errors import RunError, UsageError
from twofold.experiments.recorded import Environment, Evaluation
from twofold.experiments.resolve import parse_experiment, to_yaml
from twofold.experiments.schema import DURATION, SAMPLING, Experiment
from twofold.files import (
    parse_yaml,
    read_arrays,
    read_json,
    read_text,
    unreadable,
    write_arrays,
    write_text,
)
from twofold.locks import TEMPORARY, locked, sweep
from twofold.settings import flat
from twofold.training.checkpoint import (
    Standing,
    load_checkpoint,
    load_module,
    newest_checkpoint,
    standing_of,
)
from twofold.training.record import read_records

__all__ = ["Run", "differences"]

MEASURED = ("step", "sha256", "sampling_scale")  # what must be as it was for figures to hold


class Run:
    """A run folder, read on demand.

    Arguments:
        path: The folder.
        model: A model like the one that was trained, for a run of classes without a name.
        images: The images it was trained on, where the folder neither keeps nor names them.

    Raises:
        RunError: If it is no run folder.
    """

    def __init__(self, path: str | Path, model: Any = None, images: Any = None) -> None:
        self.path = Path(path)
        self._like = model
        self._images = images
        try:
            is_run = (self.path / "experiment.yaml").is_file()
        except OSError as error:
            raise unreadable(self.path, error) from error
        if not is_run:
            raise RunError(
                f"{self.path} is not a run: it has no experiment.yaml; runs are made by "
                "`twofold train` and lie under runs/"
            )

    @cached_property
    def experiment(self) -> Experiment:
        path = self.path / "experiment.yaml"
        try:
            content = parse_yaml(read_text(path))
            return parse_experiment(content, path.name)
        except UsageError as error:
            if plugins := self._plugins():
                raise RunError(f"{self.path} needs what {plugins}. ({error})") from error
            raise RunError(f"{path} is damaged: {error}") from error
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise RunError(f"{path} is damaged: {error}") from error

    def rewrite_experiment(self, experiment: Experiment) -> None:
        """Puts another experiment.yaml in place of the one that is there."""
        write_text(self.path / "experiment.yaml", to_yaml(experiment))
        self.__dict__["experiment"] = experiment

    def _plugins(self) -> str:
        """Where the names came from that are not Twofold's and are not known now, in words."""
        from twofold.registry import is_known

        origins = (self.environment.get("model") or {}).get("plugins") or {}
        missing = [
            f"{origin} registered ({name}): "
            + (f"give --plugin {origin}" if origin.endswith(".py") else f"pip install {origin}")
            for name, origin in origins.items()
            if not is_known(*name.split(" ", 1))
        ]
        return "; ".join(missing)

    @cached_property
    def environment(self) -> dict[str, Any]:
        return read_json(self.path / "environment.json", Environment)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return read_records(self.path / "metrics.jsonl")

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """What `evaluate` measured, or None."""
        path = self.path / "evaluation.json"
        return read_json(path, Evaluation) if path.exists() else None

    @property
    def sampling_scale(self) -> float:
        """How wide the codes of its samples are, 1 where its model has no such setting."""
        fields = flat(self.experiment.model_dump(mode="json"))
        return next((fields[key] for key in sorted(SAMPLING) if key in fields), 1.0)

    @property
    def current_evaluation(self) -> dict[str, Any]:
        """What was measured of the weights as they are, sampled as they are now; else empty."""
        return self.evaluation_of(self.standing.weights_facts)

    def evaluation_of(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What was measured of the weights of these facts, sampled as now; else empty."""
        found = self.evaluation or {}
        asked = {**facts, "sampling_scale": self.sampling_scale}
        then = {"step": None, "sampling_scale": 1.0, **found.get("settings", {})}
        return found if all(then.get(k, asked[k]) == asked[k] for k in MEASURED) else {}

    @contextmanager
    def evaluating(self, say: Callable[[str], None]) -> Iterator[None]:
        """A block that reads evaluation.json and writes it anew; others wait, and are told.

        Raises:
            RunError: If the folder cannot be written.
        """
        lock = self.path / f"{TEMPORARY}evaluation"
        with locked(lock, f"is writing {self.path / 'evaluation.json'}", say):
            for folder in (self.path, self.path / "evaluation"):
                sweep(folder)
            yield

    def keep_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keeps arrays behind a figure, as evaluation/NAME.npz."""
        write_arrays(self.path / "evaluation" / f"{name}.npz", arrays)

    def arrays(self, name: str) -> dict[str, Any] | None:
        """The arrays kept under a name, or None.

        Raises:
            RunError: If the file is damaged.
        """
        path = self.path / "evaluation" / f"{name}.npz"
        return read_arrays(path) if path.exists() else None

    @property
    def standing(self) -> Standing:
        """How far it has come, read now; ask once for what must belong together.

        Raises:
            RunError: If there is no checkpoint, or it is damaged.
        """
        found = standing_of(self.path / "checkpoints")
        if found is None:
            raise RunError(f"{self.path} has no checkpoint; train it first")
        return found

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that the model's weights are in: the best of a run that kept it.

        Raises:
            RunError: If there is none, or it is damaged.
        """
        return self.standing.weights

    @property
    def newest_checkpoint(self) -> Path:
        """The checkpoint that training goes on from.

        Raises:
            RunError: If there is none, or it is damaged.
        """
        return self.standing.newest

    @property
    def has_checkpoint(self) -> bool:
        return newest_checkpoint(self.path / "checkpoints") is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Steps done, by the newest checkpoint, and steps in all.

        Raises:
            RunError: If there is no checkpoint, or it is damaged.
        """
        return self.standing.progress

    @property
    def model_step(self) -> int:
        """The step that the model's weights are of: not the last, where the best were kept.

        Raises:
            RunError: If there is no checkpoint, or it is damaged.
        """
        return self.standing.weights_facts["step"]

    @property
    def best(self) -> dict[str, Any] | None:
        """The best validation so far, where it is kept: `figure`, `value`, `step` and `epoch`.

        Raises:
            RunError: If there is no checkpoint, or it is damaged.
        """
        return self.standing.facts.get("best")

    def check_unedited(self, standing: Standing | None = None) -> None:
        """Refuses an experiment that is not the one the newest checkpoint was trained on.

        How samples are drawn and where the images lie may be changed: weights know neither.

        Raises:
            RunError: Naming the fields of experiment.yaml that were changed.
        """
        standing = standing or self.standing
        facts = standing.facts
        experiment, origin = self.experiment, facts.get("origin")
        if origin is None:
            return
        try:
            trained = parse_experiment(origin, standing.newest.name)
        except UsageError as error:
            raise RunError(f"the checkpoint {standing.newest} is damaged: {error}") from error
        edited = differences(trained, experiment)
        free = SAMPLING | {"data.name"} | (DURATION if self.is_being_extended(facts) else set())
        edited = {key: v for key, v in edited.items() if key not in free}
        if edited:
            changes = "; ".join(
                f"{key} was {then!r} and is {now!r}" for key, (then, now) in edited.items()
            )
            raise RunError(
                f"{self.path / 'experiment.yaml'} is not what the checkpoint was trained on: "
                f"{changes}. Undo this, or train the change in another --out"
            )

    def is_being_extended(self, facts: Mapping[str, Any]) -> bool:
        """Whether the checkpoint of these facts has a new duration and experiment.yaml not yet."""
        training = self.experiment.training
        before = {"epochs": training.epochs, "images": training.images}
        return facts.get("extended_from") == before

    @property
    def finished(self) -> bool:
        """Whether every step is done, or it stopped as no validation became better.

        Raises:
            RunError: If there is no checkpoint, or it is damaged.
        """
        return self.standing.is_finished

    @property
    def samples(self) -> list[Path]:
        """The pictures drawn while it trained, oldest first."""
        return sorted((self.path / "samples").glob("epoch-*.png"))

    def model(self, device: str = "cpu") -> Any:
        """The trained model, in evaluation mode.

        Raises:
            RunError: If the checkpoint is damaged or of another experiment.
        """
        return self.weights(device)[0]

    def weights(self, device: str = "cpu") -> tuple[Any, dict[str, Any]]:
        """The trained model, in evaluation mode, and the facts of the checkpoint it is from.

        Raises:
            RunError: If the checkpoint is damaged or of another experiment.
        """
        standing = self.standing
        self.check_unedited(standing)
        model = self.untrained_model(device)
        try:
            tensors, facts = load_checkpoint(standing.weights, device)
        except RunError:
            if self.standing == standing:
                raise
            again = Run(self.path, self._like, self._images)
            return again.weights(device)  # it is being trained, and has gone on meanwhile
        load_module(model, tensors, "model/")
        return model.eval(), facts

    def untrained_model(self, device: str = "cpu") -> Any:
        """A model as this run's was before its first step.

        Raises:
            RunError: If it is of classes that are not registered, and none was given.
        """
        from twofold.experiments.build import build_model, place

        data = self.environment["data"]
        shape = (data["image_shape"][0], data["image_shape"][1], data["image_shape"][2])
        if self._like is not None:
            model = copy.deepcopy(self._like)
            model.accept_images(shape)
            return place(model, device)
        try:
            return build_model(self.experiment, shape, len(data["class_names"]), device)
        except UsageError as error:
            raise RunError(f"{self.path}: {error}") from error

    def dataset(self) -> Any:
        """The images it was trained on, checked to be the same ones.

        Raises:
            RunError: If the data is gone or has changed since.
        """
        from twofold.experiments.data import kept_images, load_data, prepare_images

        settings = self.experiment.data
        try:
            if self._images is not None:
                dataset = prepare_images(self._images, settings)
            else:
                dataset = kept_images(self.path, settings) or load_data(settings)
        except UsageError as error:
            if plugins := self._plugins():
                raise RunError(f"{self.path} needs what {plugins}. ({error})") from error
            raise RunError(
                f"the images that {self.path} was trained on cannot be had: {error}. If they were "
                "moved, write their place into data.name of its experiment.yaml"
            ) from error
        expected = self.environment["data"]["fingerprint"]
        if dataset.fingerprint != expected:
            raise RunError(
                f"the images of {settings.name} have changed since {self.path} was "
                f"trained (fingerprint {dataset.fingerprint}, then {expected})"
            )
        return dataset

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_png_(self) -> bytes | None:
        """In a notebook a run shows its latest samples."""
        return self.samples[-1].read_bytes() if self.samples else None


def differences(a: Experiment, b: Experiment) -> dict[str, tuple[Any, Any]]:
    """The fields in which two experiments are not the same, and both values."""
    ids, values = (
        [e.identity() for e in (a, b)],
        [flat(e.model_dump(mode="json")) for e in (a, b)],
    )
    keys = [key for key in sorted(ids[0] | ids[1]) if ids[0].get(key) != ids[1].get(key)]
    return {key: (values[0].get(key), values[1].get(key)) for key in keys}
