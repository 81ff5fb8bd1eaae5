"""From a name and `key=value` texts to a checked experiment."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from twofold.errors import UsageError, unknown_name
from twofold.experiments.schema import PHASES, Experiment

__all__ = [
    "experiment_names",
    "load_experiment",
    "parse_changes",
    "parse_experiment",
    "resolve",
    "to_yaml",
]

LIBRARY = Path(__file__).parent / "library"
NOT_BARE = frozenset({"name", "title", "source"})


def experiment_names() -> list[str]:
    """The experiments that come with Twofold."""
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def load_experiment(name: str | Path) -> Experiment:
    """An experiment of the library, or of a YAML file.

    Raises:
        UsageError: If there is none, or it cannot be read.
    """
    path = _path(name)
    return parse_experiment(_complete(_read(path), path), str(path))


def _path(name: str | Path) -> Path:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    path = LIBRARY / f"{name}.yaml"
    if not path.is_file():
        raise unknown_name("experiment", str(name), experiment_names())
    return path


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the experiment {path}: {error}") from error


def _complete(content: Any, path: Path, above: tuple[str, ...] = ()) -> Any:
    """A file that says `like: OTHER` has the other's fields wherever it does not say its own.

    What was reported and noted belongs to one experiment and is not handed on.
    """
    if not isinstance(content, dict) or "like" not in content:
        return content
    other = str(content["like"])
    if other in above:
        raise UsageError(f"{path}: experiments are like each other: {' → '.join((*above, other))}")
    base_path = _path(other)
    base = _complete(_read(base_path), base_path, (*above, other))
    if not isinstance(base, dict):
        raise UsageError(f"{path}: {other} is not an experiment")
    base = {key: value for key, value in base.items() if key not in ("reported", "notes")}
    merged = _merged(base, {key: value for key, value in content.items() if key != "like"})
    merged["notes"] = [f"As {other}, except where its file differs.", *content.get("notes", [])]
    return merged


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        before = {"name": merged[key]} if isinstance(merged.get(key), str) else merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _merged(before, value)
        else:
            merged[key] = value
    return merged


def parse_experiment(content: Any, where: str) -> Experiment:
    """An experiment from plain data.

    Raises:
        UsageError: Naming every field that is wrong.
    """
    if not isinstance(content, dict):
        raise UsageError(f"{where} is not an experiment: expected a mapping of fields")
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_problem(problem, content) for problem in error.errors())
        raise UsageError(f"{where}: {problems}") from None


def resolve(
    name: str | Path | Experiment, changes: Iterable[str] | Mapping[str, Any] = ()
) -> Experiment:
    """An experiment with fields changed.

    A key is a dotted path (`model.decoder.layers`) or the last part of one, which changes every
    field of that name (`lr` of both players of a GAN). `data=…` is short for `data.name=…`.

    Arguments:
        name: A library name, a YAML file, or an experiment.
        changes: Texts `key=value`, or a mapping.

    Raises:
        UsageError: Naming the nearest keys where one is not known.

    Example:
        >>> resolve("lam2023-cgan", ["lr=2e-4"]).optimizer("generator").lr
        0.0002
    """
    experiment = name if isinstance(name, Experiment) else load_experiment(name)
    changes = parse_changes(changes)
    if not changes:
        return _with_absolute_path(experiment)
    content = experiment.model_dump(mode="json")
    durations = {"epochs", "images"} & {key.rsplit(".", 1)[-1] for key in changes}
    if len(durations) == 1:
        content["training"].update(epochs=None, images=None)
    for key, value in changes.items():
        _change(content, key, value)
        _follow_routing(content)
    return _with_absolute_path(parse_experiment(content, experiment.name))


def parse_changes(changes: Iterable[str] | Mapping[str, Any]) -> Mapping[str, Any]:
    """Texts `key=value` as a mapping; a mapping as it is.

    Raises:
        UsageError: If a text has no key.

    Example:
        >>> parse_changes(["epochs=10", "layers=fc-8 fc-8"])
        {'epochs': 10, 'layers': 'fc-8 fc-8'}
    """
    if isinstance(changes, Mapping):
        return changes
    return dict(_parse_change(text) for text in changes)


def to_yaml(experiment: Experiment) -> str:
    """The resolved experiment as YAML, every field written out."""
    content = experiment.model_dump(mode="json")
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _parse_change(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{text!r} is not key=value; for example epochs=10")
    try:
        return key.strip(), yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):  # a ValueError for what looks like a date and is none
        return key.strip(), value


def _change(content: dict[str, Any], key: str, value: Any) -> None:
    paths = list(_paths(content))
    if key == "data":
        key = "data.name"
    elif key in content and isinstance(content[key], list):
        raise UsageError(f"{key} is a list; write it in a YAML file of your own")
    elif key in content and isinstance(content[key], dict):
        raise UsageError(
            f"{key} is a section; change a field of it, such as {_example(paths, key)}"
        )
    if "." in key or key in content:
        matching = [path for path in paths if ".".join(path) == key]
    else:
        matching = [path for path in paths if path[-1] == key and key not in NOT_BARE]
    if not matching:
        known = {".".join(path) if "." in key else path[-1] for path in paths}
        raise unknown_name(f"field (this experiment is a {content['model']['family']})", key, known)
    for path in matching:
        section = content
        for part in path[:-1]:
            section = section[part]
        section[path[-1]] = value


def _follow_routing(content: dict[str, Any]) -> None:
    """A hybrid's `routing` says which phases it has: the halves take over the whole's optimizer."""
    given = content["training"]["optimizers"]
    routing = content["model"].get("routing")
    if routing == "larsen" and "autoencoder" in given:
        whole = given.pop("autoencoder")
        given.update(encoder=dict(whole), decoder=dict(whole))
    elif routing == "summed" and "encoder" in given and given["encoder"] == given.get("decoder"):
        given["autoencoder"] = given.pop("encoder")
        del given["decoder"]


def _paths(section: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _paths(value, (*prefix, key))
        elif key not in ("reported", "notes", "family"):
            yield (*prefix, key)


def _example(paths: Iterable[tuple[str, ...]], section: str) -> str:
    return next((".".join(path) for path in paths if path[0] == section), section)


def _with_absolute_path(experiment: Experiment) -> Experiment:
    """A run must find its images again from any folder."""
    from twofold.data import list_datasets

    name = experiment.data.name
    path = Path(name).expanduser()
    if name in {info.name for info in list_datasets()} or not path.exists():
        return experiment
    data = experiment.data.model_copy(update={"name": str(path.resolve())})
    return experiment.model_copy(update={"data": data})


def _problem(problem: Any, content: dict[str, Any]) -> str:
    parts = [str(part) for part in problem["loc"]]
    family = (
        content.get("model", {}).get("family") if isinstance(content.get("model"), dict) else None
    )
    # pydantic names the family of a part after the part: model.hybrid.autoencoder.vae.beta
    families = {
        family,
        *(p for before, p in pairwise(parts) if before == "autoencoder" and p in PHASES),
    }
    where = ".".join(part for part in parts if part not in families) or "experiment"
    kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"unknown field {where}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        return message if where in ("experiment", "training") else f"{where}: {message}"
    return f"{where}: got {problem['input']!r}; {message[0].lower()}{message[1:]}"
