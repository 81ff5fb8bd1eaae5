"""From a name and `key=value` texts to a checked experiment."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from twofold.data.opening import is_there, place_of, read_file
from twofold.errors import TwofoldError, UsageError, shorten, unknown_name
from twofold.experiments.schema import Experiment
from twofold.files import parse_yaml
from twofold.registry import KINDS, is_known
from twofold.settings import refusal

__all__ = [
    "experiment_names",
    "load_experiment",
    "parse_changes",
    "parse_experiment",
    "resolve",
    "to_yaml",
]

LIBRARY = Path(__file__).parent / "library"
PIECE_KEYS = frozenset(kind.key for kind in KINDS.values())
LARGEST = 1 << 20  # bytes of an experiment
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
    if str(name) not in (known := experiment_names()):
        raise unknown_name("experiment", str(name), known)
    return LIBRARY / f"{name}.yaml"


def _read(path: Path) -> Any:
    try:
        return parse_yaml(read_file(path, LARGEST).decode())
    except (ValueError, yaml.YAMLError) as error:
        if isinstance(error, TwofoldError):
            raise
        raise UsageError(f"cannot read the experiment {path}: {error}") from error


def _complete(content: Any, path: Path, above: tuple[str, ...] = ()) -> Any:
    """A file that says `extends: OTHER` has the other's fields wherever it does not say its own.

    What was reported and noted belongs to one experiment and is not handed on.
    """
    if not isinstance(content, dict) or "extends" not in content:
        return content
    other = str(content["extends"])
    if other in above:
        raise UsageError(f"{path}: experiments extend each other: {' → '.join((*above, other))}")
    base_path = _path(other)
    base = _complete(_read(base_path), base_path, (*above, other))
    if not isinstance(base, dict):
        raise UsageError(f"{path}: {other} is not an experiment")
    base = {key: value for key, value in base.items() if key not in ("reported", "notes")}
    merged = _merged(base, {key: value for key, value in content.items() if key != "extends"})
    merged["notes"] = [
        f"As {other}, except where its file differs.",
        *_listed(content.get("notes")),
    ]
    return merged


def _listed(notes: Any) -> list[Any]:
    """Notes as a list; whether they are texts, the schema says."""
    return notes if isinstance(notes, list) else [] if notes is None else [notes]


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
        raise UsageError(f"{where}: {refusal(error)}") from None


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
        return _with_places(experiment)
    content = experiment.model_dump(mode="json")
    last = {key.removeprefix("training."): value for key, value in changes.items()}
    durations = {key: last[key] for key in ("epochs", "images") if key in last}
    if len(durations) == 1:
        content["training"].update({"epochs": None, "images": None} | durations)
    if "init_from" in last and "init_hash" not in last:
        content["training"]["init_hash"] = None
    # Another likelihood, say, has other fields, which later changes may name.
    for key in sorted(changes, key=lambda key: not _names_a_piece(content, key)):
        if _change(content, key, changes[key]):
            content = parse_experiment(content, experiment.name).model_dump(mode="json")
    return _with_places(parse_experiment(content, experiment.name))


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
        raise UsageError(f"{shorten(text)} is not key=value; for example epochs=10")
    try:
        return key.strip(), parse_yaml(value)
    except (yaml.YAMLError, ValueError):  # a ValueError for what looks like a date and is none
        return key.strip(), value


def _change(content: dict[str, Any], key: str, value: Any) -> bool:
    """Changes every field of a name, and says whether the fields may be others now."""
    if key == "data" and not isinstance(value, Mapping):
        key = "data.name"
    pieces = _matching(_pieces(content["model"], ("model",)), content, key)
    if pieces and isinstance(value, str | Mapping):
        changed = [_replace(content, path, value) for path in pieces]
        return any(changed)
    if key in content and isinstance(content[key], list):
        raise UsageError(f"{key} is a list; write it in a YAML file of your own")
    paths = list(_paths(content))
    if key in content and isinstance(content[key], dict):
        raise UsageError(
            f"{key} is a section; change a field of it, such as {_example(paths, key)}"
        )
    if key.startswith("training.optimizers.") and key.count(".") == 3:
        optimizers, phase = content["training"]["optimizers"], key.split(".")[2]
        optimizers.setdefault(phase, dict(content["training"]["optimizer"]))
        paths = list(_paths(content))
    matching = _matching(paths, content, key)
    if not matching:
        known = {".".join(path) if "." in key else path[-1] for path in paths}
        model = content["model"].get("title") or content["model"]["family"]
        raise unknown_name(f"field (the model is a {model})", key, known)
    for path in matching:
        _section(content, path)[path[-1]] = value
    if key == "data.name":
        content["data"]["options"] = {}  # those of another data set are others
    return key == "data.name"


def _matching(
    paths: Iterable[tuple[str, ...]], content: dict[str, Any], key: str
) -> list[tuple[str, ...]]:
    """The paths that a key means: one that is written in full, or all that end in it."""
    if "." in key or key in content:
        return [path for path in paths if ".".join(path) == key]
    return [path for path in paths if path[-1] == key and key not in NOT_BARE]


def _names_a_piece(content: dict[str, Any], key: str) -> bool:
    return key in ("data", "data.name") or bool(
        _matching(_pieces(content["model"], ("model",)), content, key)
    )


def _pieces(section: dict[str, Any], prefix: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """The parts of a model that are named: networks, a likelihood, a model within it."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield (*prefix, key)
            yield from _pieces(value, (*prefix, key))


def _replace(content: dict[str, Any], path: tuple[str, ...], value: Any) -> bool:
    """Another piece, by its name or with fields; new layers leave a network's other fields."""
    section = _section(content, path)
    new_layers = isinstance(value, str) and not is_known("network", value)
    if new_layers and "layers" in section[path[-1]]:
        section[path[-1]]["layers"] = value
        return False
    section[path[-1]] = value
    return True


def _section(content: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for part in path[:-1]:
        content = content[part]
    return content


def _paths(section: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _paths(value, (*prefix, key))
        elif key not in ("reported", "notes") and not (
            prefix and key in PIECE_KEYS and prefix[0] == "model"
        ):
            yield (*prefix, key)


def _example(paths: Iterable[tuple[str, ...]], section: str) -> str:
    return next((".".join(path) for path in paths if path[0] == section), section)


def _with_places(experiment: Experiment) -> Experiment:
    """A run must find its images again from any folder, and says which weights it started from."""
    return _with_initial_weights(_with_images(experiment))


def _with_initial_weights(experiment: Experiment) -> Experiment:
    training = experiment.training
    if training.init_from is None or training.init_hash is not None:
        return experiment
    from twofold.training.initial import weights_hash

    found = weights_hash(training.init_from)
    place = str(Path(training.init_from).expanduser().resolve())
    training = training.model_copy(update={"init_from": place, "init_hash": found})
    return experiment.model_copy(update={"training": training})


def _with_images(experiment: Experiment) -> Experiment:
    from twofold.data import list_datasets

    name = experiment.data.name
    if name in {info.name for info in list_datasets()} or not is_there(path := place_of(name)):
        return experiment
    data = experiment.data.model_copy(update={"name": str(path.resolve())})
    return experiment.model_copy(update={"data": data})
