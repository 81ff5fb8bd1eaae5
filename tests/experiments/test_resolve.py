"""Experiments: reading, changing, and saying what is wrong with them."""

import re
from pathlib import Path

import pytest

from twofold.data import list_datasets
from twofold.errors import UsageError
from twofold.experiments.build import build_model
from twofold.experiments.resolve import (
    experiment_names,
    load_experiment,
    parse_experiment,
    resolve,
    to_yaml,
)
from twofold.training.optimizers import phase_optimizers

PLAYERS = ("discriminator", "generator")
AT = {"discriminator": "adversary.discriminator"}
SHAPES = {info.name: info.image_shape for info in list_datasets()}


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_of_the_library_builds(name: str):
    experiment = load_experiment(name)
    assert experiment.name == name
    model = build_model(experiment, SHAPES[experiment.data.name], 10)
    for one in phase_optimizers(model, experiment.training):  # refuses a phase that is not there
        assert one.settings == experiment.training.optimizer_of(one.phase.name, one.phase.part_of)
    assert parse_experiment(_yaml(to_yaml(experiment)), name) == experiment


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("lam2023-cgan", {"generator": 705_296, "discriminator": 670_209}),
        ("belani2020-gan", {"generator": 579_728, "discriminator": 828_929}),
        ("belani2020-vae", {"encoder": 202_502, "decoder": 202_512}),
        ("lin-yu2018-gan", {"generator": 283_920, "discriminator": 267_009}),
        ("lin-yu2018-vae-z2", {"encoder": 394_504, "decoder": 394_284}),
        ("lin-yu2018-vae-z20", {"encoder": 412_540, "decoder": 403_284}),
    ],
)
def test_networks_have_the_sizes_of_the_authors_code(name, sizes):
    model = build_model(load_experiment(name), (1, 28, 28), 10)
    for part, size in sizes.items():
        assert sum(p.numel() for p in model.get_submodule(AT.get(part, part)).parameters()) == size


@pytest.mark.parametrize("given", ["without=9", "without=[9]", "without=['9']"])
def test_a_class_left_out_may_be_a_number(given: str):
    assert resolve("lam2023-cvae", [given]).data.without == ("9",)


def _yaml(text: str):
    import yaml

    return yaml.safe_load(text)


def test_the_report_s_networks_have_the_reports_sizes():
    """Lam (2023): 1 438 608 parameters; G about 705 296 with BN, D 670 209."""
    cvae = build_model(load_experiment("lam2023-cvae"), (1, 28, 28), 10)
    assert sum(p.numel() for p in cvae.parameters()) == 1_438_608
    cgan = build_model(load_experiment("lam2023-cgan"), (1, 28, 28), 10)
    assert sum(p.numel() for p in cgan.generator.parameters()) == 705_296
    assert sum(p.numel() for p in cgan.adversary.parameters()) == 670_209
    kinds = [type(layer).__name__ for layer in cgan.generator.after]
    assert kinds[:3] == ["Linear", "LeakyReLU", "BatchNorm1d"], "BN after LeakyReLU, as written"


@pytest.mark.parametrize(
    ("name", "network", "count"),
    [
        ("lin-yu2018-vae-z2", "", 788_788),
        ("lin-yu2018-vae-z20", "", 815_824),
        ("lin-yu2018-gan", "generator", 283_920),
        ("lin-yu2018-gan", "discriminator", 267_009),
        ("lin-yu2018-acgan", "discriminator", 267_009 + 2_570),
        ("belani2020-gan", "generator", 579_728),
        ("belani2020-gan", "discriminator", 828_929),
        ("belani2020-vae", "", 405_014),
    ],
)
def test_networks_of_the_other_reports_have_their_sizes(name: str, network: str, count: int):
    """Those of the layers that Lin and Yu (2018) and Belani (2020) describe."""
    model = build_model(load_experiment(name), (1, 28, 28), 10)
    part = model.get_submodule(AT.get(network, network))
    assert sum(p.numel() for p in part.parameters()) == count


def test_a_variant_says_only_what_differs():
    """Sections are merged, lists replaced; figures and notes stay with who reported them."""
    base, variant = load_experiment("lin-yu2018-gan"), load_experiment("lin-yu2018-gan-as-run")
    assert variant.model == base.model
    assert variant.training.epochs == 200
    assert [variant.optimizer(p).lr for p in PLAYERS] == [3e-4, 3e-4]
    assert base.reported
    assert not variant.reported
    assert variant.notes[0] == "As lin-yu2018-gan, except where its file differs."


def test_variants_of_each_other_are_refused(tmp_path: Path):
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(f"name: one\nextends: {other}\n")
    other.write_text(f"name: other\nextends: {one}\n")
    with pytest.raises(UsageError, match=r"experiments extend each other: .* → "):
        load_experiment(one)


