"""metrics.jsonl: one JSON object a line, appended while a run goes on.

Each line has a `kind`: `train` (means over the steps since the line before) or `validation`
(held-out images, evaluation mode), with `step`, `epoch`, `images` seen and `seconds` of training.
A `train` line also has the peak of `memory` so far in bytes, 0 where the platform does not tell.
"""

import json
import math
from pathlib import Path
from typing import Any

from twofold.errors import RunError
from twofold.files import write_text

__all__ = ["Record", "read_records"]

_WHERE = ("step", "epoch", "images", "seconds")


class Record:
    """Appends to metrics.jsonl.

    Arguments:
        folder: The run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"

    def rewind(self, step: int) -> None:
        """Forgets what came after a step, and a line that was cut short."""
        if self.path.exists():
            kept = [line for line in read_records(self.path) if line["step"] <= step]
            write_text(self.path, "".join(_line(entry) for entry in kept))

    def append(self, entry: dict[str, Any]) -> None:
        """Adds one line.

        Raises:
            RunError: If it cannot be written.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(entry))
        except OSError as error:
            raise RunError(
                f"cannot write {self.path}: {error.strerror or error}; "
                "the last checkpoint is intact: free some space and resume"
            ) from error


def read_records(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics.jsonl; a last line that was cut short is left out.

    Raises:
        RunError: Naming a line before the last that is damaged, or one that is no record.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise RunError(f"{path} is damaged in line {number}: {error}; remove it") from error
        if not _is_record(entry):
            raise RunError(f"{path} is damaged in line {number}: it is no record; remove it")
        records.append(entry)
    return records


def _is_record(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("kind"), str)
        and all(isinstance(entry.get(key), (int, float)) for key in _WHERE)
    )


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(_finite(entry), allow_nan=False, separators=(",", ":")) + "\n"


def _finite(value: Any) -> Any:
    """JSON has no NaN: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
