"""Sentences about distance, diversity and copies, each tried on both of its sides."""

import pytest

from twofold.evaluation.figure import Figure
from twofold.report.reading import beside_the_floor, misses, readings, repeats

CVAE, CGAN = "lam2023-cvae", "lam2023-cgan"


def fid(value, reference=1.5):
    return Figure("fid/classifier", "FID", value, "", "lower", 0.2, floor)


def share(name, value, reference=90.0, error=0.5):
    return Figure(name, name, value, "%", "higher", error, floor)


def text_of(found) -> str:
    return " ".join(one.text for one in found).replace("\u00a0", " ")


def test_the_nearer_is_named_beside_the_floor(facts):
    runs = [facts("A", CVAE, fid(3.0)), facts("B", CGAN, fid(20.0))]
    text = text_of(one for one in readings(runs) if one.topic == "FID")
    assert text.startswith("⟦A⟧ is ahead with 3.00 ± 0.20; ⟦B⟧ has 20.00 ± 0.20.")
    assert text.endswith("Real training images in the place of the generated ones have 1.5.")
    near = [facts("A", CVAE, fid(3.0)), facts("B", CGAN, fid(3.3))]
    assert "Within noise" in text_of(readings(near))
    assert beside_the_floor([facts("A", CVAE, fid(3.0, None))], "fid/classifier") == []
    other = [facts("A", CVAE, fid(3.0, 1.5)), facts("B", CGAN, fid(3.0, 1.6))]
    assert "have 1.5 or 1.6." in text_of(beside_the_floor(other, "fid/classifier"))


@pytest.mark.parametrize(("value", "said"), [(71.0, True), (73.0, False)])
def test_coverage_far_below_the_floor_is_kinds_that_are_missing(facts, value, said):
    run = facts("A", CVAE, share("coverage/classifier", value))  # 80 % of 90 are 72
    text = text_of(misses([run]))
    assert ("⟦A⟧: its images come near 71 % of the test images" in text) is said
    assert ("It misses kinds of images." in text) is said


def test_a_low_recall_alone_is_less_variety(facts):
    run = facts("A", CVAE, share("coverage/classifier", 89.0), share("recall/classifier", 40.0))
    text = text_of(misses([run]))
    assert "40 % of the test images lie among its own (recall; among real ones 90 %)" in text
    assert "coverage" not in text
    assert "vary less than real ones" in text


def test_images_off_the_real_ones_leave_open_what_is_missing(facts):
    low = share("coverage/classifier", 30.0)
    run = facts(
        "A", CGAN, low, share("precision/classifier", 95.0), share("density/classifier", 40.0)
    )
    text = text_of(misses([run]))
    assert "often off the real ones (density 40 %)" in text
    assert "misses kinds" not in text


def test_what_noise_explains_is_not_called_far(facts):
    assert misses([facts("A", CVAE, share("coverage/classifier", 60.0, error=20.0))]) == []
    assert misses([facts("A", CVAE, share("coverage/classifier", 60.0, reference=None))]) == []
    assert misses([facts("A", CVAE)]) == []


@pytest.mark.parametrize(("value", "said"), [(1.9, False), (2.1, True)])
def test_copies_above_the_floor_are_memory(facts, value, said):
    copies = Figure("copies", "copies", value, "%", "lower", 0.5, 1.0)
    text = text_of(repeats([facts("A", CVAE, copies), facts("B", CGAN)]))
    assert ("⟦A⟧ repeats its training images: 2.1 % of its images are copies" in text) is said
    assert bool(text) is said
