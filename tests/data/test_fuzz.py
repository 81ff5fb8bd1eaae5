"""Damaged files of every kind that is read: a sentence or a right reading, whatever is in them.

Each kind is tried in a process of its own, which a hang ends and whose memory is measured.
"""

import gzip
import io
import random
import signal
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

SECONDS = 10  # a case may take; the slowest takes a tenth
MEGABYTES = 1000  # that all cases of a kind may add to the memory

# --- what is damaged ------------------------------------------------------------------------------


def png() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.radial_gradient("L").resize((12, 9)).save(file, "png")
    return file.getvalue()


def idx() -> bytes:
    return struct.pack(">4B3I", 0, 0, 8, 3, 6, 5, 4) + bytes(range(120))


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("train/a/1.png", "train/b/1.png", "test/a/1.png", "dataset.json"):
            archive.writestr(name, png() if name.endswith("png") else '{"labels": null}')
    return file.getvalue()


def tarred(names: tuple[str, ...] = ("a/1.png", "b/1.png"), content: bytes = b"") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            info, inner = tarfile.TarInfo(name), content or png()
            info.size = len(inner)
            archive.addfile(info, io.BytesIO(inner))
    return file.getvalue()


def cifar() -> bytes:
    names = (*(f"c/data_batch_{i}.bin" for i in range(1, 6)), "c/test_batch.bin")
    return gzip.compress(tarred(names, (b"\3" + bytes(range(256)) * 12) * 4))


def numpy_file(write: str) -> bytes:
    import numpy as np

    file, x = io.BytesIO(), np.arange(180, dtype=np.uint8).reshape(5, 6, 6)
    if write == "save":
        np.save(file, x)
    else:
        getattr(np, write)(file, x_train=x, y_train=[0, 1, 0, 1, -1], class_names=["a", "b"])
    return file.getvalue()


def mat() -> bytes:
    import numpy as np
    from scipy.io import savemat

    file = io.BytesIO()
    x = (np.arange(480) % 256).astype(np.uint8).reshape(8, 5, 3, 4)
    savemat(file, {"X": x, "y": [[1], [10], [3], [4]]}, do_compression=True)
    return file.getvalue()


def table() -> bytes:
    rows = [f"{i % 3}," + ",".join(str((i * j) % 256) for j in range(16)) for i in range(8)]
    return "\n".join(["label," + ",".join(f"p{j}" for j in range(16)), *rows]).encode()


KINDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "folder": ("images/a/1.png", png),
    "png": ("x.png", png),
    "zip": ("x.zip", zipped),
    "tar": ("x.tar", tarred),
    "tgz": ("x.tar.gz", lambda: gzip.compress(tarred())),
    "cifar": ("cifar-10-binary.tar.gz", cifar),
    "idx": ("train-images-idx3-ubyte", idx),
    "idx.gz": ("train-images-idx3-ubyte.gz", lambda: gzip.compress(idx())),
    "npy": ("x.npy", lambda: numpy_file("save")),
    "npz": ("x.npz", lambda: numpy_file("savez")),
    "packed npz": ("x.npz", lambda: numpy_file("savez_compressed")),
    "mat": ("x.mat", mat),
    "csv": ("x.csv", table),
}


def damaged(content: bytes, draw: random.Random) -> bytes:
    """A few bytes changed, cut, repeated or inserted, or digits of a header blown up."""
    raw = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5))):
        i, n = draw.randrange(len(raw) or 1), draw.choice((1, 2, 4, 8, 40))
        i = min(i, draw.randrange(200)) if draw.random() < 0.5 else i  # headers decide most
        match draw.randrange(7):
            case 0 if raw:
                raw[min(i, len(raw) - 1)] ^= 1 << draw.randrange(8)
            case 1:
                raw[i : i + n] = draw.randbytes(n)
            case 2:
                del raw[i:]
            case 3:
                del raw[i : i + n]
            case 4:
                raw[i:i] = raw[i : i + n] * draw.choice((1, 3))
            case 5:
                raw[i : i + n] = draw.choice((b"\xff", b"\0", b"9", b"-", b"(")) * n
            case 6:
                raw[i : i + 4] = struct.pack(
                    "<I", draw.choice((0, 1 << 31, (1 << 32) - 1, 1 << 20))
                )
    return bytes(raw)


# --- the process that reads -----------------------------------------------------------------------


def read_damaged(kind: str, count: int, seed: int, folder: Path) -> None:
    """Prints the number of each case before it is read, and at the end what memory it took."""
    import resource

    from twofold.data import load_dataset, summarize
    from twofold.errors import TwofoldError

    name, make = KINDS[kind]
    content, path = make(), folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    source = folder / "images" if kind == "folder" else path
    division = {"validation": 0} if kind == "cifar" else {"validation": 0, "test": 0}
    if kind == "folder":
        (path.parent / "2.png").write_bytes(content)
    assert len(load_dataset(source, **division))  # undamaged, it is read
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in range(count):
        sys.stdout.write(f"{case}\n")
        sys.stdout.flush()
        path.write_bytes(damaged(content, random.Random(f"{kind} {seed} {case}")))
        signal.alarm(SECONDS)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                said = str(summarize(load_dataset(source, **division)))
            except TwofoldError as error:
                said = str(error)
        assert 10 < len(said) < 3000, said
        assert not warned, [str(one.message) for one in warned]
        signal.alarm(0)
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}\n")  # KB


def check(kind: str, count: int, seed: int, folder: Path) -> None:
    command = [sys.executable, __file__, kind, str(count), str(seed), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = done.stdout.split()[-1:]
    assert done.returncode == 0, f"case {last} of {kind}, seed {seed}: {done.stderr[-2000:]}"
    assert int(last[0]) < MEGABYTES * 1000, f"{kind} took {last[0]} KB"


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_told_in_a_sentence(kind, tmp_path):
    check(kind, 30, seed=0, folder=tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_are_told_in_a_sentence(kind, seed, tmp_path):
    check(kind, 1000, seed, tmp_path)


if __name__ == "__main__":
    read_damaged(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
