"""What is drawn and said of likelihoods and of latent codes."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from twofold.evaluation.figure import Figure
from twofold.evaluation.latents import Latents
from twofold.evaluation.likelihood import Likelihood
from twofold.pictures.style import CLASS_COLORS

from .conftest import elbo

CVAE, CGAN, VAE = "lam2023-cvae", "lam2023-cgan", "lin-yu2018-vae-z2"


def texts(picture) -> list[str]:
    """The words of a figure, in the order in which they are drawn."""
    root = ElementTree.fromstring(picture.svg.encode())
    return ["".join(e.itertext()).strip() for e in root.iter("{http://www.w3.org/2000/svg}text")]


# --- the bound by its number of draws -------------------------------------------------------------


def bound(*curve) -> Figure:
    details = {"convergence": list(curve)}
    return Figure("iwae/100", "IWAE bound, k = 100", -90.0, "nats per image", details=details)


def test_bounds_by_k_need_more_than_one_k(facts):
    curve = [1, -95.0, 0.2], [10, -92.0, 0.2], [100, -90.0, 0.2]
    panels = list(Likelihood().panels([facts("A", CGAN), facts("B", CVAE, bound(*curve))]))
    assert [panel.heading for panel in panels] == ["⟦B⟧ IWAE bound"]
    assert [text for text in texts(panels[0].picture) if text.isdigit()] == ["1", "10", "100"]
    assert list(Likelihood().panels([facts("A", CVAE, bound(curve[0]))])) == []
    assert list(Likelihood().panels([facts("A", CVAE, elbo(-95.0))])) == []


def test_the_elbo_of_several_runs_is_a_dot_each(facts):
    runs = [facts("A", CVAE, elbo(-95.0)), facts("B", CVAE, elbo(-90.0))]
    (panel,) = Likelihood().panels(runs)
    assert panel.heading == "ELBO"
    assert {"A", "B", "nats per image"} <= set(texts(panel.picture))


def test_a_line_of_ais_lies_as_far_above_the_curve_as_it_lay_above_its_own_bound(facts):
    iwae = bound([1, -95.0, 0.2], [100, -90.0, 0.2])

    def height(above):
        ais = Figure("ais", "AIS", -70.0, "nats", details={"above_iwae": [above, 0.3]})
        (panel,) = Likelihood().panels([facts("A", CVAE, iwae, ais)])
        dashed = re.findall(
            r'<path d="M [\d.]+ ([\d.]+)\s+L [\d.]+ ([\d.]+)\s*"[^>]*dash', panel.picture.svg
        )
        ((start, end),) = set(dashed)
        assert start == end
        return float(start)

    # Between the curve's ends all heights are on one scale; -95 is as far below as -85 above
    assert height(-5.0) > height(-2.5) > height(0.0)
    assert height(-2.5) - height(0.0) == pytest.approx(height(-5.0) - height(-2.5), abs=0.05)


# --- in words -------------------------------------------------------------------------------------


def said(*runs) -> list[str]:
    return [finding.text for finding in Likelihood().findings(runs)]


def test_one_bound_is_said_with_its_parts(facts):
    parts = [
        Figure("recon_nll", "reconstruction", 80.0, "nats per image"),
        Figure("kl", "KL", 15.0, "nats per image"),
    ]
    (text,) = said(facts("A", CVAE, elbo(-95.0), *parts))
    assert text.startswith("⟦A⟧ −95.00\xa0±\xa00.20\xa0nats per image.")
    assert text.endswith("Of its negative, 80 is reconstruction and 15 the KL to the prior.")


def test_a_gan_beside_a_vae_has_none(facts):
    texts = said(facts("A", CVAE, elbo(-95.0)), facts("B", CGAN))
    assert texts[-1] == ("⟦B⟧ has none, as no GAN does, and cannot be placed on that scale.")
    assert said(facts("B", CGAN)) == []


def test_no_condition_is_another_kind_than_a_condition(facts):
    """Trap: a figure that does not say what the other does passes for one of its kind."""
    first = {"likelihood": "bernoulli", "conditioned_on": "class"}
    runs = [facts("A", CVAE, elbo(-95.0, provenance=first)) for _ in range(2)]
    assert "not to be compared" not in said(*runs)[0]
    runs[1] = facts("B", CVAE, elbo(-90.0, provenance={"likelihood": "bernoulli"}))
    assert "These are not to be compared: a model with a condition bounds" in said(*runs)[0]


# --- maps of codes --------------------------------------------------------------------------------


def codes(*names, count=30):
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(count, 2)) for name in names}
    shares = {f"{name.split('_')[0]}_pca_share": np.array([0.61, 0.2]) for name in names}
    labels = np.arange(count) % 3
    return {
        "latents": {**arrays, **shares, "label": labels, "class_names": np.array(["a", "b", "<"])}
    }


def test_maps_without_the_class_come_before_those_that_may_leak_it(facts):
    arrays = codes(
        *("label-conditioned_pca", "label-conditioned_tsne"), *("label-free_pca", "label-free_tsne")
    )
    maps = list(Latents().panels([facts("A", CVAE, arrays=arrays), facts("B", CGAN)]))
    assert [panel.heading for panel in maps] == [
        "⟦A⟧ Principal components, the true class kept from the encoder",
        "⟦A⟧ t-SNE, the true class kept from the encoder",
        "⟦A⟧ Principal components, encoder given the true class",
        "⟦A⟧ t-SNE, encoder given the true class",
    ]
    shown = texts(maps[0].picture)
    assert "first, 61 % of variance" in shown
    assert {"a", "b", "<"} <= set(shown)
    assert not any("variance" in text for text in texts(maps[1].picture))


def test_two_latents_are_their_own_map(facts):
    arrays = codes("label-free_pca", "label-free_code", "label-free_tsne")
    maps = Latents().panels([facts("A", VAE, arrays=arrays)])
    assert [panel.heading for panel in maps] == ["⟦A⟧ The two latents", "⟦A⟧ t-SNE"]
    one = {"latents": {"label-free_pca": np.zeros((5, 1))}}
    assert list(Latents().panels([facts("A", VAE, arrays=one)])) == []


def test_every_point_of_a_map_is_drawn_in_the_color_of_its_class(facts):
    (panel,) = Latents().panels([facts("A", VAE, arrays=codes("label-free_tsne", count=90))])
    picture = panel.picture
    counts = dict.fromkeys(range(3), 0)
    for path, k in re.findall(r'<path d="([^"]*)"[^>]*?stroke: var\(--class-(\d)', picture.inline):
        counts[int(k)] += path.count("L")
    assert counts == {0: 30, 1: 30, 2: 30}
    blue = np.array([int(CLASS_COLORS[0][i : i + 2], 16) for i in (1, 3, 5)])
    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    assert (abs(pixels - blue).max(axis=2) < 3).sum() > 30 * 20  # and far more than its legend
    assert not re.search(r' d="[^"]*\.\d{3}', picture.inline)
