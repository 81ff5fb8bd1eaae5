"""Sentences about distance and diversity, each tried on both of its sides."""

import pytest

from twofold.evaluation.coverage import Coverage
from twofold.evaluation.distance import Distance
from twofold.evaluation.figure import Figure

CVAE, CGAN = "lam2023-cvae", "lam2023-cgan"


def fid(value, reference=1.5):
    return Figure("fid/classifier", "FID", value, "", "lower", 0.2, reference)


def share(name, value, reference=90.0, error=0.5):
    return Figure(name, name, value, "%", "higher", error, reference)


def text_of(found) -> str:
    return " ".join(one.text for one in found).replace("\u00a0", " ")


def test_the_nearer_is_named_beside_the_reference(facts):
    runs = [facts("A", CVAE, fid(3.0)), facts("B", CGAN, fid(20.0))]
    text = text_of(Distance().findings(runs))
    assert text.startswith("⟦A⟧ is ahead with 3.00 ± 0.20; ⟦B⟧ has 20.00 ± 0.20.")
    assert text.endswith("Other real images in the place of the generated ones have 1.5.")
    near = [facts("A", CVAE, fid(3.0)), facts("B", CGAN, fid(3.3))]
    assert "Within noise" in text_of(Distance().findings(near))
    assert "real images" not in text_of(Distance().findings([facts("A", CVAE, fid(3.0, None))]))
    other = [facts("A", CVAE, fid(3.0, 1.5)), facts("B", CGAN, fid(3.0, 1.6))]
    assert "have 1.5 or 1.6." in text_of(Distance().findings(other))


@pytest.mark.parametrize(("value", "said"), [(71.0, True), (73.0, False)])
def test_coverage_far_below_the_reference_is_kinds_that_are_missing(facts, value, said):
    run = facts("A", CVAE, share("coverage/classifier", value))  # 80 % of 90 are 72
    text = text_of(Coverage().findings([run]))
    assert ("⟦A⟧: its images come near 71 % of the test images" in text) is said
    assert ("It misses kinds of images." in text) is said


def test_a_low_recall_alone_is_less_variety(facts):
    run = facts("A", CVAE, share("coverage/classifier", 89.0), share("recall/classifier", 40.0))
    text = text_of(Coverage().findings([run]))
    assert "40 % of the test images lie among its own (recall; among real ones 90 %)" in text
    assert "coverage" not in text
    assert "vary less than real ones" in text


def test_images_off_the_real_ones_leave_open_what_is_missing(facts):
    low = share("coverage/classifier", 30.0)
    run = facts(
        "A", CGAN, low, share("precision/classifier", 95.0), share("density/classifier", 40.0)
    )
    text = text_of(Coverage().findings([run]))
    assert "often off the real ones (density 40 %)" in text
    assert "misses kinds" not in text


def test_what_noise_explains_is_not_called_far(facts):
    assert (
        list(
            Coverage().findings([facts("A", CVAE, share("coverage/classifier", 60.0, error=20.0))])
        )
        == []
    )
    assert (
        list(
            Coverage().findings(
                [facts("A", CVAE, share("coverage/classifier", 60.0, reference=None))]
            )
        )
        == []
    )
    assert list(Coverage().findings([facts("A", CVAE)])) == []
