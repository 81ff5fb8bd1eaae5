"""What is said of a machine, and that each fault of one is found."""

import hashlib
import os
from pathlib import Path

import pytest
import torch

from twofold.experiments import doctor
from twofold.experiments.environment import describe_machine


@pytest.fixture
def healthy(monkeypatch, tmp_path: Path):
    """Folders of its own, one thread, and a bf16 as fast as fp32."""
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TWOFOLD_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_bf16_ratio", lambda device: 1.0)
    monkeypatch.setattr(doctor, "_usable_cores", lambda: 64)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "_stdout_encoding", lambda: "utf-8")


def complaints() -> list[str]:
    text = doctor.doctor()
    if text.endswith("nothing is wrong"):
        return []
    return text.partition("what is wrong\n")[2].splitlines()


def test_a_healthy_machine_has_nothing_wrong_and_is_described(healthy, tmp_path: Path):
    text = doctor.doctor()
    assert text.endswith("nothing is wrong")
    for fact in describe_machine(torch.device("cpu")).values():
        assert str(fact) in text
    assert torch.__version__ in text
    assert f"TWOFOLD_CACHE    {tmp_path / 'cache'}" in text
    assert not (tmp_path / "cache").exists()  # nothing is kept


def test_the_command_prints_it(twofold, healthy):
    code, output, _ = twofold("doctor")
    assert code == 0
    assert output == f"{doctor.doctor()}\n"


def test_data_is_found_and_a_damaged_file_is_named(healthy, monkeypatch, tmp_path: Path):
    folder = tmp_path / "data"
    monkeypatch.setenv("TWOFOLD_DATA", str(folder))
    (said,) = complaints()
    assert (
        said == f"  - TWOFOLD_DATA={folder} is no folder: create it, or unset it to use the cache"
    )
    files = doctor.CATALOG["kmnist"].files
    (folder / "kmnist").mkdir(parents=True)
    for file in files:
        (folder / "kmnist" / file.name).write_bytes(b"")
    (said,) = complaints()
    assert files[0].name in said
    assert hashlib.sha256(b"").hexdigest() in said


def test_whole_files_are_found_where_they_lie(healthy, monkeypatch, tmp_path: Path):
    assert "kmnist         downloaded when first used" in doctor.doctor()
    folder = tmp_path / "cache" / "kmnist"
    folder.mkdir(parents=True)
    files = doctor.CATALOG["kmnist"].files
    for file in files:
        (folder / file.name).write_bytes(b"")
    assert "kmnist         downloaded when first used" in doctor.doctor()
    hashes = iter(file.sha256 for file in files)
    monkeypatch.setattr("twofold.data.download._sha256", lambda path: next(hashes))
    assert f"kmnist         in {folder}" in doctor.doctor()


def test_folders_that_cannot_be_written(healthy, monkeypatch, tmp_path: Path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "file" / "cache"))
    (said,) = complaints()
    assert "cannot be written" in said
    assert "set TWOFOLD_CACHE" in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("_usable_cores", lambda: 0, "set OMP_NUM_THREADS=0"),
        ("_bf16_ratio", lambda device: 3.0, "precision=fp32"),
        ("_stdout_encoding", lambda: "cp1252", "PYTHONUTF8=1"),
    ],
)
def test_each_fault_is_found(healthy, monkeypatch, name, value, said):
    monkeypatch.setattr(doctor, name, value)
    (complaint,) = complaints()
    assert said in complaint


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU is used")
def test_a_driver_without_a_gpu_for_torch(healthy, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    (complaint,) = complaints()
    assert "NVIDIA" in complaint


def test_packages_that_are_missing_or_old():
    found = doctor._of_packages(
        ["no-such-thing>=1", "torch>=999", "torch>=1", "extra-thing; extra == 'docs'"]
    )
    missing, old = found
    assert missing == "no-such-thing is not installed: pip install 'no-such-thing>=1'"
    assert old.startswith("torch is ")
    assert ">=999 is needed" in old


def test_the_ratio_of_times_is_that_of_fp32_to_itself(monkeypatch):
    """About 1 where both are fp32, whatever the machine."""
    monkeypatch.setattr(torch, "bfloat16", torch.float32)
    assert 0.2 < doctor._bf16_ratio(torch.device("cpu")) < 5


def test_without_sysconf_as_on_windows(monkeypatch):
    import importlib

    from twofold.data import opening

    monkeypatch.delattr(os, "sysconf")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    try:
        assert importlib.reload(opening).MAX_BYTES == 8 << 30
        assert doctor._usable_cores() == os.cpu_count()
    finally:
        monkeypatch.undo()
        importlib.reload(opening)