def test_a_bare_key_changes_every_field_of_that_name():
    experiment = resolve("lam2023-cgan", ["lr=2e-4", "epochs=3"])
    assert [experiment.optimizer(p).lr for p in PLAYERS] == [2e-4, 2e-4]
    assert experiment.training.epochs == 3


def test_a_dotted_key_changes_one_field():
    experiment = resolve("lam2023-cgan", ["training.optimizers.generator.lr=5e-4"])
    assert [experiment.optimizer(p).lr for p in PLAYERS] == [1e-3, 5e-4]


def test_name_is_never_changed_by_accident():
    """`name` is the experiment's; that of its optimizers needs the dotted key."""
    experiment = resolve("lam2023-cvae", ["name=mine", "seed=4"])
    assert (experiment.name, experiment.seed) == ("mine", 4)
    assert experiment.optimizer("vae").name == "adam"


def test_data_is_short_for_its_name(tmp_path: Path):
    assert resolve("lam2023-cvae", ["data=digits"]).data.name == "digits"
    folder = tmp_path / "images"
    folder.mkdir()
    assert resolve("lam2023-cvae", [f"data={folder}"]).data.name == str(folder)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch):
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("lam2023-cvae", ["data=images"]).data.name == str(tmp_path / "images")


def test_images_replace_epochs_and_the_other_way_round():
    by_images = resolve("lam2023-cvae", ["images=5000"])
    assert (by_images.training.epochs, by_images.training.images) == (None, 5000)
    assert resolve(by_images, ["epochs=2"]).training.images is None


def test_a_duration_may_be_changed_beside_a_part():
    changed = resolve("lam2023-cvae", ["images=5000", "condition=none", "likelihood=gaussian"])
    assert (changed.training.epochs, changed.training.images) == (None, 5000)
    assert resolve(changed, ["epochs=2", "condition=class"]).training.epochs == 2


def test_values_are_read_as_yaml():
    experiment = resolve("lam2023-cvae", ["betas=[0.5,0.9]", "condition=left-half", "layers=fc-64"])
    assert experiment.optimizer("vae").betas == (0.5, 0.9)
    assert experiment.model.condition.name == "left-half"
    assert experiment.model.encoder.layers == experiment.model.decoder.layers == "fc-64"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("latent_dimm=3", r"unknown field .*'latent_dimm'; did you mean 'latent_dim'"),
        ("epochs=abc", r"training\.epochs: got 'abc'"),
        ("batch_size=0", r"training\.batch_size: got 0; input should be greater than"),
        ("latent_dim=0", r"model\.latent_dim: got 0"),
        ("objective=elbow", "unknown objective 'elbow'; did you mean 'elbo'"),
        ("training=3", r"training is a section; change a field of it, such as training\."),
        ("epochs", r"'epochs' is not key=value"),
        ("generator.lr=1", r"unknown field"),
        ("data=nowhere/at-all", None),
    ],
)
def test_what_is_wrong_is_said(change: str, message: str | None):
    if message is None:
        assert resolve("lam2023-cvae", [change]).data.name == "nowhere/at-all"
        return
    with pytest.raises(UsageError, match=message):
        resolve("lam2023-cvae", [change])


def test_both_durations_are_one_too_many():
    with pytest.raises(UsageError, match="epochs or as images, one of them"):
        resolve("lam2023-cvae", ["images=5000", "epochs=3"])


def test_an_unknown_experiment_lists_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'lam2023-cvae'"):
        load_experiment("lam2023-cva")


