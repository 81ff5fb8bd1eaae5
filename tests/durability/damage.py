"""Damages a run folder at random and lets commands read it.

Arguments: how many times, and a seed. A command must read it right or end with a sentence: never
with a traceback, a hang or a crash.
"""

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from durability.forked import SAID, apart, finished_run, report

from twofold.experiments.train import resume
from twofold.report.compare import compare
from twofold.training.progress import Silent
from twofold.training.tensors import read_tensors, write_tensors
from twofold.verbs.evaluate import evaluate
from twofold.verbs.sample import sample

VALUES: list[Any] = [
    *(None, True, -1, 0, 3, 10**18, 10**5000, 0.5, 1e308, float("nan"), float("-inf")),
    *("", "x", "\x1b[31mred", "9" * 400, [], {}, [[1]], {"a": {"b": 1}}),
]
QUIET = Silent()
COMMANDS: dict[str, Callable[[Path], object]] = {
    "resume": lambda run: resume(run, QUIET),
    "evaluate": lambda run: evaluate(run, "losses", progress=QUIET),
    "sample": lambda run: sample(run, 4).picture(),
    "longer": lambda run: resume(run, QUIET, epochs=4),
    "compare": lambda run: compare([run], run.parent / "report.html"),
}
FILES = ("facts", "facts", "tensors", "tensors", "environment.json", "metrics.jsonl")
FILES += ("experiment.yaml", "evaluation.json")


def change(value: Any, chance: random.Random) -> Any:
    """Plain data with one value changed, taken away, or put in twice."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, copied = chance.choice(keys), value.copy()
    if chance.random() < 0.15:
        del copied[key]
    else:
        copied[key] = change(value[key], chance)
    return copied


def raw(content: bytes, chance: random.Random) -> bytes:
    """Bytes cut short, with one changed, put in or gone, or others altogether."""
    place = chance.randrange(len(content) + 1)
    return chance.choice(
        [
            content[:place],
            content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :],
            content[:place] + bytes([chance.randrange(256)]) + content[place:],
            content[:place] + content[place + 1 :],
            *(b"", b"\0" * len(content), b"[" * 100_000, b"\xff\xfe"),
        ]
    )


def change_tensors(json_path: Path, chance: random.Random) -> None:
    """Other tensors, with the hash made right: as one would who means harm."""
    facts = json.loads(json_path.read_text())
    path = json_path.with_suffix(".safetensors")
    tensors = {k: v.clone() for k, v in read_tensors(path, facts["sha256"]).items()}
    name = chance.choice(sorted(tensors))
    value = tensors.pop(name)
    some = chance.choice(
        [
            *(None, value.flatten()[:1], value[None], torch.zeros(0), value.double(), value.bool()),
            *(value.to(torch.int64), value.float() * float("nan"), value.half()),
        ]
    )
    if some is not None:
        tensors[name if chance.random() < 0.7 else f"{name}x/1"] = some
    json_path.write_text(json.dumps({**facts, "sha256": write_tensors(path, tensors)}))


def damage(run: Path, chance: random.Random) -> str:
    """Changes one file, and says which."""
    kind = chance.choice(FILES)
    checkpoints = sorted((run / "checkpoints").glob("*.json"))
    newest = chance.choice(checkpoints[-1:] * 3 + checkpoints)
    if kind == "tensors" and chance.random() < 0.8:
        change_tensors(newest, chance)
        return kind
    path = {"facts": newest, "tensors": newest.with_suffix(".safetensors")}.get(kind, run / kind)
    if kind == "tensors" or chance.random() < 0.25:
        path.write_bytes(raw(path.read_bytes(), chance))
    elif kind == "experiment.yaml":
        content = change(yaml.safe_load(path.read_text()), chance)
        sys.set_int_max_str_digits(0)
        path.write_text(yaml.safe_dump(content))
    elif kind == "metrics.jsonl":
        lines = path.read_text().splitlines()
        i = chance.randrange(len(lines))
        lines[i] = _json(change(json.loads(lines[i]), chance))
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text(_json(change(json.loads(path.read_text()), chance)))
    return kind


def _json(content: Any) -> str:
    sys.set_int_max_str_digits(0)
    text = json.dumps(content)
    sys.set_int_max_str_digits(4300)
    return text


def main(times: int, seed: int) -> None:
    faults = []
    with tempfile.TemporaryDirectory() as home:
        start, run = Path(home) / "start", Path(home) / "run"

        def prepare() -> None:
            finished_run(start)
            evaluate(start, "losses", progress=QUIET)
            shutil.copytree(start, Path(home) / "whole")
            newest = max((start / "checkpoints").glob("step-*.json"))
            newest.unlink()  # so that there is something to resume
            newest.with_suffix(".safetensors").unlink()

        code, said = apart(prepare)
        assert code == 0, said
        for number in range(times):
            chance = random.Random(f"{seed} {number}")
            name = chance.choice([*COMMANDS, "resume"])
            if name == "compare" and chance.random() < 0.5:  # it takes its time
                name = "evaluate"
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(start if name == "resume" else start.with_name("whole"), run)
            kind = damage(run, chance)
            code, said = apart(lambda name=name: "" if COMMANDS[name](run) is None else "made")
            if code not in (0, SAID):
                faults.append(f"{name} of {kind}, {seed} {number}: ended with {code}: {said}")
    report(faults, times)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
