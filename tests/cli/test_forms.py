"""A text as it is typed on the command line means the same in Python."""

import pytest

import twofold as package
from twofold.errors import UsageError
from twofold.experiments.resolve import resolve
from twofold.experiments.train import train

SMALL = ("data=digits", "limit=200", "epochs=1", "layers=fc-16", "batch_size=50", "device=cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory, silent):
    out = tmp_path_factory.mktemp("runs") / "cvae"
    return train(resolve("lam2023-cvae", SMALL), out=out, progress=silent)


def test_a_list_may_be_text(run, silent):
    rows = package.sample(run, seeds="0..1", label="3,8")
    assert rows.labels is not None
    assert (rows.seeds.tolist(), rows.labels.tolist()) == ([0, 0, 1, 1], [3, 8, 3, 8])
    strips = package.interpolate(run, between="classes", label="3..5", n=2, steps=3)
    assert strips.row_heads == ["3 to 4", "4 to 5"]
    assert package.traverse(run, latents="2,0", steps=3).latents.tolist() == [2, 0]
    found = package.evaluate(run, "likelihood", iwae_samples=2, num_images=20, progress=silent)
    assert found["elbo"].provenance["images"] == 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: package.sample(run, seeds="01x"), "seeds=01x is not understood"),
        (lambda run: package.evaluate(run, "likelihod"), "did you mean 'likelihood'"),
        (lambda run: package.evaluate(run, num_samples=0), "num_samples=0"),
        (lambda run: package.classify(run, n=0), "n=0"),
        (lambda run: package.restyle(run, measure=-1), "measure=-1"),
    ],
)
def test_what_makes_no_sense_is_refused(run, call, message):
    with pytest.raises(UsageError, match=message):
        call(run)


def test_a_plan_is_an_argument_as_it_is_an_option(twofold, tmp_path, monkeypatch):
    from twofold.reproduction import reproduce as reproducing

    lines = ["lam2023", "nothing to do"]
    monkeypatch.setattr(reproducing, "plan_reproduction", lambda *_, **__: lines)
    planned = reproducing.reproduce("lam2023", plan=True, out=tmp_path)
    assert (planned.runs, planned.plan) == ((), tuple(lines))
    code, output, _ = twofold("reproduce", "lam2023", "--plan", "--out", tmp_path)
    assert (code, output.splitlines()) == (0, lines)


def test_several_runs_are_used_in_turn(twofold, run):
    code, output, _ = twofold("sample", run.path, run.path, "-n", 2)
    assert (code, output.splitlines()) == (0, 2 * [str(run.path / "sample.png")])
