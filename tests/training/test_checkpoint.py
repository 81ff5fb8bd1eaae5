"""What a checkpoint is made of, and what is refused in one."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from twofold.errors import RunError, UnreadableError
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.training.checkpoint import load_optimizer, optimizer_state
from twofold.training.optimizers import make_optimizer
from twofold.training.randomness import Randomness
from twofold.training.settings import OptimizerSettings
from twofold.training.tensors import read_tensors, write_tensors


def test_the_file_is_the_one_that_safetensors_writes(tmp_path: Path):
    """A second implementation: the same bytes, for every type, layout and shared memory."""
    x = torch.arange(24.0).reshape(2, 3, 2, 2)
    tensors = {
        **{"scalar": torch.tensor(3.5), "empty": torch.zeros(0, 4), "long": torch.tensor([1, -1])},
        **{"half": torch.ones(3, dtype=torch.bfloat16), "mask": torch.tensor([True, False])},
        **{"last": x.contiguous(memory_format=torch.channels_last), "turned": x[0, 0].t()},
        **{"bytes": torch.arange(7, dtype=torch.uint8)},
    }
    digest = write_tensors(tmp_path / "a.safetensors", {**tensors, "shared": tensors["scalar"]})
    apart = {name: value.contiguous() for name, value in tensors.items()}
    expected = save({**apart, "shared": torch.tensor(3.5)})
    content = (tmp_path / "a.safetensors").read_bytes()
    assert content == expected
    assert digest == hashlib.sha256(expected).hexdigest()
    found = read_tensors(tmp_path / "a.safetensors", digest)
    assert all(torch.equal(found[name], value) for name, value in tensors.items())


PEAK = """
import resource, sys, torch
from pathlib import Path
from twofold.training.tensors import read_tensors, write_tensors
big = {str(i): torch.full((25_000_000,), float(i)) for i in range(4)}  # 400 MB in all
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_tensors(Path(sys.argv[1]), big)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts kilobytes on Linux")
def test_writing_needs_no_second_copy_in_memory(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "big.safetensors")],
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "big.safetensors").unlink()
    assert 0 <= int(done.stdout) < 40_000  # kilobytes; a copy would be 400 000


OPTIMIZERS = ["adam", "adamw", "sgd", "adagrad", "rmsprop"]


def settings_of(name: str) -> OptimizerSettings:
    momentum = {"momentum": 0.5} if name in ("sgd", "rmsprop") else {}
    return OptimizerSettings(name=name, lr=0.1, **momentum)


def stepped(name: str) -> tuple[torch.optim.Optimizer, list[torch.nn.Parameter]]:
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(4))]
    optimizer = make_optimizer(parameters, settings_of(name))
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return optimizer, parameters


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_on_from_what_it_remembers(name: str):
    one, parameters = stepped(name)
    tensors, numbers = optimizer_state(one, "o/")
    other = make_optimizer(parameters, settings_of(name))
    load_optimizer(other, tensors, numbers, "o/")
    assert str(other.state_dict()["state"]) == str(one.state_dict()["state"])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("fault", ["short", "double", "unknown", "negative", "beyond", "missing"])
def test_an_optimizer_refuses_what_it_cannot_remember(name: str, fault: str):
    """A fused optimizer trusts shapes: one that is too short is a memory fault."""
    one, _ = stepped(name)
    tensors, numbers = optimizer_state(one, "o/")
    key = next(key for key, value in tensors.items() if value.shape == (3, 2))
    last = key.rpartition("/")[2]
    value = tensors.pop(key)
    if fault == "missing" and len([k for k in tensors if k.startswith("o/0/")]) == 0:
        pytest.skip("it remembers one thing of a parameter: nothing is a parameter without a step")
    tensors |= {
        "short": {key: value[:1, :1]},
        "double": {key: value.double()},
        "unknown": {key: value, "o/0/other": value},
        "negative": {f"o/-1/{last}": value},
        "beyond": {f"o/2/{last}": value},
        "missing": {},
    }[fault]
    with pytest.raises(ValueError, match="o/"):
        load_optimizer(one, tensors, numbers, "o/")


