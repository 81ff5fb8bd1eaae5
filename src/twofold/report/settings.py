"""The settings of runs: which differ, in few words, and the command that repeats them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from twofold.errors import UsageError
from twofold.evaluation.summary import RunSummary
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import Experiment
from twofold.settings import flat
from twofold.training.settings import OptimizerSettings

__all__ = ["compact", "differing", "train_command"]

UPKEEP = ("log_every", "validate_every", "sample_every", "checkpoint_every", "loggers")


def compact(experiment: Experiment) -> dict[str, str]:
    """What decides a result, as `path -> words`; a network or an optimizer is one line.

    Example:
        >>> words = compact(resolve("lam2023-cgan"))
        >>> words["generator"]
        'fc-512 fc-512, activation leaky-0.2, norm batch, order activation norm dropout'
        >>> words["generator optimizer"]
        'adam, lr 0.001'
    """
    words: dict[str, str] = {"seed": str(experiment.seed)}
    for section in (experiment.data, experiment.model, experiment.training):
        for key, value in section:
            if key == "optimizers":
                words |= {f"{phase} optimizer": _optimizer(o) for phase, o in value.items()}
            elif key not in UPKEEP:
                name = "data" if section is experiment.data and key == "name" else key
                words[name.replace("_", " ")] = _words(value)
    return words


def differing(runs: Sequence[RunSummary]) -> list[tuple[str, list[str]]]:
    """The settings in which runs differ, blank where a run has no such setting.

    A setting that only one family has, and that was left at its default, is no difference.
    """
    settings = [compact(run.experiment) for run in runs]
    defaults = {
        name.replace("_", " "): _words(field.default)
        for run in runs
        for section in (run.experiment.data, run.experiment.model, run.experiment.training)
        for name, field in type(section).model_fields.items()
        if not field.is_required() and field.default_factory is None
    }
    found = []
    for key in dict.fromkeys(key for words in settings for key in words):
        values = [words.get(key, "") for words in settings]
        if len(set(values)) > 1 and set(values) - {""} != {defaults.get(key)}:
            found.append((key, values))
    return found


def train_command(run: RunSummary) -> str:
    """The command that trains a run again: by name and changes, or by its experiment.yaml."""
    out = f"--out runs/{shlex.quote(run.name + '-again')}"
    changes = _changes(run.experiment)
    if changes is None:
        return f"twofold train {shlex.quote(str(run.path / 'experiment.yaml'))} {out}"
    words = [run.experiment.name, *(shlex.quote(f"{k}={_yaml(v)}") for k, v in changes.items())]
    return f"twofold train {' '.join(words)} {out}"


def _changes(experiment: Experiment) -> dict[str, Any] | None:
    """The fields to change in the library's experiment, or None where that does not suffice."""
    try:
        library = resolve(experiment.name)
        ours, theirs = (
            flat(one.model_dump(exclude={"reported", "notes"})) for one in (experiment, library)
        )
        if ours.keys() != theirs.keys():
            return None
        changes = {key: value for key, value in ours.items() if value != theirs[key]}
        if resolve(library, changes) != experiment:
            return None
    except UsageError:
        return None
    last = [key.rsplit(".", 1)[-1] for key in ours]
    short = {key: end if last.count(end) == 1 else key for key, end in zip(ours, last, strict=True)}
    short["data.name"] = "data"
    return {short[key]: value for key, value in changes.items()}


def _yaml(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _optimizer(settings: OptimizerSettings) -> str:
    extra = _listed(settings.model_dump(exclude_defaults=True, exclude={"name", "lr"}))
    return ", ".join(filter(None, [settings.name, f"lr {settings.lr:g}", extra]))


def _words(value: Any) -> str:
    if isinstance(value, BaseModel):
        return _listed(value.model_dump(exclude_defaults=True))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "given" if value and isinstance(value[0], (list, tuple)) else str(list(value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _listed(given: Mapping[str, Any]) -> str:
    """Fields with their values, the name of a part first and a part of it in brackets.

    Example:
        >>> _listed({"family": "m2", "encoder": {"layers": "fc-8", "norm": "batch"}})
        'family m2, encoder (fc-8, norm batch)'
    """
    words = [str(given[key]) for key in ("name", "layers") if key in given]
    for key, value in given.items():
        if key not in ("name", "layers"):
            text = f"({_listed(value)})" if isinstance(value, Mapping) else _words(value)
            words.append(f"{key.replace('_', ' ')} {text}")
    return ", ".join(words)
