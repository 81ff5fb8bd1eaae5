"""Small files in every format, written by the tests themselves."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def users_data(tmp_path, monkeypatch) -> str | None:
    """Hides the user's cache and data folder from every test; gives the latter."""
    folder = os.environ.get("TWOFOLD_DATA")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TWOFOLD_DATA", raising=False)
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def idx_bytes() -> Callable[..., bytes]:
    def encode(array: np.ndarray, code: int = 0x08) -> bytes:
        header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
        return header + array.tobytes()

    return encode


@pytest.fixture
def mnist_folder(tmp_path, rng, idx_bytes) -> Path:
    """Forty training and twenty test images in MNIST's four files."""
    folder = tmp_path / "mnist-like"
    folder.mkdir()
    for prefix, count in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 5, 4), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        files = {
            f"{prefix}-images-idx3-ubyte.gz": images,
            f"{prefix}-labels-idx1-ubyte.gz": labels,
        }
        for name, array in files.items():
            (folder / name).write_bytes(gzip.compress(idx_bytes(array)))
    return folder


@pytest.fixture
def write_images(rng) -> Callable[..., None]:
    """Writes gray noise under each of the relative paths."""

    def write(root: Path, *names: str, size: tuple[int, int] = (6, 6), mode: str = "L") -> None:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = size if mode == "L" else (*size, len(mode))
            Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path)

    return write