def test_a_random_state_of_another_kind_is_refused():
    randomness = Randomness(torch.device("cpu"), 0)
    good = torch.get_rng_state()
    randomness.continue_from({"cpu": good})
    for bad in (good[:-1], good.float(), torch.zeros_like(good)):
        with pytest.raises(ValueError, match="no random state of cpu"):
            randomness.continue_from({"cpu": bad})
    with pytest.raises(KeyError):
        randomness.continue_from({})


@pytest.fixture
def run(tmp_path: Path, toy_data, toy_experiment, silent) -> Run:
    made = train(
        toy_experiment(checkpoint_every=0), out=tmp_path / "run", dataset=toy_data, progress=silent
    )
    return Run(made.path)


def reseal(run: Run, tensors: dict[str, torch.Tensor] | None = None, **facts: object) -> None:
    """Changes the newest checkpoint as somebody would who knows its hash."""
    standing = run.standing
    before = dict(standing.facts)
    if tensors is not None:
        path = standing.newest.with_suffix(".safetensors")
        before["sha256"] = write_tensors(path, tensors)
    standing.newest.write_text(json.dumps({**before, **facts}))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"step": -5}, "step"),
        ({"step": True}, "step"),
        ({"step": 10**18}, "step"),
        ({"step": 19}, "step 19 of 18"),
        ({"sha256": 5}, "sha256"),
        ({"total_steps": None}, "total_steps is missing"),
        ({"seconds": "1"}, "seconds"),
        ({"memory": []}, "memory"),
        ({"best": {"figure": 3}}, "best"),
        ({"counts": {"vae": 0}}, "counts"),
        ({"optimizers": {"vae": {"0/step": "x"}}}, "optimizers"),
    ],
)
def test_facts_are_checked_where_they_are_read(run: Run, facts, said: str):
    reseal(run, **facts)
    with pytest.raises(RunError, match=rf"is damaged: .*{said}.*goes back"):
        _ = run.progress


def test_weights_of_another_type_are_refused(run: Run):
    tensors = read_tensors(run.checkpoint.with_suffix(".safetensors"), run.standing.facts["sha256"])
    halves = {name: v.half() if name.startswith("model/") else v for name, v in tensors.items()}
    reseal(run, halves)
    with pytest.raises(RunError, match=r"is torch\.float16, expected torch\.float32"):
        run.model()


class Hearing:
    """A progress that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self, title: str, total_steps: int, step: int, epochs: float) -> None: ...

    def update(self, step: int, epoch: float, terms: dict[str, dict[str, float]]) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)

    def stop(self) -> None: ...


def content(run: Run) -> tuple[bytes, list[object]]:
    path = run.newest_checkpoint.with_suffix(".safetensors")
    return path.read_bytes(), [{**one, "seconds": 0, "memory": 0} for one in run.records]


@pytest.mark.parametrize("lost", ["facts", "tensors", "log"])
def test_resuming_goes_back_with_log_and_checkpoint_together(run: Run, toy_data, lost: str):
    """As after a power cut: the newest of one of them is not on the disk."""
    whole = content(run)
    newest = run.newest_checkpoint
    if lost == "facts":
        newest.write_bytes(b"")
    elif lost == "tensors":
        newest.with_suffix(".safetensors").write_bytes(b"\0" * 9)
    else:
        log = run.path / "metrics.jsonl"
        log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    hearing = Hearing()
    resume(run, hearing, toy_data)
    assert [text for text in hearing.said if "going on from step-" in text]
    assert content(run) == whole


def test_a_log_without_its_beginning_is_said(run: Run, toy_data):
    (run.path / "metrics.jsonl").unlink()
    hearing = Hearing()
    resume(run, hearing, toy_data)
    assert any("its curves have a gap" in text for text in hearing.said)


def test_a_checkpoint_that_may_not_be_read_is_not_gone_back_from(run: Run, toy_data, monkeypatch):
    real = Path.open

    def refuse(path: Path, *arguments: object, **options: object):
        if path.suffix == ".safetensors":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    before = sorted(run.path.rglob("*"))
    monkeypatch.setattr(Path, "open", refuse)
    for verb in (run.model, lambda: resume(run, Hearing(), toy_data)):
        with pytest.raises(UnreadableError, match=r"Permission denied; it may be whole"):
            verb()
    assert sorted(run.path.rglob("*")) == before
