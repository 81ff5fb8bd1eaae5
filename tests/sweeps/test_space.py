"""Spaces as they are written: what is a choice, what a range, and what is neither."""

import pytest

from twofold.errors import UsageError
from twofold.experiments.resolve import resolve
from twofold.sweeps.space import Choice, Range, cells, check_space, parse_space, space_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32,64,100", Choice((32, 64, 100))),
        ("true,false", Choice((True, False))),
        ("fc-8 fc-8,fc-16", Choice(("fc-8 fc-8", "fc-16"))),
        ("2..19", Range(2, 19, log=False, whole=True)),
        ("2..20", Range(2, 20, log=True, whole=True)),
        ("0..20", Range(0, 20, log=False, whole=True)),
        ("-5..5", Range(-5, 5, log=False, whole=True)),
        ("1e-4..1e-2", Range(1e-4, 1e-2, log=True, whole=False)),
        ("0.1..0.9", Range(0.1, 0.9, log=False, whole=False)),
        ("1e1..1e3", Range(10.0, 1000.0, log=True, whole=False)),
    ],
)
def test_a_text_is_a_choice_or_a_range(text, expected):
    fixed, factors = parse_space([f"x={text}"])
    assert (fixed, factors) == ({}, {"x": expected})


@pytest.mark.parametrize("value", ["3", "2e-4", "../images", "[8,9]", "{name: mixture, size: 3}"])
def test_one_value_is_a_change(value):
    fixed, factors = parse_space([f"x={value}"])
    assert factors == {}
    assert list(fixed) == ["x"]


def test_in_python_a_list_is_a_choice_and_a_text_is_read():
    fixed, factors = parse_space({"a": [1, 2]}, {"lr": "1e-3..1e-1", "epochs": 3, "b": True})
    assert factors == {"a": Choice((1, 2)), "lr": Range(1e-3, 1e-1, log=True, whole=False)}
    assert fixed == {"epochs": 3, "b": True}


def test_a_grid_is_every_combination_once():
    _, factors = parse_space(["a=1,2", "b=5..7", "c=x,y"])
    found = [tuple(cell.values()) for cell in cells(factors)]
    assert len(found) == len(set(found)) == 2 * 3 * 2
    assert {a for a, _, _ in found} == {1, 2}
    assert {b for _, b, _ in found} == {5, 6, 7}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latent_dim", "'latent_dim' is neither key=value, as in latent_dim=8,16,32"),
        ("=3", "'=3' is not key=value; for example latent_dim=8,16,32"),
        ("lr=1e-2..1e-4", "lr=1e-2..1e-4 is empty; write the smaller end first"),
        ("latent_dim=8,,16", "latent_dim=8,,16 lacks a value between two commas"),
        ("latent_dim=8,16,8", "latent_dim repeats 8; each value is tried once"),
        ("epochs=3", "there is nothing to try: give values, as in latent_dim=8,16"),
        ("latentdim=8,16", "'latentdim'; did you mean 'latent_dim'?"),
        ("latent_dim=0,3", "model.latent_dim: got 0; input should be greater than"),
        ("latent_dim=1e0..1e1", "latent_dim: got .*; input should be a valid integer"),
        ("seed=0,1", "seed is nothing to choose: it is a seed"),
        ("device=cpu,auto", "device is nothing to choose"),
        ("validation=0.1,0.2", "validation may change the validation images"),
        ("size=8,12", "size may change the validation images"),
    ],
)
def test_an_impossible_space_is_refused(text, words):
    def refused() -> None:
        fixed, factors = parse_space([text])
        check_space(resolve("digits-cvae", fixed), factors)

    with pytest.raises(UsageError, match=words):
        refused()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lr": "1e-4..1e-2"}, "a grid needs values, and lr=0.0001..0.01 is a range"),
        ({"a": range(200), "b": range(200)}, "this grid has 40000 cells"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused(given, words):
    with pytest.raises(UsageError, match=words):
        cells(parse_space(given)[1])


def test_an_empty_choice_is_refused():
    with pytest.raises(UsageError, match="latent_dim has no value to try"):
        parse_space({"latent_dim": []})


def test_how_many_labels_are_kept_is_no_matter_of_the_validation_images():
    fixed, factors = parse_space(["labels=50,100", "data.shift=0,1"])
    check_space(resolve("digits-cvae", fixed), factors)


@pytest.mark.parametrize("experiment", ["lam2023-cvae", "lam2023-cgan"])
def test_the_grid_of_lams_report_has_243_cells_and_the_reports_choice_is_one(experiment):
    fixed, factors = parse_space(["lam2023-grid"])
    chosen = resolve(experiment, fixed)
    check_space(chosen, factors)
    recipes = [resolve(chosen, cell).recipe() for cell in cells(factors)]
    assert len(recipes) == len(set(recipes)) == 3**5
    assert chosen.recipe() in recipes


def test_a_space_is_read_from_a_file_and_its_fields_can_be_replaced(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("latent_dim: [2, 3]\nlr: 1e-4..1e-2\nepochs: 9\n")
    fixed, factors = parse_space([str(path), "epochs=3", "latent_dim=5,6"])
    assert fixed == {"epochs": 3}
    assert factors == {"latent_dim": Choice((5, 6)), "lr": Range(1e-4, 1e-2, True, False)}


@pytest.mark.parametrize("content", ["- a\n", "3: [1]\n", "a: [\n", "\x00"])
def test_a_file_that_is_no_space_is_refused(tmp_path, content):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        parse_space([str(tmp_path / "mine.yaml")])


def test_every_space_of_the_library_is_read():
    for name in space_names():
        assert parse_space([name])[1]
