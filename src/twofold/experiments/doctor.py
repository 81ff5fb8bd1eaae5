"""What a bug report needs to know of a machine, and what is wrong with it."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import torch

from twofold.data.catalog import CATALOG, known_hashes
from twofold.data.download import cache_folder, local_files
from twofold.data.opening import place_of
from twofold.errors import TwofoldError
from twofold.experiments.environment import describe_machine, describe_versions, pick_device

__all__ = ["doctor"]

SLOW = 1.5  # times as long as in fp32, from which bf16 is advised against
LAYER = (100, 784, 512)  # images in a batch, and the inputs and outputs of the layer that is timed


def doctor() -> str:
    """Says what a bug report needs to know of this machine, and what is wrong with it.

    Nothing is downloaded, and nothing is kept.

    Example:
        $ twofold doctor
    """
    device = pick_device("auto")
    ratio = _bf16_ratio(device)
    facts = {
        **describe_versions(),
        **describe_machine(device),
        "bf16": f"{_bf16_hardware(device)}; a dense layer takes {ratio:.1f}× fp32's time",
        "console": _stdout_encoding(),
        "TWOFOLD_DATA": os.environ.get("TWOFOLD_DATA") or "not set",
        "TWOFOLD_CACHE": os.environ.get("TWOFOLD_CACHE") or f"not set: {cache_folder()}",
    }
    sets, damaged = _data_sets()
    wrong = [
        *_of_packages(requires("twofold") or []),
        *_of_machine(device, ratio),
        *_of_folders(),
        *damaged,
    ]
    lines = [f"{name:16} {value}" for name, value in facts.items()]
    lines += ["", "data sets", *(f"  {name:14} {text}" for name, text in sets.items()), ""]
    lines += (
        ["what is wrong", *(f"  - {text}" for text in wrong)] if wrong else ["nothing is wrong"]
    )
    return "\n".join(lines)


def _data_sets() -> tuple[dict[str, str], list[str]]:
    """Where the files of each named set are, and what is wrong with them."""
    sets, damaged = {}, []
    for name, entry in CATALOG.items():
        try:
            found = local_files(name, entry.files, known_hashes()).values()
        except TwofoldError as error:
            sets[name] = "damaged"
            damaged.append(str(error))
            continue
        folders = sorted({str(path.parent) for path in found if path})
        sets[name] = f"in {', '.join(folders)}" if all(found) else "downloaded when first used"
        if entry.stacks or entry.info.embedded:
            sets[name] = f"made of {entry.stacks}" if entry.stacks else "comes with scikit-learn"
    return sets, damaged


def _of_packages(requirements: list[str]) -> Iterator[str]:
    """What is missing or too old, given requirements such as `torch>=2.6`."""
    from packaging.requirements import Requirement

    for one in map(Requirement, requirements):
        if one.marker and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(one.name)
        except PackageNotFoundError:
            yield f"{one.name} is not installed: pip install '{one.name}{one.specifier}'"
            continue
        if not one.specifier.contains(found, prereleases=True):
            yield f"{one.name} is {found}, and {one.specifier} is needed: pip install -U {one.name}"


def _of_machine(device: torch.device, ratio: float) -> Iterator[str]:
    """What makes training slow here, or text unreadable."""
    cores, threads = _usable_cores(), torch.get_num_threads()
    if threads > cores:
        yield (
            f"{threads} threads share {cores} core(s), which is slow: "
            f"set OMP_NUM_THREADS={cores} before Python starts"
        )
    if device.type == "cpu" and shutil.which("nvidia-smi"):
        yield (
            f"there is an NVIDIA driver, but torch {torch.__version__} sees no GPU: "
            "does `nvidia-smi` show one? Install a torch that is built for its CUDA"
        )
    if ratio > SLOW:
        yield f"bf16 is slow here ({ratio:.1f}× the time of fp32): train with precision=fp32"
    if "utf" not in (encoding := _stdout_encoding()).lower():
        yield f"the console writes {encoding}, not UTF-8: set PYTHONUTF8=1"


def _of_folders() -> Iterator[str]:
    """Whether the folders that are named can be used."""
    own = os.environ.get("TWOFOLD_DATA")
    if own and not place_of(own).is_dir():
        yield f"TWOFOLD_DATA={own} is no folder: create it, or unset it to use the cache"
    for what, folder, mend in (
        ("the cache", cache_folder(), "set TWOFOLD_CACHE to a folder that can be written"),
        ("the working folder", Path.cwd(), "runs need --out in a folder that can be written"),
    ):
        try:
            with tempfile.TemporaryFile(dir=_nearest(folder)):
                pass
        except OSError as error:
            yield f"{what}, {folder}, cannot be written ({error.strerror or error}): {mend}"


def _nearest(folder: Path) -> Path:
    """A folder, or of one that is yet to be made the parent that is there."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _stdout_encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"  # a notebook's has none


def _usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _bf16_hardware(device: torch.device) -> str:
    """What computes in bf16 here."""
    if device.type == "cuda":
        return (
            "on the GPU" if torch.cuda.is_bf16_supported(including_emulation=False) else "emulated"
        )
    if device.type == "mps":
        return "on the GPU"
    units = {"_is_amx_tile_supported": "AMX", "_is_avx512_bf16_supported": "AVX-512"}
    found = [title for name, title in units.items() if getattr(torch.cpu, name, bool)()]
    return f"in hardware ({', '.join(found)})" if found else "not in hardware (no AMX, no AVX-512)"


def _bf16_ratio(device: torch.device) -> float:
    """How long a dense layer takes in bf16, by what it takes in fp32; the best of ten steps."""
    batch, inputs, outputs = LAYER

    def seconds(dtype: torch.dtype) -> float:
        x = torch.ones(batch, inputs, device=device, dtype=dtype)
        weight = torch.ones(outputs, inputs, device=device, dtype=dtype, requires_grad=True)
        times = []
        for _ in range(10):
            start = time.perf_counter()
            loss = torch.nn.functional.linear(x, weight).sum()
            torch.autograd.grad(loss, weight)[0][0, 0].item()  # waits for the device
            times.append(time.perf_counter() - start)
        return min(times)

    return seconds(torch.bfloat16) / seconds(torch.float32)
