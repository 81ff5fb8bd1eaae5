"""What an exported folder says of itself, in words that need no library."""

import json
from pathlib import Path
from typing import Any

from twofold.errors import RunError

__all__ = ["CODES", "CONTRACT", "FORMAT", "VERSION", "is_onnx_folder", "read_contract"]

CONTRACT, CODES = "contract.json", "codes.npz"
FORMAT, VERSION = "twofold-onnx", 1
KEYS = ("title", "model", "image", "classes", "known_classes", "condition", "latent", "functions")


def is_onnx_folder(path: str | Path) -> bool:
    """Whether `twofold export --onnx` wrote a folder."""
    return (Path(path) / CONTRACT).is_file()


def read_contract(folder: Path) -> dict[str, Any]:
    """The contract of a folder.

    Raises:
        RunError: If it is damaged, or of another version.
    """
    path = folder / CONTRACT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}; export the run again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunError(f"{path} is no contract of an ONNX export")
    if content.get("version") != VERSION:
        raise RunError(
            f"{path} has version {content.get('version')}, and this Twofold reads {VERSION}; "
            "export the run again"
        )
    if missing := [key for key in KEYS if key not in content]:
        raise RunError(f"{path} is damaged: it lacks {', '.join(missing)}; export the run again")
    return content
