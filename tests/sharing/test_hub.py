"""A run in two files and a card, here and on a hub."""

import base64
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
import yaml

import twofold as library
from twofold.errors import RunError, TwofoldError, UsageError
from twofold.experiments.packed import fetch, open_folder
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run, differences
from twofold.experiments.train import train
from twofold.files import write_json
from twofold.sharing.card import _command, card
from twofold.sharing.export import export
from twofold.verbs.sample import sample

FIGURES = [
    {
        "name": "elbo",
        "title": "ELBO",
        "value": -12.345678,
        "unit": "nats per image",
        "error": 0.25,
        "depends": {"split": "test", "samples": 100},
        "caution": "gray values | no likelihood",
    },
    {"name": "fid", "title": "FID", "value": 3.5, "unit": "", "depends": {}},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory, toy_experiment, toy_data, silent) -> Run:
    out = tmp_path_factory.mktemp("runs") / "mine"
    made = train(toy_experiment("cvae"), out=out, dataset=toy_data, progress=silent)
    settings = {"step": made.model_step, "sampling_scale": 1.0}
    write_json(out / "evaluation.json", {"measures": FIGURES, "settings": settings})
    return made


@pytest.fixture(scope="module")
def packed(tmp_path_factory, run):
    return export(run, hub=tmp_path_factory.mktemp("hub") / "packed").hub


def test_it_holds_three_files_and_a_picture(packed):
    assert sorted(file.name for file in packed.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    ]


def test_what_comes_back_is_the_run(packed, run):
    back = library.load(packed)
    mine, theirs = run.model().state_dict(), back.model().state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert not differences(run.experiment, back.experiment)
    assert (back.name, back.finished, back.model_step) == ("mine", True, run.model_step)
    assert back.current_evaluation["measures"][0]["value"] == -12.345678
    one, other = (sample(which, 6, seed=1) for which in (packed, run))
    assert torch.equal(one.images, other.images)


def test_nothing_of_this_machine_is_in_it(packed, tmp_path, toy_data, toy_experiment, silent):
    content = (packed / "config.json").read_text()
    assert str(packed.parent) not in content
    for secret in ("platform", "processor", "source", "threads"):
        assert secret not in str(json.loads(content)["environment"])
    images = tmp_path / "my-secret-place" / "digits.npz"
    images.parent.mkdir()
    np.savez(images, images=toy_data.images, labels=toy_data.labels)
    experiment = resolve(toy_experiment("cvae"), {"data.name": str(images)})
    run = train(experiment, out=tmp_path / "run", progress=silent)
    folder = export(run, hub=tmp_path / "packed").hub
    assert folder is not None
    for file in ("config.json", "README.md"):
        assert "my-secret-place" not in (folder / file).read_text()
    assert open_folder(folder).experiment.data.name == "digits.npz"
    open_folder(folder).model()


def test_the_verbs_take_it_and_leave_results_in_it(packed, twofold):
    code, out, said = twofold("sample", packed, "--label", "b")
    assert code == 0, said
    assert out.strip() == str(packed / "sample.png")
    (packed / "sample.png").unlink()


def test_the_card_says_what_was_measured_and_what_it_depends_on(packed, run):
    text = (packed / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    metadata = yaml.safe_load(head)
    (index,) = metadata["model-index"]
    figures = {one["type"]: one["value"] for one in index["results"][0]["metrics"]}
    assert figures == {"elbo": -12.345678, "fid": 3.5}
    line = next(line for line in body.splitlines() if line.startswith("| ELBO"))
    assert line == (
        "| ELBO | -12.346 ± 0.25 nats per image | split: test, samples: 100 | "
        "gray values \\| no likelihood |"
    )
    assert "8 × 8" in body
    assert "conditioned on class" in body
    assert "3 classes: a, b, c" in body
    assert "90 train" in body
    (written,) = [part for part in body.split("```") if part.startswith("yaml\n")]
    from twofold.experiments.resolve import parse_experiment

    again = parse_experiment(yaml.safe_load(written.removeprefix("yaml\n")), "card")
    assert not differences(again, run.experiment)


def test_the_hub_accepts_the_card(packed):
    hub = pytest.importorskip("huggingface_hub")
    found = hub.ModelCard.load(packed / "README.md")
    assert found.data.library_name == "twofold"
    assert [result.metric_value for result in found.data.eval_results] == [-12.345678, 3.5]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "twofold train vae-mlp"),
        ({"latent_dim": 7, "training.epochs": 3}, "latent_dim=7"),
    ],
)
def test_the_command_of_the_card_is_that_of_the_run(changes, expected):
    """It resolves to the very experiment, whatever was changed."""
    experiment = resolve("vae-mlp", changes)
    words = _command(SimpleNamespace(experiment=experiment)).split()  # type: ignore[arg-type]
    assert expected in " ".join(words)
    assert len(words) == 3 + len(changes)
    assert not differences(resolve(words[2], words[3:]), experiment)


def test_an_unmeasured_run_says_so(tmp_path, toy_experiment, toy_data, silent):
    run = train(toy_experiment("classifier"), out=tmp_path / "a", dataset=toy_data, progress=silent)
    text = card(run, "there", pictured=False)
    assert "None were taken" in text
    assert "Nobody has measured it" in text
    assert "model-index" not in text
    assert "samples.png" not in text


# --- what is refused ------------------------------------------------------------------------------


