"""ONNX files that do what the model does, and verbs that need no torch."""

import functools
import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from twofold import packages
from twofold.errors import RunError, UsageError
from twofold.experiments.build import build_model
from twofold.experiments.run import Run
from twofold.experiments.train import train
from twofold.models import GAN
from twofold.models.capabilities import Classifies, HasCodes
from twofold.sharing import onnx, without_torch
from twofold.sharing.export import Exported, export
from twofold.sharing.functions import Field, Function, functions_of
from twofold.sharing.portable import Portable
from twofold.verbs.classify import classify
from twofold.verbs.reconstruct import reconstruct
from twofold.verbs.sample import sample

CLOSE = 1e-4  # of pixels in [0, 1]; what an export allows
FAMILIES = {
    "cvae": {"generate", "encode"},
    "cgan": {"generate", "discriminate"},
    "acgan": {"generate", "classify", "discriminate"},
    "m2": {"generate", "encode", "classify"},
    "m1m2": {"generate", "encode", "classify"},
    "draw": {"start", "look", "paint"},
    "hybrid": {"generate", "encode", "discriminate"},
    "classifier": {"classify"},
}
CONV = {"encoder": {"layers": "conv3-4/2 fc-8"}, "decoder": {"layers": "fc-8 base-4 deconv3-out/2"}}
# Beside the families, whatever computes differently: a variant, and what `encode` gives for it.
VARIANTS = {
    "convolutions": ("cvae", CONV, ["mean", "logvar"]),
    "flow posterior": ("cvae", {"condition": "none", "posterior": "iaf"}, ["mean"]),
    "part of the image": ("cvae", {"condition": "left-half"}, ["mean", "logvar"]),
    "hidden pixels": (
        "cvae",
        {"condition": "left-half", "predicts": "hidden", "likelihood": "continuous-bernoulli"},
        ["mean", "logvar"],
    ),
    "two layers": ("cvae", {"family": "hvae", "top_dim": 2}, ["mean"]),
    "codes judged": (
        "hybrid",
        {"family": "aae"},
        ["mean", "logvar"],
    ),
    "attention": ("draw", {"family": "cdraw", "read_glimpse": 3, "write_glimpse": 4}, []),
    "read codes": (
        "cgan",
        {
            "family": "infogan",
            "condition": "none",
            "latent_dim": 8,
            "prior": {"name": "coded", "categories": 3},
        },
        [],
    ),
}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory, toy_data, toy_experiment, silent) -> Callable[[str], Run]:
    made: dict[str, Run] = {}

    def make(family: str) -> Run:
        if family not in made:
            out = tmp_path_factory.mktemp("runs") / family
            made[family] = train(toy_experiment(family), out=out, dataset=toy_data, progress=silent)
            made[family].dataset = lambda: toy_data
        return made[family]

    return make