def test_a_yaml_file_is_an_experiment(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(to_yaml(load_experiment("lam2023-cvae")))
    assert load_experiment(file) == load_experiment("lam2023-cvae")
    file.write_text("model: [unclosed")
    with pytest.raises(UsageError, match="cannot read the experiment"):
        load_experiment(file)
    file.write_text("- just\n- a list")
    with pytest.raises(UsageError, match="not an experiment"):
        load_experiment(file)


def test_yaml_cannot_make_objects(tmp_path: Path):
    """An experiment file from a stranger is data."""
    file = tmp_path / "evil.yaml"
    file.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(UsageError, match="cannot read the experiment"):
        load_experiment(file)


def test_an_optimizer_for_a_phase_that_is_not_there(toy_data):
    """Only the model knows its phases."""
    content = load_experiment("lam2023-cvae").model_dump(mode="json")
    content["training"]["optimizers"]["generator"] = {}
    experiment = parse_experiment(content, "mine")
    model = build_model(experiment, (1, 28, 28), 10)
    with pytest.raises(UsageError, match="names the phase 'generator', but this CVAE has vae"):
        phase_optimizers(model, experiment.training)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs=.inf", "training.epochs: got inf"),
        ("lr=.inf", "lr: got inf"),
        ("beta=.inf", "model.objective.beta: got inf"),
        ("seed=99999999999999999999999", "seed: got 9999"),
        ("seed=2020-13-45", "seed: got '2020-13-45'"),
        ("betas=[2, 2]", "betas.0: got 2"),
        ("momentum=0.9", "momentum has no effect on adam, but on sgd and rmsprop; leave it out"),
        ("decay=0.5", "decay has no effect on constant, but on exponential"),
        ("notes=[a]", "notes is a list"),
        ("epochs=true", "training.epochs: got true; expected a number"),
        ("batch_size=true", "training.batch_size: got true; expected a number"),
        ("clip=false", "clip: got false; expected a number"),
        ("size=true", "data.size: got true; expected a number"),
        ("beta=true", "model.objective.beta: got true; expected a number"),
        ("epochs=\uff18", "training.epochs: got '\uff18'"),  # a full-width 8
        ("latent_dim=99999999999999999999", "less than or equal to 1000000"),
        ("latent_dim=1000001", "less than or equal to 1000000"),
    ],
)
def test_a_value_that_cannot_be_is_refused(change: str, message: str):
    with pytest.raises(UsageError, match=re.escape(message)):
        resolve("digits-cvae", [change])


def test_a_truth_is_no_number_and_a_number_no_truth():
    """Where either is taken, `true` stays what it is."""
    resolved = resolve("digits-cvae", ["simultaneous=true", "compile=false"])
    assert (resolved.training.simultaneous, resolved.training.compile) == (True, False)


def test_an_unlike_key_lists_the_bare_ones():
    with pytest.raises(UsageError, match="known: accumulate, activation, batch_size, ") as raised:
        resolve("digits-cvae", ["zzz=1"])
    assert "training.batch_size" not in str(raised.value)


@pytest.mark.parametrize("optimizers", [3, [1], "adam"])
def test_optimizers_that_are_no_mapping_are_refused(optimizers: object):
    content = resolve("digits-cvae").model_dump(mode="json")
    content["training"]["optimizers"] = optimizers
    with pytest.raises(UsageError, match=r"training\.optimizers: got"):
        parse_experiment(content, "mine.yaml")


@pytest.mark.parametrize("name", ["../../up", "a/b", "..", "", "a\nb", "c:\\d"])
def test_a_name_that_leaves_runs_is_refused(name: str):
    """The run folder is runs/NAME by default."""
    with pytest.raises(UsageError, match="name: got"):
        resolve("digits-cvae", {"name": name})


def rates(experiment) -> dict[str, float]:
    """The learning rate of every phase that the model has."""
    model = build_model(experiment, (1, 8, 8), 3)
    return {one.phase.name: one.settings.lr for one in phase_optimizers(model, experiment.training)}


def test_the_routing_of_a_hybrid_decides_its_phases(toy_experiment):
    """The optimizers follow, so that one field is enough, there and back."""
    summed = resolve(toy_experiment("hybrid"), {"training.optimizers.autoencoder.lr": 2e-4})
    assert rates(summed) == {"discriminator": 1e-3, "autoencoder": 2e-4}
    larsen = resolve(summed, ["routing=larsen"])
    assert rates(larsen) == {"discriminator": 1e-3, "encoder": 2e-4, "decoder": 2e-4}
    assert resolve(larsen, ["routing=summed"]) == summed
    apart = resolve(larsen, {"training.optimizers.encoder.lr": 5e-4})
    assert rates(apart) == {"discriminator": 1e-3, "encoder": 5e-4, "decoder": 2e-4}
    words = "names the phase 'encoder', but this VAE-GAN has discriminator and autoencoder"
    with pytest.raises(UsageError, match=words):
        rates(resolve(apart, ["routing=summed"]))