def damaged(packed, tmp_path, changes: dict, weights: bytes | None = None):
    folder = tmp_path / "damaged"
    folder.mkdir()
    config = json.loads((packed / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    content = (packed / "model.safetensors").read_bytes() if weights is None else weights
    (folder / "model.safetensors").write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "else"}, "was not written by"),
        ({"version": 2}, "has version 2"),
        ({"checkpoint": {}}, "is damaged: KeyError"),
        ({"checkpoint": None}, "is damaged: TypeError"),
        ({"experiment": {"name": "x"}}, "cannot be opened here"),
        ({"environment": {"a": float("nan")}}, "is damaged"),
    ],
)
def test_a_damaged_config_is_a_sentence(changes, message, packed, tmp_path):
    with pytest.raises(RunError, match=message):
        open_folder(damaged(packed, tmp_path, changes))


def test_an_unknown_family_is_refused(packed, tmp_path):
    config = json.loads((packed / "config.json").read_text())
    config["experiment"]["model"]["family"] = "os.system"
    with pytest.raises(RunError, match=r"unknown model 'os\.system'|cannot be opened here"):
        open_folder(damaged(packed, tmp_path, config))


def test_other_weights_are_refused(packed, tmp_path):
    content = (packed / "model.safetensors").read_bytes()
    with pytest.raises(RunError, match="its sha256 is not the one"):
        open_folder(damaged(packed, tmp_path, {}, content[:-1] + b"\0"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("..", "model"), ("", "model"), ("../../up", "-..-up"), ("/etc", "-etc"), ("a\0b", "a-b")],
)
def test_a_name_cannot_lead_out_of_its_folder(name, expected, packed, tmp_path):
    run = open_folder(damaged(packed, tmp_path, {"name": name}))
    assert run.path.parent.name.startswith("twofold-")
    assert run.name == expected


@pytest.mark.parametrize("name", ["hf:name", "hf:a/b/c", "hf:a/b@", "hf:../b c"])
def test_a_wrong_name_is_said(name):
    with pytest.raises(UsageError, match="expected hf:USER/NAME"):
        fetch(name)


def test_it_says_what_to_install(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for ask in (lambda: fetch("hf:a/b"), lambda: export(run, push="a/b")):
        with pytest.raises(UsageError, match=r"pip install 'twofold\[hub\]'"):
            ask()


def test_nothing_to_do_is_said(run, tmp_path):
    with pytest.raises(UsageError, match="export to what"):
        export(run)
    with pytest.raises(UsageError, match="folders of their own"):
        export(run, onnx=tmp_path / "a", hub=tmp_path / "a")


# --- the hub itself -------------------------------------------------------------------------------


class FakeHub(BaseHTTPRequestHandler):
    """As much of the hub's API as an upload and a download of small files need."""

    files: ClassVar[dict[str, dict[str, bytes]]] = {}  # by revision
    commit = "0123456789abcdef0123456789abcdef01234567"

    def log_message(self, format, *args) -> None:
        pass

    def _json(self, content) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _send(self, body: bytes, kind: str = "application/octet-stream", code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/repos/create"):
            self._json({"url": f"http://{self.headers['Host']}/user/name", "name": "user/name"})
        elif "/preupload/" in self.path:
            paths = [one["path"] for one in json.loads(body)["files"]]
            kind = {"uploadMode": "regular", "shouldIgnore": False}
            self._json({"files": [{"path": path, **kind} for path in paths]})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            made = {one["path"]: base64.b64decode(one["content"]) for one in files}
            self.files.update({"main": made, self.commit: made})
            url = f"http://{self.headers['Host']}/user/name/commit/{self.commit}"
            self._json({"commitUrl": url, "commitOid": self.commit, "success": True})
        elif self.path.endswith("/validate-yaml"):
            self._json({"errors": [], "warnings": []})
        else:
            self._send(b"{}", "application/json", 404)

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["user", "name"] and len(parts) == 5:
            revision, file = parts[3:]
            found = self.files.get(revision, {}).get(file)
            if found is not None:
                self._send(found)
                return
        if parts[:2] == ["api", "models"]:
            self._json({"id": "user/name", "sha": self.commit, "siblings": []})
            return
        self._send(b"{}", "application/json", 404)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def fake_hub(tmp_path, monkeypatch):
    """A hub on this machine that huggingface_hub believes to be its own, in another process."""
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants, hf_api  # pyright: ignore[reportMissingImports]

    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    place = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_TOKEN", "hf_nothing")
    monkeypatch.setattr(constants, "ENDPOINT", place)
    template = place + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hf_api, "ENDPOINT", place, raising=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield FakeHub
    server.shutdown()


def test_a_model_goes_to_the_hub_and_comes_back(fake_hub, run, twofold, tmp_path, monkeypatch):
    done = export(run, push="user/name")
    assert done.pushed == f"hf:user/name@{fake_hub.commit}"
    assert set(fake_hub.files["main"]) == {
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    }
    monkeypatch.chdir(tmp_path)
    back = library.load(done.pushed)
    assert torch.equal(sample(back, 3).images, sample(run, 3).images)
    code, out, said = twofold("sample", "hf:user/name", "--label", "c")
    assert code == 0, said
    assert out.strip() == "name/sample.png"
    with pytest.raises(TwofoldError, match="cannot load hf:user/name@never"):
        library.load("hf:user/name@never")