@pytest.fixture(scope="module", autouse=True)
def translations_read_once():
    """The exporter reads its table of operators anew each time, which takes longest of all."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        once = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
        patch.setattr(ONNXRegistry, "from_torchlib", once)
        yield


@pytest.fixture(scope="module")
def exported(tmp_path_factory, run_of) -> Callable[[str], Exported]:
    made: dict[str, Exported] = {}

    def make(family: str) -> Exported:
        if family not in made:
            made[family] = export(run_of(family), onnx=tmp_path_factory.mktemp("onnx") / family)
        return made[family]

    return make


def one_hot(y) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[y]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_does_without_torch_what_it_does_with_it(family, run_of, exported, toy_data):
    """By the model's own methods, which know nothing of an export; DRAW by all its steps."""
    found = exported(family)
    assert set(found.parity) == FAMILIES[family]
    assert all(0 <= error < onnx.ALLOWED for error in found.parity.values())
    model, twin = run_of(family).model(), Portable(found.onnx)
    x = toy_data.images[:7].astype(np.float32) / 255
    y = np.arange(7) % 3
    by_class = model.condition.about == "class"
    c, weights = (torch.as_tensor(y), one_hot(y)) if by_class else (None, None)
    if family != "classifier":
        made = twin.generate(twin.latent(7, seed=3), weights)
        np.testing.assert_allclose(made, model.sample(7, c, seed=3), atol=CLOSE)
        other = twin.generate(twin.latent(7, seed=4), weights)
        assert np.abs(other - made).max() > 100 * CLOSE
    with torch.no_grad():
        if found.parity.keys() & {"encode", "look"}:
            codes = model.capability(HasCodes).codes(torch.as_tensor(x), c)
            np.testing.assert_allclose(twin.encode(x, weights), codes, atol=CLOSE)
        if "classify" in found.parity:
            log_probs = model.capability(Classifies).classify(torch.as_tensor(x))
            np.testing.assert_allclose(twin.call("classify", x)[0], log_probs, atol=CLOSE)
        if "discriminate" in found.parity:
            score = model.realness(torch.as_tensor(x), c)
            np.testing.assert_allclose(twin.call("discriminate", x, weights)[0], score, atol=CLOSE)


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_export(name, toy_experiment, tmp_path):
    family, changes, outputs = VARIANTS[name]
    model = build_model(toy_experiment(family, changes), (1, 8, 8), 3).eval()
    functions = {function.name: function for function in functions_of(model)}
    for function in functions.values():
        described = onnx._write_function(function, tmp_path)
        assert described["parity"]["error"] < onnx.ALLOWED
        assert described["inputs"][0]["shape"][0] == "batch"
        assert (tmp_path / f"{function.name}.onnx").stat().st_size > 100
    found = [field.name for field in functions["encode"].outputs] if outputs else []
    assert found == outputs
    assert ("discriminate" in functions) == (family in ("cgan",))


def test_the_contract_says_how_to_use_it(exported, run_of):
    folder = exported("cvae").onnx
    contract = json.loads((folder / "contract.json").read_text())
    assert contract["classes"] == ["a", "b", "c"]
    assert contract["latent"] == {
        "dim": 4,
        "steps": None,
        "prior": "standard-normal",
        "scale": 1.0,
        "codes": None,
        "draw": "independent numbers of N(0, 1), times 1",
    }
    generate = contract["functions"]["generate"]
    assert generate["file"] == "generate.onnx"
    assert [put["name"] for put in generate["inputs"]] == ["z", "condition"]
    assert [put["shape"] for put in generate["inputs"]] == [["batch", 4], ["batch", 3]]
    assert generate["outputs"][0]["range"] == [0.0, 1.0]
    assert generate["parity"]["batches"] == [1, 5, 7]
    assert generate["opset"] >= 18
    about = contract["provenance"]
    assert about["experiment"] == "toy-cvae"
    facts = json.loads(run_of("cvae").checkpoint.with_suffix(".json").read_text())
    assert (about["step"], about["checkpoint_sha256"]) == (facts["step"], facts["sha256"])
    assert sorted(file.name for file in folder.iterdir()) == [
        "contract.json",
        "encode.onnx",
        "generate.onnx",
    ]


def test_codes_of_another_prior_are_kept(tmp_path, toy_experiment, toy_data, silent):
    experiment = toy_experiment("cvae", {"prior": {"name": "mixture", "components": 2}})
    run = train(experiment, out=tmp_path / "run", dataset=toy_data, progress=silent)
    twin = Portable(export(run, onnx=tmp_path / "onnx").onnx)
    assert twin.contract["latent"]["prior"] == "Mixture"
    kept = run.model().sample_latent(onnx.TABLE).numpy()
    z = twin.latent(50, seed=0)
    assert z.shape == (50, 4)
    assert all((kept == row).all(axis=1).any() for row in z)
    assert len(np.unique(z, axis=0)) > 40


# --- verbs ----------------------------------------------------------------------------------------


