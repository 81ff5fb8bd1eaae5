"""The settings of runs: how they differ, in few words, and the commands that repeat them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml
from pydantic import BaseModel

from twofold.errors import UsageError
from twofold.evaluation.comparison import group_by_recipe
from twofold.evaluation.measure import default_measures, measures
from twofold.evaluation.summary import RunSummary
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import UPKEEP, WORDS, Experiment
from twofold.settings import flat
from twofold.training.settings import OptimizerSettings
from twofold.words import shorten

__all__ = ["commands", "compact", "differing", "label", "varied"]

DRAWS = ("seed", "data.label_seed")  # what sets runs of one recipe apart
MOST = 2  # settings that name a recipe; more are no name


def varied(runs: Sequence[RunSummary], beside: str = "/") -> dict[str, list[str]]:
    """The fields in which runs differ, other than by seed, each with a value for every run.

    A field has the last part of its path for a name; fields of one name and the same values, such
    as the learning rates of both players, are one. A run that lacks a field has an empty value.
    Fields that begin with `beside` are left out.
    """
    values = [flat(run.experiment.model_dump(mode="json")) for run in runs]
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for one in values for key in one):
        of_runs = ["" if one.get(key) is None else _text(one[key]) for one in values]
        top, last = key.split(".")[0], key.rsplit(".", 1)[-1]
        skipped = WORDS | UPKEEP | {"name", "evaluation"} | set(DRAWS)
        if len(set(of_runs)) < 2 or skipped & {top, key, last} or key.startswith(beside):
            continue
        if found.get(last, of_runs) != of_runs:
            last = key
        found[last] = of_runs
    return found


def label(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """The runs, each named by what sets it apart: model, settings, seed or folder."""
    names: list[str] = []
    for run in runs:
        kin = [one for one in runs if one.model_title == run.model_title]
        recipes = [group.runs[0] for group in group_by_recipe(kin)]
        parts = [run.model_title]
        if len(recipes) > 1:
            fields = varied(recipes)
            mine = next(i for i, one in enumerate(recipes) if one.hue == run.hue)
            few = len(fields) <= MOST and all(len(v) <= 16 for of in fields.values() for v in of)
            parts += [f"{k}={of[mine]}" for k, of in fields.items()] if few else [run.name]
        if sum(one.hue == run.hue for one in kin) > 1:
            parts.append(f"seed {run.experiment.seed}")
        names.append(" ".join(parts))
    distinct = [
        shorten(name, 40) if names.count(name) == 1 else shorten(run.name)
        for name, run in zip(names, runs, strict=True)
    ]
    return [replace(run, short=name) for run, name in zip(runs, distinct, strict=True)]


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


def commands(runs: Sequence[RunSummary], out: str) -> list[str]:
    """What was typed for these runs and this page, into the folders where they lie."""
    paths = [_path(str(run.path)) for run in runs]
    found = [f"{_train_command(run)} --out {path}" for run, path in zip(runs, paths, strict=True)]
    found += [
        f"twofold resume {path}" for path, run in zip(paths, runs, strict=True) if not run.finished
    ]
    found += [
        f"twofold evaluate {path}{_taken(run)}" for path, run in zip(paths, runs, strict=True)
    ]
    return [*found, f"twofold compare {' '.join(paths)} --out {_path(out)}"]


def _taken(run: RunSummary) -> str:
    """The measures that a run was asked for, where they are not the usual ones."""
    asked = {*run.taken, *run.not_measured}
    if not asked or asked == set(default_measures()):
        return ""
    return f" --measures {','.join(name for name in measures() if name in asked)}"


def _path(text: str) -> str:
    """A path as an argument, also where it begins with a hyphen."""
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def _train_command(run: RunSummary) -> str:
    """The command that trains a run: by name and changes, or by its experiment.yaml."""
    changes = _changes(run.experiment)
    if changes is None:
        return f"twofold train {_path(str(run.path / 'experiment.yaml'))}"
    words = [run.experiment.name, *(shlex.quote(f"{k}={_yaml(v)}") for k, v in changes.items())]
    return f"twofold train {' '.join(words)}"


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


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


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