def test_one_optimizer_serves_the_phases_that_are_not_named(toy_experiment):
    """`lr` changes them all; a phase that is named begins from the default, and keeps it."""
    cgan = resolve(toy_experiment("cgan"), ["training.optimizer.lr=2e-4"])
    assert rates(cgan) == dict.fromkeys(PLAYERS, 2e-4)
    named = resolve(cgan, {"training.optimizers.generator.every": 2})
    assert named.optimizer("generator").lr == 2e-4
    assert rates(resolve(named, ["training.optimizer.lr=1e-5"])) == {
        "discriminator": 1e-5,
        "generator": 2e-4,
    }
    assert rates(resolve(named, ["lr=3e-4"])) == dict.fromkeys(PLAYERS, 3e-4)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["likelihood=gaussian", "sigma=0.3"], {"name": "gaussian", "sigma": 0.3}),
        (["sigma=0.3", "likelihood=gaussian"], {"name": "gaussian", "sigma": 0.3}),
        (["likelihood={name: gaussian, sigma: 0.3}"], {"name": "gaussian", "sigma": 0.3}),
        (["model.likelihood.name=gaussian"], None),
        (["sigma=0.3"], None),
    ],
)
def test_another_part_brings_its_own_fields(changes, expected, toy_experiment):
    """In whichever order they are given."""
    if expected is None:
        with pytest.raises(UsageError, match="unknown field"):
            resolve(toy_experiment(), changes)
        return
    assert resolve(toy_experiment(), changes).model.likelihood.model_dump() == expected


def test_a_condition_has_fields_of_its_own(toy_experiment):
    binary = resolve(toy_experiment(), ["condition={name: left-half, binary: true}"])
    assert binary.model.condition.binary
    plain = resolve(binary, ["binary=false"])
    assert plain == resolve(toy_experiment(), ["condition=left-half"])


def test_what_was_an_option_without_effect_is_no_field(toy_experiment):
    """Trap: σ of a Bernoulli, a mask without a condition on it."""
    model = toy_experiment().model_dump(mode="json")["model"]
    for wrong, words in [
        ({"sigma": 0.5}, r"unknown field model\.sigma"),
        ({"mask": [[1, 0]]}, r"unknown field model\.mask"),
        ({"condition_binary": True}, r"unknown field model\.condition_binary"),
        ({"likelihood": {"name": "bernoulli", "sigma": 1}}, r"field model\.likelihood\.sigma"),
        ({"condition": {"name": "class", "binary": True}}, r"field model\.condition\.binary"),
        ({"r1": 1.0}, r"unknown field model\.r1"),
    ]:
        content = toy_experiment().model_dump(mode="json") | {"model": {**model, **wrong}}
        with pytest.raises(UsageError, match=words):
            parse_experiment(content, "mine.yaml")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (None, "model: got None; expected the name of a model"),
        ("vae", r"model\.encoder is missing; model\.decoder is missing"),
        ({"latent_dim": 3}, "model: family is missing: which model"),
        (
            {"family": "vea"},
            "family of models 'vea'; did you mean 'vae' or 'hvae' or 'cvae'",
        ),
        ({"family": "classifier", "network": None}, r"model\.network: got None; expected the name"),
        ({"family": "classifier", "network": {"layers": "fc-8", "norms": 1}}, r"network\.norms"),
    ],
)
def test_a_model_that_cannot_be_is_said(wrong, words, toy_experiment):
    content = {**toy_experiment().model_dump(mode="json"), "model": wrong}
    with pytest.raises(UsageError, match=words):
        parse_experiment(content, "mine.yaml")


def test_only_an_autoencoder_goes_into_a_hybrid(toy_experiment):
    """Before anything is built, naming those that are."""
    gan = toy_experiment("cgan").model_dump(mode="json")["model"]
    words = r"model\.autoencoder: family=cgan is no AutoEncoder; use one of (?=.*m2).*cvae"
    with pytest.raises(UsageError, match=words):
        toy_experiment("hybrid", {"autoencoder": gan})
    m2 = toy_experiment("m2").model_dump(mode="json")["model"]
    with pytest.raises(UsageError, match=r"model\.m1: family=m2 is no VAE; use one of .*vae"):
        toy_experiment("m1m2", {"m1": m2})


def test_the_identity_says_what_decides_and_nothing_else(toy_experiment):
    """Words, seeds, upkeep and defaults are no part of a recipe; a field of a part is."""
    toy = toy_experiment()
    assert "model.encoder.layers" in toy.identity()
    assert not {"name", "title", "model.objective.beta", "training.device"} & toy.identity().keys()
    for same in (["seed=7"], ["title=A"], ["name=b"], ["log_every=9"], ["beta=1.0"]):
        assert resolve(toy, same).recipe() == toy.recipe(), same
    others = [["beta=2"], ["model.encoder.norm=batch"], ["likelihood=gaussian"], ["epochs=9"]]
    recipes = {resolve(toy, other).recipe() for other in others}
    assert len(recipes | {toy.recipe()}) == len(others) + 1
    assert resolve(toy, ["seed=7"]).identity() != toy.identity()


def test_a_field_inside_a_hybrid_is_named_as_it_is_written(toy_experiment):
    with pytest.raises(UsageError, match=r"model\.autoencoder\.objective\.beta: got -1;"):
        resolve(toy_experiment("hybrid"), ["beta=-1"])