def same_picture(one: np.ndarray, other: np.ndarray) -> None:
    """The same layout, and gray levels that differ by a rounding at most."""
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("cvae", {"n": 12, "seed": 5}),
        ("cvae", {"label": "b,c", "seeds": "0..2"}),
        ("hybrid", {"n": 3}),
        ("hybrid", {"seeds": [1, 2]}),
        ("draw", {"n": 11}),
    ],
)
def test_samples_are_those_of_the_run(family, options, run_of, exported):
    mine, theirs = (
        make(where, **options)
        for make, where in ((without_torch.sample, exported(family).onnx), (sample, run_of(family)))
    )
    same_picture(mine.picture(), theirs.picture())
    assert mine.caption == theirs.caption
    for name, values in theirs.arrays().items():
        if name != "images":
            np.testing.assert_array_equal(mine.arrays()[name], values)


@pytest.mark.parametrize("family", ["cvae", "m2", "draw", "hybrid"])
def test_reconstructions_are_those_of_the_run(family, run_of, exported, toy_data):
    test = toy_data.split("test")
    if family == "m2":  # which finds the classes by itself
        test = type(test)(test.images, None, (), "toy")
    mine = without_torch.reconstruct(exported(family).onnx, test, n=12, seed=2)
    theirs = reconstruct(run_of(family), test, n=12, seed=2)
    if family != "draw":
        same_picture(mine.picture(), theirs.picture())
        return
    again = np.asarray(theirs.reconstructions)
    np.testing.assert_allclose(mine.arrays()["reconstructions"], again, atol=CLOSE)


def test_labels_are_those_of_the_run(run_of, exported, toy_data, tmp_path):
    test = toy_data.split("test")
    mine = without_torch.classify(exported("m2").onnx, test)
    theirs = classify(run_of("m2"), test)
    same_picture(mine.picture(), theirs.picture())
    mine.save(tmp_path / "mine.csv")
    theirs.save(tmp_path / "theirs.csv")
    one, other = ((tmp_path / f"{who}.csv").read_text().splitlines() for who in ("mine", "theirs"))
    assert one[0] == other[0] == "index,true,predicted,probability,p(a),p(b),p(c)"
    assert [line.split(",")[:3] for line in one] == [line.split(",")[:3] for line in other]


def test_no_verb_of_an_export_imports_torch(exported, tmp_path, toy_data):
    images = tmp_path / "images.npy"
    np.save(images, toy_data.images[:6])
    commands = [
        ["sample", exported("cvae").onnx, "--label", "b", "--out", tmp_path / "b.png"],
        ["sample", exported("cvae").onnx, "-n", "6", "--out", tmp_path / "six"],
        [
            *("reconstruct", exported("m2").onnx, "--images", images),
            *("--out", tmp_path / "r.png"),
        ],
        ["classify", exported("m2").onnx, "--images", images, "--out", tmp_path / "c.csv"],
    ]
    script = (
        "import sys, json\n"
        "from typer.testing import CliRunner\n"
        "from twofold.cli import app\n"
        f"for command in {[[str(word) for word in command] for command in commands]!r}:\n"
        "    result = CliRunner().invoke(app, command)\n"
        "    assert result.exit_code == 0, (result.output, result.exception)\n"
        "heavy = {'torch', 'onnx', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]", "onnxruntime is enough"
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "six").rglob("*.png"))) == 6
    assert len((tmp_path / "c.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["interpolate"], "cannot interpolate an ONNX export, which can sample, reconstruct"),
        (["reconstruct"], "an ONNX export holds no images: name some"),
        (["classify", "--images", "digits"], "has no `classify`; it has generate, encode"),
        (["sample", "--device", "cuda"], "runs on the CPU"),
        (["sample", "--label", "d"], "unknown class 'd'"),
        (["sample", "-n", "0"], "ask for at least one image"),
        (["reconstruct", "--images", "digits", "--label", "z"], "unknown class 'z'"),
    ],
)
def test_what_an_export_cannot_do_is_said(words, message, exported, twofold):
    verb, *options = words
    code, _, said = twofold(verb, exported("cvae").onnx, *options)
    assert code == 2
    assert message in said


