"""Tensors by name in a safetensors file, written and read one after the other.

The file is a header's length (8 bytes, little-endian), the header (JSON: type, shape and place of
every tensor) and the tensors' bytes. Writing tensor by tensor, with the hash taken on the way,
needs no second copy of them in memory; reading maps the file.

References:
    https://github.com/huggingface/safetensors, "Format"
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from twofold.errors import RunError
from twofold.files import atomic_write, unreadable

__all__ = ["read_tensors", "write_tensors"]

NAMES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
CHUNK = 1 << 22


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Writes tensors of any shapes and devices, atomically, those of the widest numbers first.

    Returns:
        The SHA-256 of the file, as hex digits.

    Raises:
        RunError: If the file cannot be written.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, end = {}, 0
    for name in order:
        value = tensors[name]
        start, end = end, end + value.numel() * value.element_size()
        header[name] = {
            "dtype": NAMES[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with atomic_write(path) as file:
        for part in (len(text).to_bytes(8, "little"), text):
            digest.update(part)
            file.write(part)
        for name in order:
            content = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(content.numpy().data)
            file.write(content.numpy().data)
    return digest.hexdigest()


def read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a file on the CPU, whose memory is the file's: they are read when looked at.

    Raises:
        RunError: If the file is missing, may not be read, or is not the one of this hash.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            found = _digest(file)
        if found != sha256:
            raise RunError(f"the checkpoint {path} is damaged: its sha256 is another")
        return load_file(path)
    except FileNotFoundError as error:
        raise RunError(f"the checkpoint is incomplete: {path} is missing") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except (SafetensorError, ValueError) as error:
        raise RunError(f"the checkpoint {path} is damaged: {error}") from error


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while part := file.read(CHUNK):
        digest.update(part)
    return digest.hexdigest()
