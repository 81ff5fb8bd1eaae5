"""reproduce as a person meets it: a report that there is none of, and Ctrl-C."""

import pytest

from twofold.reproduction import reproduce as reproducing


def test_an_unknown_report(twofold, tmp_path):
    code, _, errors = twofold("reproduce", "lam2024", "--out", tmp_path / "out")
    assert code == 2
    assert "unknown report 'lam2024'; did you mean 'lam2023'" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--jobs", "--seeds"])
def test_what_makes_no_sense_is_refused(twofold, tmp_path, option):
    code, _, errors = twofold("reproduce", "lam2023", option, "-1..x", "--out", tmp_path / "out")
    assert code == 2
    assert option.strip("-") in errors
    assert not (tmp_path / "out").exists()


def test_after_ctrl_c_it_says_how_to_go_on(twofold, tmp_path, monkeypatch):
    def interrupted(*_args: object, **_options: object):
        raise KeyboardInterrupt

    monkeypatch.setattr(reproducing, "reproduce", interrupted)
    code, _, errors = twofold("reproduce", "lam2023", "--out", tmp_path / "out")
    assert code == 130
    assert "the same command continues" in errors
