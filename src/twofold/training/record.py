"""metrics.jsonl: one JSON object a line, appended while a run goes on.

Each line has a `kind`: `train` (means over the steps since the line before) or `validation`
(held-out images, evaluation mode), with `step`, `epoch`, `images` seen and `seconds` of training.
A `train` line also has the peak of `memory` so far in bytes, 0 where the platform does not tell.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from twofold.errors import RunError
from twofold.files import parse_json, read_text, write_text

__all__ = ["Record", "read_records"]


class Record:
    """Appends to metrics.jsonl.

    Arguments:
        folder: The run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self.lines = 0

    def rewind(self, step: int) -> None:
        """Forgets what came after a step, and a line that was cut short."""
        kept = [line for line in read_records(self.path) if line["step"] <= step]
        if self.path.exists():
            write_text(self.path, "".join(_line(entry) for entry in kept))
        self.lines = len(kept)

    def append(self, entry: dict[str, Any]) -> None:
        """Adds one line.

        Raises:
            RunError: If it cannot be written.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(entry))
        except OSError as error:
            raise self._unwritten(error) from error
        self.lines += 1

    def sync(self) -> int:
        """Has the lines written to the disk, and says how many there are.

        Raises:
            RunError: If they cannot be written.
        """
        try:
            if self.lines:
                with self.path.open("rb+") as file:
                    os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritten(error) from error
        return self.lines

    def _unwritten(self, error: OSError) -> RunError:
        return RunError(
            f"cannot write {self.path}: {error.strerror or error}; "
            "the last checkpoint is intact: free some space and resume"
        )


class _Entry(BaseModel):
    """What is read of a line, beside what a callback may have put there."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    kind: str
    step: int
    epoch: float
    images: int
    seconds: float
    terms: dict[str, dict[str, float | None]] = {}
    memory: int = 0
    grad_norm: dict[str, float | None] = {}
    lr: dict[str, float] = {}
    diagnosis: dict[str, float | bool | str | list[float | str | None] | None] = {}


def read_records(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics.jsonl, none if there is none yet.

    A last line that was cut short is left out.

    Raises:
        RunError: Naming a line before the last that is damaged, or one that is no record.
    """
    if not path.exists():
        return []
    text = read_text(path)
    lines = text.removesuffix("\n").split("\n") if text else []
    records = []
    for number, line in enumerate(lines, 1):
        if number == len(lines) and not text.endswith("\n"):
            break
        try:
            records.append(parse_json(line, _Entry, f"{path}, line {number},"))
        except RunError as error:
            raise RunError(f"{error}; remove it") from error
    return records


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(_finite(entry), allow_nan=False, separators=(",", ":")) + "\n"


def _finite(value: Any) -> Any:
    """JSON has no NaN: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
