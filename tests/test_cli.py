"""The command line as a person meets it: in a process of its own or, for speed, in ours."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from twofold import __version__
from twofold.data import ImageDataset
from twofold.terminal import save_preview
from twofold.training.loop import Trainer

SMALL = ["data=digits", "limit=200", "epochs=2", "layers=fc-16", "batch_size=50", "log_every=2"]


def test_version_and_help(twofold):
    assert twofold("--version") == (0, f"twofold {__version__}\n", "")
    code, output, _ = twofold("--help")
    assert code == 0
    for command in ("train", "resume", "sample", "evaluate", "compare", "list", "data"):
        assert command in output


@pytest.mark.parametrize(
    "command", ["train", "resume", "sample", "evaluate", "compare", "list", "data"]
)
def test_every_command_explains_itself(twofold, command: str):
    code, output, _ = twofold(command, "--help")
    assert code == 0
    assert "Usage: twofold" in output


def test_train_sample_evaluate_compare(twofold, tmp_path: Path):
    run = tmp_path / "run"
    code, output, errors = twofold("train", "lam2023-cvae", *SMALL, "--out", run, "-q")
    assert (code, output.strip()) == (0, str(run))
    assert "twofold evaluate" in errors
    code, output, _ = twofold("sample", run, "--n", 4, "--label", 7, "--out", tmp_path / "s.png")
    assert (code, output.strip()) == (0, str(tmp_path / "s.png"))
    code, output, _ = twofold("evaluate", run, "--measures", "likelihood", "-q")
    assert code == 0
    assert "nats per image" in output
    assert "elbo" in {
        m["name"] for m in json.loads((run / "evaluation.json").read_text())["measures"]
    }
    code, output, _ = twofold("compare", run, "--out", tmp_path / "report.html")
    assert (code, output.strip()) == (0, str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_seeds_are_trained_one_after_the_other(twofold, tmp_path: Path):
    command = ["train", "lam2023-cvae", *SMALL, "epochs=1", "--out", tmp_path / "run"]
    code, output, _ = twofold(*command, "seeds=0..1", "--dry-run")
    assert code == 0
    assert f"# seed=1 in {tmp_path / 'run-seed1'}: new\n" in output
    assert yaml.safe_load(output)["training"]["epochs"] == 1
    assert list(tmp_path.iterdir()) == []
    code, output, errors = twofold(*command, "seeds=0,1")
    folders = [f"{tmp_path}/run-seed0", f"{tmp_path}/run-seed1"]
    assert (code, output.split()) == (0, folders)
    assert "2 of 2: seed=1 in" in " ".join(errors.split())
    assert f"next: twofold evaluate {' '.join(folders)} && " in errors
    code, output, _ = twofold(*command, "seeds=0..2", "--dry-run")
    assert [line.rpartition(" ")[2] for line in output.splitlines()[:3]] == [
        "finished", "finished", "new",
    ]  # fmt: skip


def test_an_interrupted_seed_is_continued_by_the_same_command(twofold, tmp_path, monkeypatch):
    step = Trainer.train_step

    def interrupted(self, batch):
        step(self, batch)
        self._stop_asked = True

    monkeypatch.setattr(Trainer, "train_step", interrupted)
    code, output, _ = twofold(
        "train", "lam2023-cvae", *SMALL, "seeds=0,1", "--out", tmp_path / "run", "-q"
    )
    assert code == 130
    assert "run-seed0 stopped at step 1 of 8; continue with: the same command" in output
    assert [path.name for path in tmp_path.iterdir()] == ["run-seed0"]


def test_one_bad_run_does_not_lose_the_figures_of_the_others(twofold, tmp_path: Path):
    good = tmp_path / "good"
    twofold("train", "lam2023-cvae", *SMALL, "--out", good, "-q")
    given = (tmp_path / "gone", good, tmp_path / "away")
    code, output, errors = twofold("evaluate", *given, "--measures", "likelihood", "-q")
    assert code == 1
    assert "nats per image" in output
    assert (good / "evaluation.json").exists()
    assert "evaluate failed for 2 of 3 runs" in errors
    assert all(f"{tmp_path / name} is not a run" in errors for name in ("gone", "away"))


def test_dry_run_prints_and_writes_nothing(twofold, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output, _ = twofold("train", "lam2023-cgan", "lr=2e-4", "--dry-run")
    assert code == 0
    assert output.count("lr: 0.0002") == 3  # of both players, and of phases without a name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "lam2023-cvea"], 2, "did you mean 'lam2023-cvae'"),
        (["train", "lam2023-cvae", "latent_dimm=3"], 2, "did you mean 'latent_dim'"),
        (["train", "lam2023-cvae", "data=no/such/place"], 2, "no/such/place"),
        (["train", "lam2023-cvae", "data=digits", "batch_size=5000"], 2, "larger than the data"),
        (["sample", "no-run"], 1, "is not a run"),
        (["resume", "no-run"], 1, "is not a run"),
        (["evaluate", "no-run"], 1, "is not a run"),
        (["compare", "no-run"], 1, "is not a run"),
        (["list", "modles"], 2, "did you mean 'models'"),
        (["data", "mnits"], 2, "did you mean 'mnist'"),
        (["train"], 2, "Missing argument"),
        (["train", "vae", "seeds=0,0"], 2, "seeds repeats 0"),
        (["train", "vae", "seeds"], 2, "seeds= is not understood; write seeds=0,1,2"),
        (["train", "vae", "seeds=0,1", "seed=2"], 2, "say the same thing twice"),
        (["sample", "x", "--n", "0"], 2, "n=0: ask for at least one image"),
        (["sample", "x", "--seed", "9" * 30], 2, "9223372036854775807"),
        (["train", "vae", "latent_dim=1000000000000000"], 2, "latent_dim"),
    ],
)
def test_bad_input_gets_a_message_an_exit_code_and_no_traceback(
    twofold, arguments, code: int, message: str, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    got, _, errors = twofold(*arguments)
    assert got == code
    assert message in " ".join(errors.split())
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["experiments", "datasets", "models"])
def test_lists(twofold, what: str):
    code, output, _ = twofold("list", what)
    assert code == 0
    expected = {"experiments": "lam2023-cgan", "datasets": "kmnist", "models": "cvae"}[what]
    assert expected in output


def test_data_shows_what_is_there(twofold, tmp_path: Path):
    code, output, _ = twofold("data", "digits", "--picture", tmp_path / "digits.png")
    assert code == 0
    assert "1797 images" in output
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_data_counts_images_without_a_label_and_shows_the_others(twofold, tmp_path: Path):
    levels = np.repeat([255, 0, 100], 20).astype(np.uint8)
    labels = np.repeat([-1, 0, 1], 20)
    np.savez(tmp_path / "x.npz", x=np.tile(levels[:, None, None], (1, 8, 8)), y=labels)
    code, output, _ = twofold("data", tmp_path / "x.npz", "--picture", tmp_path / "sheet.png")
    assert code == 0
    assert "2 (0: 20, 1: 20)" in output
    assert "unlabeled   20 of 60 images" in output
    assert set(np.unique(Image.open(tmp_path / "sheet.png"))) == {0, 100, 128}  # 128 is between


def test_a_picture_of_a_thousand_classes_shows_the_first(twofold, tmp_path: Path):
    code, output, _ = twofold("data", "stacked-digits", "--picture", tmp_path / "sheet.png")
    assert code == 0
    assert "1000 (6 to 38 images each)" in output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 100 * (2 * 8 + 2) + 2


def test_a_picture_of_images_that_have_no_label(tmp_path: Path):
    dataset = ImageDataset(np.full((3, 1, 4, 4), 9, np.uint8), np.full(3, -1), ("cat", "dog"))
    path = save_preview(dataset, tmp_path / "sheet.png")
    assert set(np.unique(Image.open(path))) == {9, 128}


def test_data_names_every_bad_file(twofold, tmp_path: Path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    code, _, errors = twofold("data", tmp_path)
    assert code == 2
    assert "a.png" in errors
    assert "b.png" in errors


def test_a_hostile_name_does_not_reach_the_terminal(twofold):
    code, _, errors = twofold("data", "\x1b[31mred")
    assert code == 2
    assert "\x1b[31m" not in errors
    assert "x1b[31mred" in errors


def test_an_allocation_that_fails_without_a_word_is_explained(twofold, monkeypatch):
    def starve(*_arguments: object, **_fields: object) -> None:
        raise MemoryError

    monkeypatch.setattr("twofold.verbs.sample.sample", starve)
    code, _, errors = twofold("sample", "some-run")
    assert (code, "out of memory (MemoryError)" in errors) == (1, True)
