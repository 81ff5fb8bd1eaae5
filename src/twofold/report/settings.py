"""The settings of runs: which differ, in few words, and the command that repeats them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from twofold.errors import UsageError
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import Experiment
from twofold.report.facts import Facts
from twofold.training.settings import OptimizerSettings

__all__ = ["UPKEEP", "compact", "differing", "train_command"]

LABELS = ("name", "title", "source", "reported", "notes")
UPKEEP = ("log_every", "validate_every", "sample_every", "checkpoint_every", "tensorboard")


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


def differing(runs: Sequence[Facts]) -> list[tuple[str, list[str]]]:
    """The settings in which runs differ, blank where a run has no such setting.

    A setting that only one family has, and that was left at its default, is no difference.
    """
    settings = [compact(run.experiment) for run in runs]
    keys = list(dict.fromkeys(key for words in settings for key in words))
    rows = [(key, [words.get(key, "") for words in settings]) for key in keys]
    defaults = {key: text for run in runs for key, text in _defaults(run.experiment).items()}
    return [
        (key, values)
        for key, values in rows
        if len(set(values)) > 1 and set(values) - {""} != {defaults.get(key)}
    ]


def train_command(run: Facts) -> str:
    """The command that trains a run again: by name and changes, or by its experiment.yaml."""
    out = f"--out runs/{shlex.quote(run.name + '-again')}"
    changes = _changes(run.experiment)
    if changes is None:
        return f"twofold train {shlex.quote(str(run.path / 'experiment.yaml'))} {out}"
    words = [run.experiment.name, *(shlex.quote(f"{k}={_yaml(v)}") for k, v in changes.items())]
    return f"twofold train {' '.join(words)} {out}"


def _defaults(experiment: Experiment) -> dict[str, str]:
    """The defaults of every field that has one."""
    return {
        name.replace("_", " "): _words(field.default)
        for section in (experiment.data, experiment.model, experiment.training)
        for name, field in type(section).model_fields.items()
        if not field.is_required() and field.default_factory is None
    }


def _changes(experiment: Experiment) -> dict[str, Any] | None:
    """The fields to change in the library's experiment, or None where that does not suffice."""
    try:
        library = resolve(experiment.name)
        ours, theirs = _flat(experiment.model_dump()), _flat(library.model_dump())
        if ours.keys() != theirs.keys():
            return None
        changes = {key: value for key, value in ours.items() if value != theirs[key]}
        same = resolve(library, changes) == experiment
    except UsageError:
        return None
    return {_short(key, ours): value for key, value in changes.items()} if same else None


def _short(key: str, keys: Mapping[str, Any]) -> str:
    if key == "data.name":
        return "data"
    last = key.rsplit(".", 1)[-1]
    alone = sum(other.rsplit(".", 1)[-1] == last for other in keys) == 1
    return last if alone else key


def _flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, tuple) and not prefix:
            continue  # reported and notes
        else:
            found[prefix + key] = list(value) if isinstance(value, tuple) else value
    return found


def _yaml(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _optimizer(settings: OptimizerSettings) -> str:
    given = settings.model_dump(exclude_defaults=True, exclude={"name", "lr"})
    extra = "".join(f", {key.replace('_', ' ')} {_words(value)}" for key, value in given.items())
    return f"{settings.name}, lr {settings.lr:g}{extra}"


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
