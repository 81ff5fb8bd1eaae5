"""A run in two files: `config.json`, which is data, and the weights, `model.safetensors`.

That is how a run lies on a model hub. Opened again it is a run like any other, in a folder that
lasts as long as it does. Whoever wrote the files decides numbers and settings and nothing that is
executed: names are looked up among those registered here, and the weights carry their hash.
"""

import hashlib
import json
import re
import shutil
import tempfile
import weakref
from pathlib import Path, PurePath
from typing import Any

from twofold.errors import RunError, UsageError
from twofold.experiments.resolve import parse_experiment, to_yaml
from twofold.experiments.run import Run
from twofold.files import write_bytes, write_json, write_text
from twofold.packages import require

__all__ = ["CONFIG", "WEIGHTS", "fetch", "open_folder", "pack", "portable_experiment"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT, VERSION = "twofold-run", 1
LARGEST = 1 << 24  # bytes of a config.json
REPO = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_ABOUT = ("data", "model", "parameters", "twofold", "torch", "python", "numpy")


def portable_experiment(run: Run) -> dict[str, Any]:
    """A run's experiment as plain data, without the places where files lay on this machine."""
    found = run.experiment.model_dump(mode="json")
    found["data"]["name"] = _last(found["data"]["name"])
    if found["training"].get("init_from"):
        found["training"]["init_from"] = _last(found["training"]["init_from"])
    return found


def pack(run: Run, folder: Path) -> None:
    """Writes both files of a run.

    Raises:
        UsageError: If its model is of classes that are not registered.
        RunError: If the run is damaged.
    """
    from twofold.training.checkpoint import load_checkpoint, under
    from twofold.training.tensors import write_tensors

    experiment = portable_experiment(run)
    if experiment["model"]["family"] == "unregistered":
        raise UsageError(
            f"{run.name} holds a model of classes that are not registered, which nobody could "
            "open; register them (docs/extending.md), or export it with --onnx"
        )
    tensors, facts = load_checkpoint(run.checkpoint)
    model = {f"model/{name}": value for name, value in under(tensors, "model/").items()}
    sha256 = write_tensors(folder / WEIGHTS, model)
    environment = {key: run.environment[key] for key in _ABOUT if key in run.environment}
    data = {key: value for key, value in environment["data"].items() if key != "source"}
    config = {
        "format": FORMAT,
        "version": VERSION,
        "library_name": "twofold",
        "name": run.name,
        "experiment": experiment,
        "environment": {**environment, "data": {**data, "name": _last(data.get("name", ""))}},
        "checkpoint": {
            "step": facts["step"],
            "total_steps": facts.get("total_steps", facts["step"]),
            "stopped": run.finished,
            "seconds": facts.get("seconds", 0.0),
            "sha256": sha256,
        },
        "evaluation": run.current_evaluation,
    }
    write_json(folder / CONFIG, config)


def open_folder(path: str | Path) -> Run:
    """The run of a folder: its own, or one that was packed, here or, as hf:USER/NAME, on the hub.

    Raises:
        RunError: If it is no run, or is damaged.
        UsageError: If a name of the hub is none, or what it needs is not installed.
    """
    name = PurePath(path).as_posix()
    if name.startswith("hf:"):
        return _unpack(fetch(name))
    path = Path(path)
    if (path / "contract.json").is_file():
        raise UsageError(
            f"{path} is an ONNX export, which has no weights to go on from; the commands sample, "
            "reconstruct and classify take it, and twofold.sharing.portable.Portable in Python"
        )
    return _unpack(path) if (path / CONFIG).is_file() else Run(path)


def fetch(name: str) -> Path:
    """The folder of a model on the Hugging Face hub, of which two files are loaded.

    Arguments:
        name: hf:USER/NAME, or hf:USER/NAME@REVISION for a branch, tag or commit.

    Raises:
        UsageError: If this is no such name.
        RunError: If it cannot be loaded.
    """
    found = REPO.fullmatch(name)
    if found is None:
        raise UsageError(
            f"{name!r} is no model on the hub; expected hf:USER/NAME or hf:USER/NAME@REVISION"
        )
    hub = require("huggingface_hub", "hub")
    try:
        files = [
            Path(hub.hf_hub_download(found["repo"], file, revision=found["revision"]))
            for file in (CONFIG, WEIGHTS)
        ]
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunError(f"cannot load {name}: {type(error).__name__}: {reason}") from error
    return files[0].parent


def _unpack(folder: Path) -> Run:
    config, content = _read(folder)
    home = Path(tempfile.mkdtemp(prefix="twofold-"))
    try:
        path = home / (re.sub(r"[^\w.-]", "-", str(config.get("name"))).strip(".") or "model")
        _write(path, config, content, folder)
        run = Run(path)
        run.check_unedited()
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    weakref.finalize(run, shutil.rmtree, home, ignore_errors=True)
    return run


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    path = folder / CONFIG
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        config = json.loads(path.read_text(encoding="utf-8"))
        content = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} is damaged: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise RunError(f"{path} was not written by `twofold export --hub`")
    if config.get("version") != VERSION:
        raise RunError(
            f"{path} has version {config.get('version')}, and this Twofold reads {VERSION}; "
            "use the Twofold that wrote it, which its README names"
        )
    return config, content


def _write(path: Path, config: dict[str, Any], content: bytes, source: Path) -> None:
    """The files of a run folder.

    Raises:
        RunError: If the config is not what a run needs.
    """
    try:
        facts = dict(config["checkpoint"])
        step, sha256 = int(facts["step"]), facts["sha256"]
        experiment = parse_experiment(config["experiment"], f"{CONFIG} of {source.name}")
        environment, evaluation = config["environment"], config.get("evaluation")
    except UsageError as error:
        raise RunError(
            f"{source} cannot be opened here: {error}. What is registered elsewhere comes with "
            "--plugin or an installed package"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{source / CONFIG} is damaged: {error!r}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RunError(f"{source / WEIGHTS} is damaged: its sha256 is not the one in {CONFIG}")
    checkpoint = path / "checkpoints" / f"step-{step:08d}.json"
    write_text(path / "experiment.yaml", to_yaml(experiment))
    write_bytes(checkpoint.with_suffix(".safetensors"), content)
    try:
        write_json(path / "environment.json", environment)
        if evaluation:
            write_json(path / "evaluation.json", evaluation)
        write_json(checkpoint, {**facts, "origin": experiment.model_dump(mode="json")})
    except ValueError as error:  # a number that is none
        raise RunError(f"{source / CONFIG} is damaged: {error}") from error


def _last(place: str) -> str:
    """The name of a file or folder, without where it lies; any other name as it is."""
    return re.split(r"[/\\]", place.rstrip("/\\"))[-1]
