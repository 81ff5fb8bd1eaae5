"""Completing images: what is visible, what is kept, what is measured, and who cannot."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.conditions import part_mask
from twofold.data import ImageDataset
from twofold.distributions import Masked
from twofold.errors import UsageError
from twofold.evaluation.pixels import psnr, ssim
from twofold.experiments.context import open_run, seeded
from twofold.inpainting.complete import complete
from twofold.inpainting.inpainters import make_inpainter
from twofold.inpainting.visible import part_name, visible_part
from twofold.verbs.inputs import load_inputs

LEFT = part_mask("left-half", 8, 8)
HALF = {"family": "vae", "condition": "left-half"}


@pytest.fixture(autouse=True)
def few_temperatures(monkeypatch):
    monkeypatch.setattr("twofold.inpainting.inpainters.TEMPERATURES", 10)


def by_name(result) -> dict:
    return {measure.name: measure for measure in result.measures}


# --- completions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "model"),
    [
        ("cvae", HALF),
        ("cvae", {**HALF, "predicts": "hidden"}),
        ("cgan", {"family": "gan", "condition": "left-half"}),
        ("cvae", {}),
        ("cvae", {"family": "vae"}),
        ("m2", {}),
        ("hybrid", {}),
        ("draw", {}),
    ],
)
def test_what_is_visible_stays_and_the_rest_varies(run_of, toy_data, family, model):
    result = complete(run_of(family, **model), n=4, num_completions=3, num_draws=5, device="cpu")
    assert result.images.shape == (4, 1, 8, 8)
    assert result.completions.shape == (4, 3, 1, 8, 8)
    assert torch.equal(result.visible, LEFT)
    kept = result.completions[..., LEFT]
    assert torch.equal(kept, result.images[:, None][..., LEFT].expand_as(kept))
    hidden = result.completions[..., ~LEFT]
    assert (hidden[:, 0] - hidden[:, 1]).abs().max() > 0.001
    assert ((result.completions >= 0) & (result.completions <= 1)).all()
    assert "left-half visible" in result.caption
    assert result.picture().shape[1] == 5 * (16 + 2) + 2


def test_the_model_does_not_see_what_is_hidden(run_of, toy_data):
    images = toy_data.images[:3].copy()
    other = np.where(LEFT.numpy(), images, 255 - images)
    for model in (HALF, {"family": "vae"}):
        run = run_of("cvae", **model)
        one, two = (complete(run, x, n=3, num_completions=2, device="cpu") for x in (images, other))
        assert torch.equal(one.completions, two.completions)
        assert not torch.equal(one.images, two.images)


def test_a_seed_reproduces_completions(run_of):
    run = run_of("cvae", **HALF)
    one, two, three = (complete(run, n=2, seed=s, device="cpu").completions for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


def test_a_class_that_is_not_known_is_tried(run_of, toy_data):
    """Without labels no class is read off the hidden part: the rows of the class are in sight."""
    run = run_of("cvae")
    result = complete(run, toy_data.images[:3], n=3, num_completions=2, device="cpu")
    assert result.labels is None
    assert result.completions.isfinite().all()
    found = complete(run, toy_data.images[:3], n=3, label="b", device="cpu")
    assert found.labels.tolist() == [1, 1, 1]


def codes_of(run, images):
    """What `complete` draws given the left half, of images in one batch."""
    trained = open_run(run, "cpu")
    inpainter = make_inpainter(trained, LEFT, completions=1, samples=1)
    batch = next(load_inputs(trained, images).batches())
    with seeded(0, trained.device):
        return inpainter._seen(batch), inpainter


def test_one_image_without_a_label_hides_the_class_of_no_other(run_of, toy_data):
    y = np.array([1, -1, 2, 0])
    chains, inpainter = codes_of(
        run_of("cvae"), ImageDataset(toy_data.images[:4], y, toy_data.class_names)
    )
    for i, k in enumerate(y):
        assert set(chains.c[:, i].tolist()) == ({0, 1, 2} if k < 0 else {k})
    assert chains.z.shape == (33, 4, 4), "as many chains of each of three classes"
    assert inpainter.chains == 33
    assert not torch.equal(chains.z[:, 0], chains.z[:, 2])


def test_codes_are_those_of_their_own_image(run_of, toy_data):
    """In order again, though the images whose class is known go first."""
    images = toy_data.images[[0, 1, 2]].copy()
    images[0] = 0  # black, and far more probable than noise
    for y in ([0, 1, -1], [-1, 1, 0]):
        given = ImageDataset(images, np.array(y), toy_data.class_names)
        found = codes_of(run_of("cvae", epochs=60), given)[0].log_likelihood
        assert found.argmax() == 0
        assert found[0] > found[1:].max() + 1


def test_m2_is_not_given_the_class_that_it_infers(run_of, toy_data):
    chains, _ = codes_of(run_of("m2"), toy_data.subset(range(3)))
    assert all(set(chains.c[:, i].tolist()) == {0, 1, 2} for i in range(3))


def test_figures_say_of_how_many_the_class_was_given(run_of, toy_data):
    some = ImageDataset(toy_data.images[:3], np.array([0, -1, 2]), toy_data.class_names)
    found = by_name(complete(run_of("cvae"), some, n=3, num_completions=2, device="cpu"))
    assert {measure.provenance["num_conditioned"] for measure in found.values()} == {2}
    title = found["completion/log_likelihood/ais"].title
    assert title.startswith("ln p(hidden | visible), given the class where it is known, ")
    for run in (run_of("m2"), run_of("cvae", family="vae"), run_of("cvae", **HALF)):
        found = by_name(complete(run, n=3, num_completions=2, num_draws=2, device="cpu"))
        assert all("num_conditioned" not in measure.provenance for measure in found.values())
        assert not any("given the class" in measure.title for measure in found.values())


def test_who_completes_nothing(run_of):
    with pytest.raises(UsageError, match=r"cannot complete: CGAN has no decoder.*use a VAE"):
        complete(run_of("cgan"), device="cpu")
    with pytest.raises(UsageError, match=r"cannot complete: .* has no decoder.*use a VAE"):
        complete(run_of("classifier"), device="cpu")
    with pytest.raises(
        UsageError, match="num_completions=0, num_draws=100: each must be at least 1"
    ):
        complete(run_of("cvae"), num_completions=0)


# --- what is measured -----------------------------------------------------------------------------


def test_figures_are_those_of_the_pixels(run_of):
    result = complete(run_of("cvae", **HALF), n=6, num_completions=4, device="cpu")
    found = by_name(result)
    x, made = result.images, result.completions.transpose(0, 1)
    each = psnr(made, x, ~LEFT)
    for name, values in {
        "psnr/average": each.mean(dim=0),
        "psnr/best": each.max(dim=0).values,
        "psnr/of_mean": psnr(made.mean(dim=0), x, ~LEFT),
        "ssim/average": ssim(made, x).mean(dim=0),
        "ssim/of_mean": ssim(made.mean(dim=0), x),
    }.items():
        measure = found[f"completion/{name}"]
        assert measure.value == pytest.approx(values.mean().item(), rel=1e-5)
        assert measure.error == pytest.approx(values.std().item() / math.sqrt(6), rel=1e-4)
        assert measure.provenance["visible"] == "left-half"
        assert measure.provenance["images"] == 6


def test_the_likelihood_of_what_is_hidden_by_hand(run_of, monkeypatch):
    """With one draw, ln p(hidden|z, c) + ln p(z) - ln q(z|x, c) and ln p(hidden|z, c)."""
    run = run_of("cvae", **HALF)
    trained = open_run(run, "cpu")
    model = trained.model
    inpainter = make_inpainter(trained, LEFT, completions=1, samples=1)
    batch = next(load_inputs(trained, n=6).batches())
    with seeded(3, trained.device), torch.no_grad():
        bound, prior = inpainter.likelihood(batch)
    with seeded(3, trained.device), torch.no_grad():
        q = model.posterior(batch.x, batch.x)
        z = q.rsample(1)[0]
        p = Masked(model.decode(z, batch.x), ~LEFT).log_prob(batch.x)
        ratio = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=1) - q.log_prob(z)
        torch.testing.assert_close(bound.values.float(), p + ratio, rtol=1e-4, atol=1e-3)
        z = torch.randn(6, 4)
        p = Masked(model.decode(z, batch.x), ~LEFT).log_prob(batch.x)
        torch.testing.assert_close(prior.values.float(), p, rtol=1e-4, atol=1e-3)
    assert any("not a likelihood" in note for note in bound.notes)


def test_a_model_that_predicts_the_hidden_part_alone_is_bounded_as_by_itself(run_of):
    """The same draws: its own log-weights are of the hidden pixels."""
    run = run_of("cvae", **HALF, predicts="hidden")
    trained = open_run(run, "cpu")
    batch = next(load_inputs(trained, n=6).batches())
    with seeded(3, trained.device):
        bound, _ = make_inpainter(trained, LEFT, 1, samples=20).likelihood(batch)
    with seeded(3, trained.device), torch.no_grad():
        expected = trained.model.log_likelihood(batch.x, batch.x, 20)
    torch.testing.assert_close(bound.values, expected, rtol=1e-4, atol=1e-3)


def test_more_images_may_be_measured_than_are_shown(run_of, monkeypatch):
    monkeypatch.setattr("twofold.inpainting.complete.ROWS", 8)  # batches of four
    for measure, count in ((None, 2), (5, 5), ("all", 15)):
        result = complete(
            run_of("cvae", **HALF),
            n=2,
            num_completions=2,
            measure=measure,
            num_draws=2,
            device="cpu",
        )
        assert len(result.completions) == 2
        assert {m.provenance["images"] for m in result.measures} == {count}


def test_which_estimates_each_kind_of_model_gets(run_of):
    found = complete(run_of("cvae", **HALF), n=3, num_draws=7, device="cpu")
    names = [name for name in by_name(found) if "log_likelihood" in name]
    assert names == ["completion/log_likelihood/bound", "completion/log_likelihood/prior"]
    assert by_name(found)[names[0]].provenance["samples"] == 7
    searched = by_name(complete(run_of("cvae"), n=3, device="cpu"))
    assert searched["completion/log_likelihood/ais"].provenance["temperatures"] == 10
    assert 1 <= searched["completion/effective_chains"].value <= 32
    gan = complete(run_of("cgan", family="gan", condition="left-half"), n=3, device="cpu")
    assert not any("log_likelihood" in name for name in by_name(gan))
    assert "a VAE conditioned on a part" in gan.not_measured["log-likelihood of the hidden part"]


# --- what is visible ------------------------------------------------------------------------------


def test_the_left_half_unless_something_else_is_asked_for(run_of, tmp_path):
    model = open_run(run_of("cvae"), "cpu").model
    assert torch.equal(visible_part(model), LEFT)
    assert part_name(visible_part(model, "bottom-left")) == "bottom-left"
    array = np.eye(8)
    for mask in (array, array > 0, torch.as_tensor(array)):
        assert torch.equal(visible_part(model, mask=mask), torch.eye(8).bool())
    Image.fromarray((array * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    assert torch.equal(visible_part(model, mask=tmp_path / "mask.png"), torch.eye(8).bool())


def test_a_painted_region_is_hidden(run_of, tmp_path):
    model = open_run(run_of("cvae"), "cpu").model
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    picture[..., 1] = 128  # no magenta anywhere
    picture[2:4, 3:7] = (250, 6, 249)
    Image.fromarray(picture).save(tmp_path / "painted.png")
    visible = visible_part(model, mask=tmp_path / "painted.png")
    assert not visible[2:4, 3:7].any()
    assert visible.sum() == 64 - 8


def test_masks_that_do_not_fit(run_of):
    model = open_run(run_of("cvae"), "cpu").model
    big = np.zeros((16, 16))
    big[:, :8] = 1
    with pytest.raises(UsageError, match=r"16×16 pixels and the model's images have 8×8.*--resize"):
        visible_part(model, mask=big)
    assert torch.equal(visible_part(model, mask=big, resize=True), LEFT)
    with pytest.raises(UsageError, match="shows 64 of 64 pixels; show some and hide some"):
        visible_part(model, mask=np.ones((8, 8)))
    with pytest.raises(UsageError, match=r"shape \(H, W\), got \(1, 8, 8\)"):
        visible_part(model, mask=np.ones((1, 8, 8)))
    with pytest.raises(UsageError, match="a part or a mask, not both"):
        visible_part(model, "left-half", big)
    with pytest.raises(UsageError, match=r"unknown part of the image 'left'.*'left-half'"):
        visible_part(model, "left")


def test_a_model_with_a_mask_of_its_own_takes_no_other(run_of):
    with pytest.raises(UsageError, match="trained to see left-half and can be shown no other"):
        complete(run_of("cvae", **HALF), part="top-half", device="cpu")


def test_measure_0_measures_nothing(run_of):
    shown = complete(run_of("cvae"), n=2, num_completions=2, measure=0, device="cpu")
    assert not shown.measures
    assert not shown.not_measured
    assert shown.completions.shape[:2] == (2, 2)
