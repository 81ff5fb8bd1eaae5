"""Experiments are data: what is ambiguous, endless or too large is refused in a sentence."""

import time

import pytest

from twofold.errors import TwofoldError, UsageError
from twofold.experiments.resolve import load_experiment, resolve
from twofold.files import parse_yaml


def test_aliases_are_read_and_do_not_multiply():
    assert parse_yaml("a: &x [1, 2]\nb: [*x, *x]") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))
    start = time.perf_counter()
    with pytest.raises(ValueError, match="more than 100000 values, its aliases"):
        parse_yaml(f"a0: &a0 [1]\n{levels}")
    with pytest.raises(ValueError, match="more than 100000 values"):
        parse_yaml("a: &a [*a]")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nname: x\nseed: 2", "the key 'seed' is given twice"),
        ("a: {b: 1, b: 1}", "the key 'b' is given twice"),
        ("a: &a {b: 1}\nc:\n  <<: *a", "merge key << is not read"),
        ("a: " + "[" * 40_000 + "]" * 40_000, "nested too deeply"),  # which ended the process
    ],
)
def test_yaml_that_is_refused(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UsageError, match=rf"cannot read the experiment .*x\.yaml: .*{words}"):
        load_experiment(tmp_path / "x.yaml")


def test_files_that_are_no_experiments(tmp_path):
    (tmp_path / "large.yaml").write_text("#" * (1 << 20) + "\n")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "family.yaml").write_text(
        "name: x\ndata: digits\nmodel: {family: [1]}\ntraining: {}"
    )
    for name in ("large.yaml", "zero.yaml", "family.yaml", "x" * 5000 + ".yaml", "absent.yaml"):
        with pytest.raises(TwofoldError) as caught:
            load_experiment(tmp_path / name)
        assert len(str(caught.value)) < 6000


@pytest.mark.parametrize("value", ["9" * 6000, "0x" + "f" * 6000, "[" * 6000, "x" * 100_000])
def test_no_message_repeats_its_input(value):
    for text in (f"epochs={value}", f"family={value}", value, f"{value[:3000]}=1"):
        with pytest.raises(UsageError) as caught:
            resolve("digits-cvae", [text])
        assert len(str(caught.value)) < 2000
    with pytest.raises(UsageError) as caught:
        resolve(value)
    assert len(str(caught.value)) < 6000  # with the names that are known


def test_sizes_of_experiments_in_words():
    assert resolve("digits-cvae", ["size=32,44"]).data.size == (32, 44)
    assert resolve("digits-cvae", ["size=32x44"]).data.size == (32, 44)
    assert resolve("digits-cvae", ["size=28"]).data.size == 28
    with pytest.raises(UsageError, match="height and width such as 32,44"):
        resolve("digits-cvae", ["size=wide"])
