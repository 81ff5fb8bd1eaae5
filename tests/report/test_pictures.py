"""What is drawn of details and arrays, and that nothing is drawn where these are missing."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from twofold.evaluation.figure import Figure
from twofold.pictures.style import CLASS_COLORS
from twofold.report.figures import (
    draw_bounds,
    draw_limits,
    draw_pictures,
    draw_quality_and_cost,
    draw_tradeoffs,
)
from twofold.report.maps import draw_confusions, draw_maps
from twofold.report.pixels import draw_pairs, grid

from .conftest import accuracy, elbo, train_line

CVAE, CGAN, VAE = "lam2023-cvae", "lam2023-cgan", "lin-yu2018-vae-z2"


def texts(picture) -> list[str]:
    """The words of a figure, in the order in which they are drawn."""
    root = ElementTree.fromstring(picture.svg.encode())
    return ["".join(e.itertext()).strip() for e in root.iter("{http://www.w3.org/2000/svg}text")]


def figure(name, value, error=0.1, **fields):
    return Figure(name, name.replace("/", ", "), value, "%", "higher", error, **fields)


def confused(counts):
    return accuracy(50.0, details={"confusion": counts})


def test_a_confusion_matrix_has_shares_of_its_rows_with_asked_classes_down(facts):
    run = facts("A", CGAN, confused([[3, 1, 0], [0, 8, 0], [50, 25, 25]]))
    run.environment["data"]["class_names"] = ["cat", "dog", "owl"]
    ((heading, picture),) = draw_confusions([run])
    assert heading == "⟦A⟧ GAN-test by classifier-cnn"
    shown = texts(picture)
    assert [text for text in shown if text.isdigit()] == ["75", "25", "100", "50", "25", "25"]
    assert shown.index("asked for") > shown.index("recognized as")
    assert shown.count("cat") == shown.count("owl") == 2


@pytest.mark.parametrize(("counts", "ones"), [([996, 4], 0), ([994, 6], 1)])
def test_shares_of_less_than_half_a_per_cent_are_blank(facts, counts, ones):
    ((_, picture),) = draw_confusions([facts("A", CGAN, confused([counts, [0, 1000]]))])
    assert texts(picture).count("1") == 2 + ones  # the class 1 has its name on either side


@pytest.mark.parametrize("counts", [[], [[1, 2]], [[0, 0], [0, 0]], np.eye(40).tolist()])
def test_what_is_no_matrix_of_a_few_classes_is_not_drawn(facts, counts):
    assert list(draw_confusions([facts("A", CGAN, confused(counts))])) == []


def test_class_names_are_text_in_figures(facts):
    run = facts("A", CGAN, confused([[1, 0], [0, 1]]))
    run.environment["data"]["class_names"] = ["<b>$x_1$", "&amp;"]
    ((_, picture),) = draw_confusions([run])
    assert texts(picture).count("<b>$x_1$") == 2
    assert "<b>" not in picture.inline


def test_trade_offs_are_by_the_classifier_or_else_by_random_features(facts):
    by_random = [figure(f"{kind}/random", 50.0) for kind in ("precision", "recall")]
    by_both = [*by_random, *(figure(f"{k}/classifier", 60.0) for k in ("density", "coverage"))]
    ((heading, picture),) = draw_tradeoffs([facts("A", VAE, *by_random), facts("B", CVAE)])
    assert heading == "Precision and recall"
    assert "recall, random, %, higher is better" in texts(picture)
    assert "A" in texts(picture)
    assert "B" not in texts(picture)
    ((heading, _),) = draw_tradeoffs([facts("A", VAE, *by_both)])
    assert heading == "Density and coverage"
    assert draw_tradeoffs([facts("A", VAE, figure("recall/classifier", 3.0))]) == []


def test_the_floor_of_a_trade_off_is_there_once(facts):
    def run(letter, floor):
        kinds = ("precision", "recall")
        return facts(
            letter, CVAE, *(figure(f"{k}/classifier", 9.0, reference=floor) for k in kinds)
        )

    ((_, picture),) = draw_tradeoffs([run("A", 90.0), run("B", 91.0)])
    assert texts(picture).count("real images") == 1
    ((_, picture),) = draw_tradeoffs([run("A", None)])
    assert "real images" not in texts(picture)


def test_quality_is_the_first_that_all_trained_runs_have(facts):
    def run(letter, *measures, seconds=100.0):
        return facts(letter, CVAE, *measures, records=[train_line(seconds=seconds)])

    fid = accuracy(3.0, name="fid/classifier", title="FID", unit="", better="lower")
    both, judged = run("A", fid, accuracy(90)), run("B", accuracy(95), seconds=400.0)
    ((heading, picture),) = draw_quality_and_cost([both, judged])
    assert heading == "GAN-test by classifier-cnn, against training time"
    assert "training time, minutes, lower is better" in texts(picture)
    assert draw_quality_and_cost([both, run("B", fid)])[0][0] == "FID, against training time"
    assert draw_quality_and_cost([both]) == []
    assert draw_quality_and_cost([both, run("B")]) == []
    classifier = facts("C", "classifier-cnn")
    assert len(draw_quality_and_cost([both, judged, classifier])) == 1


def test_bounds_by_k_need_more_than_one_k(facts):
    def bound(*curve):
        return Figure("iwae/100", "IWAE", -90.0, "nats", details={"convergence": list(curve)})

    curve = [1, -95.0, 0.2], [10, -92.0, 0.2], [100, -90.0, 0.2]
    ((heading, picture),) = draw_bounds([facts("A", CGAN), facts("B", CVAE, bound(*curve))])
    assert heading == "⟦B⟧ IWAE bound"
    assert [text for text in texts(picture) if text.isdigit()] == ["1", "10", "100"]
    assert list(draw_bounds([facts("A", CVAE, bound(curve[0]))])) == []
    assert list(draw_bounds([facts("A", CVAE, elbo(-95.0))])) == []


def test_a_line_of_ais_lies_as_far_above_the_curve_as_it_lay_above_its_own_bound(facts):
    curve = {"convergence": [[1, -95.0, 0.2], [100, -90.0, 0.2]]}
    bound = Figure("iwae/100", "IWAE", -90.0, "nats", details=curve)

    def height(above):
        ais = Figure("ais", "AIS", -70.0, "nats", details={"above_iwae": [above, 0.3]})
        ((_, picture),) = draw_bounds([facts("A", CVAE, bound, ais)])
        dashed = re.findall(
            r'<path d="M [\d.]+ ([\d.]+)\s+L [\d.]+ ([\d.]+)\s*"[^>]*dash', picture.svg
        )
        ((start, end),) = set(dashed)
        assert start == end
        return float(start)

    # Between the curve's ends all heights are on one scale; -95 is as far below as -85 above
    assert height(-5.0) > height(-2.5) > height(0.0)
    assert height(-2.5) - height(0.0) == pytest.approx(height(-5.0) - height(-2.5), abs=0.05)


def test_the_limit_of_fid_is_drawn_at_infinity(facts):
    points = [[n, 2.0 + 600 / n] for n in (100, 200, 300)]
    details = {"points": points}
    limit = Figure("fid_infinity/classifier", "FID", 2.0, "", "lower", 0.1, details=details)
    ((heading, picture),) = draw_limits([facts("A", CVAE, limit), facts("B", CGAN)])
    assert heading == "⟦A⟧ FID, classifier features"
    assert {"∞", "100", "200", "300"} <= set(texts(picture))
    assert (
        list(draw_limits([facts("A", CVAE, Figure("fid_infinity/classifier", "", 2.0, ""))])) == []
    )


def test_pairs_are_generated_above_training_images(facts):
    pairs = np.zeros((2, 3, 1, 4, 4), np.uint8)
    pairs[0], pairs[1] = 200, 50
    arrays = {"nearest": {"first": pairs, "first_distance": np.array([1.0, 3.0, 2.0])}}
    ((mention, strips),) = draw_pairs([facts("A", CVAE, arrays=arrays), facts("B", CGAN)])
    assert mention == "⟦A⟧"
    ((caption, pixels),) = strips
    assert caption == "Not chosen; 1 to 3 apart."
    assert pixels.rows == ("generated", "training")
    solid = pixels.array[pixels.array[..., 3] == 255][:, 0]
    assert solid.tolist() == [200] * 48 + [50] * 48
    broken = {"nearest": {"first": pairs[0]}}
    assert draw_pairs([facts("A", CVAE, arrays=broken)]) == []


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


def test_maps_withhold_the_class_before_they_leak_it(facts):
    arrays = codes("leaking_pca", "leaking_tsne", "withheld_pca", "withheld_tsne")
    ((_, maps),) = draw_maps([facts("A", CVAE, arrays=arrays), facts("B", CGAN)])
    assert [title for title, _ in maps] == [
        "Principal components, true class withheld",
        "t-SNE, true class withheld",
        "Principal components, encoder given the true class",
        "t-SNE, encoder given the true class",
    ]
    shown = texts(maps[0][1])
    assert "first, 61 % of variance" in shown
    assert {"a", "b", "<"} <= set(shown)
    assert not any("variance" in text for text in texts(maps[1][1]))


def test_two_latents_are_their_own_map(facts):
    arrays = codes("withheld_pca", "withheld_code", "withheld_tsne")
    ((_, maps),) = draw_maps([facts("A", VAE, arrays=arrays)])
    assert [title for title, _ in maps] == ["The two latents", "t-SNE"]
    assert (
        draw_maps([facts("A", VAE, arrays={"latents": {"withheld_pca": np.zeros((5, 1))}})]) == []
    )


def test_every_point_of_a_map_is_drawn_in_the_color_of_its_class(facts):
    ((_, maps),) = draw_maps([facts("A", VAE, arrays=codes("withheld_tsne", count=90))])
    ((_, picture),) = maps
    counts = dict.fromkeys(range(3), 0)
    for path, k in re.findall(r'<path d="([^"]*)"[^>]*?stroke: var\(--class-(\d)', picture.inline):
        counts[int(k)] += path.count("L")
    assert counts == {0: 30, 1: 30, 2: 30}
    blue = np.array([int(CLASS_COLORS[0][i : i + 2], 16) for i in (1, 3, 5)])
    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    assert (abs(pixels - blue).max(axis=2) < 3).sum() > 30 * 20  # and far more than its legend
    assert not re.search(r' d="[^"]*\.\d{3}', picture.inline)


def test_nothing_measured_is_nothing_drawn(facts):
    assert not any(draw_pictures([facts("A", CVAE, records=[])]).values())