def test_a_run_is_asked_for_where_one_is_needed(exported):
    with pytest.raises(UsageError, match=r"is an ONNX export.*Portable in Python"):
        sample(exported("cvae").onnx)


def test_a_damaged_export_is_no_traceback(exported, tmp_path, twofold):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(exported("cvae").onnx, folder)
    (folder / "generate.onnx").write_bytes(b"nothing")
    code, _, said = twofold("sample", folder)
    assert (code, "generate.onnx is damaged" in said) == (1, True)
    contract = json.loads((folder / "contract.json").read_text())
    for content, words in (
        ({**contract, "version": 99}, "version 99, and this Twofold reads 1"),
        ({"format": "twofold-onnx", "version": 1}, "it lacks title, model"),
        ({}, "no contract of an ONNX export"),
    ):
        (folder / "contract.json").write_text(json.dumps(content))
        with pytest.raises(RunError, match=words):
            Portable(folder)


# --- what is refused ------------------------------------------------------------------------------


def test_a_folder_in_use_is_refused_and_an_empty_one_taken(run_of, tmp_path, twofold):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    code, _, said = twofold("export", run_of("classifier").path, "--onnx", tmp_path / "used")
    assert (code, "is not an empty folder" in said) == (2, True)
    (tmp_path / "empty").mkdir()
    code, out, said = twofold("export", run_of("classifier").path, "--onnx", tmp_path / "empty")
    assert code == 0, said
    assert "classify.onnx: off by" in out
    assert (tmp_path / "empty" / "contract.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "used"]


def test_it_says_what_to_install(run_of, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UsageError, match=r"pip install 'twofold\[export\]'"):
        export(run_of("classifier"), onnx=tmp_path / "out")
    assert not any(tmp_path.iterdir())
    assert packages.require("json", "export") is json


class Forgetful(nn.Module):
    """Gives something else each time it is called, as no file can."""

    calls = 0

    def forward(self, z):
        type(self).calls += 1
        return nn.functional.pad(z * self.calls, (0, 14)).unflatten(1, (1, 4, 4))


class Counting(nn.Module):
    """Branches on the size of the batch."""

    def forward(self, z):
        rows = [float(i) for i in range(len(z))]
        return (z[:, :1] + torch.tensor(rows)[:, None]).repeat(1, 16).unflatten(1, (1, 4, 4))


@pytest.mark.parametrize("network", [Forgetful, Counting])
def test_a_file_that_is_not_the_model_is_not_written(network, tmp_path):
    """Neither one whose values differ nor one that takes a batch of one size only."""
    gan = GAN(network(), "fc-8", latent_dim=2, output="linear", image_shape=(1, 4, 4)).eval()
    words = "`generate` .* (is allowed; nothing was|takes no batch of 1 in ONNX)"
    with pytest.raises(UsageError, match=words):
        onnx._write_function(functions_of(gan)[0], tmp_path)
    assert not any(tmp_path.iterdir())


def test_an_error_is_one_of_size(tmp_path, monkeypatch):
    """A weight that is wrong by a thousandth is found, one by a millionth is rounding."""
    layer = nn.Linear(2, 2, bias=False)
    nn.init.eye_(layer.weight)
    field = Field("z", "codes", (2,))
    function = Function("generate", [field], [Field("y", "", (2,))], layer, lambda z: (layer(z),))
    right = onnx._traced(function.eval()).model_proto.SerializeToString()
    assert onnx._parity(function, right) < 1e-6
    for off, passes in ((1e-6, True), (1e-3, False)):
        nn.init.constant_(layer.weight, 0.0)
        layer.weight.data += torch.eye(2) * (1 + off)
        if passes:
            assert 0 < onnx._parity(function, right) < 1e-5
        else:
            with pytest.raises(UsageError, match=r"0\.0001 is allowed"):
                onnx._parity(function, right)
