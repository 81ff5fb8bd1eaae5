"""What is drawn of details and arrays, and that nothing is drawn where these are missing."""

import re
from xml.etree import ElementTree

import numpy as np

from twofold.evaluation.coverage import Coverage
from twofold.evaluation.distance import Distance
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import measures
from twofold.evaluation.pictures import draw_by_class, draw_dots
from twofold.report.cost import draw_quality_and_cost
from twofold.report.curves import panels
from twofold.report.samples import grid

from .conftest import accuracy, train_line

CVAE, CGAN, VAE = "lam2023-cvae", "lam2023-cgan", "lin-yu2018-vae-z2"


def texts(picture) -> list[str]:
    """The words of a figure, in the order in which they are drawn."""
    root = ElementTree.fromstring(picture.svg.encode())
    return ["".join(e.itertext()).strip() for e in root.iter("{http://www.w3.org/2000/svg}text")]


def figure(name, value, error=0.1, **fields):
    return Figure(name, name.replace("/", ", "), value, "%", "higher", error, **fields)


def confused(counts):
    return accuracy(50.0, details={"confusion": counts})


def tradeoffs(runs):
    return [(panel.heading, panel.picture) for panel in Coverage().panels(runs)]


def limits(runs):
    return [(p.heading, p.picture) for p in Distance().panels(runs) if p.folded]


def test_nothing_measured_is_nothing_drawn(facts):
    runs = [facts("A", CVAE), facts("B", VAE)]
    assert [p for one in measures().values() for p in one.panels(runs)] == []
    assert [p for one in measures().values() for p in one.findings(runs)] == []


def test_axes_end_where_the_quantity_does_and_points_on_one_another_are_both_seen(facts):
    full = [figure(f"{kind}/classifier", 100.0, 3.0) for kind in ("precision", "recall")]
    ((_, picture),) = tradeoffs([facts("A", CVAE, *full), facts("B", CGAN, *full)])
    shown = texts(picture)
    ticks = [float(text) for text in shown if re.fullmatch(r"[\d.]+", text)]
    assert max(ticks) <= 100.0
    assert {"A", "B"} <= set(shown)


def test_dots_need_two_runs_and_classes_one(facts):
    quantity = Quantity("gan_test", "GAN-test", "%", "higher", least=0.0, most=100.0)
    a = facts("A", CVAE, accuracy(98.0, per_class={"0": 97.0, "1": 99.0}))
    b = facts("B", CGAN, accuracy(91.0))
    assert draw_dots([a], quantity, "gan_test/classifier-cnn") is None
    panel = draw_dots([a, b], quantity, "gan_test/classifier-cnn")
    assert {"A", "B", "%"} <= set(texts(panel.picture))
    by_class = draw_by_class([a, b], "gan_test/classifier-cnn")
    assert {"0", "1", "A"} <= set(texts(by_class.picture))
    assert draw_by_class([b], "gan_test/classifier-cnn") is None


def test_a_mean_over_a_stretch_stands_in_its_middle(facts):
    lines = [train_line(epoch, terms={"vae": {"loss": 5.0 - epoch}}) for epoch in (1.0, 2.0, 3.0)]
    run = facts("A", VAE, records=lines)
    (panel,) = [one for one in panels([run]) if one.title == "Loss of the VAE"]
    assert panel.curves[0].x == (0.5, 1.5, 2.5)


def test_a_single_point_is_no_curve(facts):
    run = facts("A", VAE, records=[train_line(1.0, terms={"vae": {"loss": 3.0}})])
    assert panels([run]) == []


def test_trade_offs_are_by_the_classifier_or_else_by_random_features(facts):
    by_random = [figure(f"{kind}/random", 50.0) for kind in ("precision", "recall")]
    by_both = [*by_random, *(figure(f"{k}/classifier", 60.0) for k in ("density", "coverage"))]
    ((heading, picture),) = tradeoffs([facts("A", VAE, *by_random), facts("B", CVAE)])
    assert heading == "Precision and recall"
    assert "recall, random, %" in texts(picture)
    assert "A" in texts(picture)
    assert "B" not in texts(picture)
    ((heading, _),) = tradeoffs([facts("A", VAE, *by_both)])
    assert heading == "Density and coverage"
    assert tradeoffs([facts("A", VAE, figure("recall/classifier", 3.0))]) == []


def test_the_reference_of_a_trade_off_is_there_once(facts):
    def run(letter, floor):
        kinds = ("precision", "recall")
        return facts(
            letter, CVAE, *(figure(f"{k}/classifier", 9.0, reference=floor) for k in kinds)
        )

    ((_, picture),) = tradeoffs([run("A", 90.0), run("B", 91.0)])
    assert texts(picture).count("real images") == 1
    ((_, picture),) = tradeoffs([run("A", None)])
    assert "real images" not in texts(picture)


def test_quality_is_the_first_that_all_trained_runs_have(facts):
    def run(letter, *measures, seconds=100.0):
        return facts(letter, CVAE, *measures, records=[train_line(seconds=seconds)])

    fid = accuracy(3.0, name="fid/classifier", title="FID", unit="", better="lower")
    both, judged = run("A", fid, accuracy(90)), run("B", accuracy(95), seconds=400.0)
    (panel,) = draw_quality_and_cost([both, judged])
    assert panel.heading == "GAN-test by classifier-cnn, against training time"
    assert "training time, minutes, lower is better" in texts(panel.picture)
    assert draw_quality_and_cost([both, run("B", fid)])[0].heading == "FID, against training time"
    assert draw_quality_and_cost([both]) == []
    assert draw_quality_and_cost([both, run("B")]) == []
    classifier = facts("C", "classifier-cnn")
    assert len(draw_quality_and_cost([both, judged, classifier])) == 1


def test_the_limit_of_fid_is_drawn_at_infinity(facts):
    points = [[n, 2.0 + 600 / n] for n in (100, 200, 300)]
    details = {"points": points}
    limit = Figure("fid_infinity/classifier", "FID", 2.0, "", "lower", 0.1, details=details)
    ((heading, picture),) = limits([facts("A", CVAE, limit), facts("B", CGAN)])
    assert heading == "⟦A⟧ FID"
    assert {"∞", "100", "200", "300"} <= set(texts(picture))
    assert list(limits([facts("A", CVAE, Figure("fid_infinity/classifier", "", 2.0, ""))])) == []


def test_a_grid_is_transparent_between_images():
    array = grid(np.full((3, 3, 4, 4), 9, np.uint8), columns=2)
    assert array.shape == (11, 11, 4)
    assert (array[..., 3] == 255).sum() == 3 * 16
    assert (array[0] == 0).all()


def codes(*names, count=30):
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(count, 2)) for name in names}
    shares = {f"{name.split('_')[0]}_pca_share": np.array([0.61, 0.2]) for name in names}
    labels = np.arange(count) % 3
    return {
        "latents": {**arrays, **shares, "label": labels, "class_names": np.array(["a", "b", "<"])}
    }
