"""The endless stream of shuffled epochs, and the data set it never changes."""

import numpy as np
import pytest
import torch

from twofold.data import ImageDataset
from twofold.data.batches import Batch, Batches, PartlyLabeled
from twofold.errors import UsageError


def numbered(count: int, labels: bool = True) -> ImageDataset:
    """Image i is i everywhere, and so is its label."""
    values = np.arange(count)
    images = np.broadcast_to(values[:, None, None, None], (count, 1, 3, 4)).astype(np.uint8)
    names = tuple(map(str, values)) if labels else ()
    return ImageDataset(images, values if labels else None, names)


def which(batch: Batch) -> list[int]:
    """The numbers of the images in a batch."""
    return (batch.x[:, 0, 0, 0] * 255).round().int().tolist()


def stream(batches: Batches, count: int) -> list[int]:
    """The first `count` images of the stream."""
    found: list[int] = []
    step = 0
    while len(found) < count:
        found += which(batches.training_batch(step))
        step += 1
    return found[:count]


@pytest.mark.parametrize("batch_size", [1, 4, 5, 7, 19, 20])
def test_every_epoch_shows_every_image_once(batch_size):
    """Also where the batch size does not divide the 20 images: epochs are laid end to end."""
    seen = stream(Batches(numbered(20), batch_size), 5 * 20)
    epochs = [seen[i : i + 20] for i in range(0, 100, 20)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 5


@pytest.mark.parametrize("batch_size", [3, 20])
def test_every_batch_is_full(batch_size):
    batches = Batches(numbered(20), batch_size)
    assert all(len(batches.training_batch(step)) == batch_size for step in range(30))
    assert batches.steps_per_epoch == 20 / batch_size


def test_the_order_does_not_depend_on_the_batch_size():
    assert stream(Batches(numbered(20), 4), 60) == stream(Batches(numbered(20), 7), 60)


def test_the_order_depends_on_seed_and_epoch_alone():
    """A resumed run asks for step 9 first; the global generator has nothing to do with it."""
    batches = Batches(numbered(20), 7, seed=3)
    in_one_go = [which(batches.training_batch(step)) for step in range(10)]
    torch.manual_seed(99)
    torch.rand(5)
    resumed = Batches(numbered(20), 7, seed=3)
    assert which(resumed.training_batch(9)) == in_one_go[9]
    assert which(resumed.training_batch(2)) == in_one_go[2]  # and back
    assert stream(Batches(numbered(20), 7, seed=4), 20) != stream(batches, 20)


def test_neighboring_seeds_and_epochs_do_not_share_orders():
    orders = [
        tuple(stream(Batches(numbered(30), 30, seed=seed), 150)[i : i + 30])
        for seed in range(8)
        for i in range(0, 150, 30)
    ]
    assert len(set(orders)) == len(orders)


def test_orders_are_uniform():
    """Each image comes first in 1/4 of 1000 epochs, within five binomial errors (0.068)."""
    batches = Batches(numbered(4), 4)
    first = [which(batches.training_batch(step))[0] for step in range(1000)]
    shares = np.bincount(first, minlength=4) / 1000
    assert np.abs(shares - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 1000)


def test_labels_stay_with_their_images():
    batches = Batches(numbered(20), 7)
    for batch in [*map(batches.training_batch, range(6)), *batches.in_order()]:
        assert batch.y is not None
        assert batch.y.tolist() == which(batch)
        assert batch.y.dtype == torch.int64


def test_without_labels():
    assert Batches(numbered(20, labels=False), 7).training_batch(0).y is None


def test_epochs_count_images():
    batches = Batches(numbered(20), 7)
    assert [batches.training_batch(step).epoch for step in (0, 1, 10)] == [0, 7 / 20, 3.5]
    assert all(batch.epoch == float("inf") for batch in batches.in_order())


@pytest.mark.parametrize("batch_size", [None, 6, 100])
def test_in_order_is_the_data_set(batch_size):
    batches = Batches(numbered(20), 7)
    sizes = [len(batch) for batch in batches.in_order(batch_size)]
    assert sizes == {None: [7, 7, 6], 6: [6, 6, 6, 2], 100: [20]}[batch_size]
    assert [i for batch in batches.in_order(batch_size) for i in which(batch)] == list(range(20))


def test_a_batch_larger_than_the_data():
    with pytest.raises(UsageError, match="a batch of 21 is larger than the data: 20 images; use "):
        Batches(numbered(20), 21)
    assert len(Batches(numbered(20), 20)) == 20


@pytest.mark.parametrize("binarize", ["none", "dynamic", "static", "threshold"])
def test_the_data_set_is_never_changed(binarize):
    """Trap: test data overwritten by (re-)scaled training data. Pixels are read, never written."""
    dataset = numbered(20)
    before, fingerprint = dataset.images.copy(), dataset.fingerprint
    batches = Batches(dataset, 7, binarize=binarize, shift=1)
    for step in range(5):
        batches.training_batch(step).x.mul_(0)
    for batch in batches.in_order():
        batch.x.mul_(0)
    np.testing.assert_array_equal(dataset.images, before)
    assert fingerprint == numbered(20).fingerprint
    assert batches.images.dtype == torch.uint8


# --- binarization and shifts ----------------------------------------------------------------------


def gray(count: int = 200) -> ImageDataset:
    rng = np.random.default_rng(0)
    return ImageDataset(rng.integers(0, 256, (count, 1, 4, 4)).astype(np.uint8), None)


def everything(batches: Batches) -> torch.Tensor:
    return torch.cat([batch.x for batch in batches.in_order()])


def test_static_binarization_is_one_fixed_draw():
    """Trap: a test set that changes with the training seed."""
    batches = Batches(gray(), 50, binarize="static", binarize_seed=1, seed=7)
    x = everything(batches)
    assert set(x.unique().tolist()) == {0, 1}
    assert torch.equal(everything(batches), x)
    assert torch.equal(everything(Batches(gray(), 9, binarize="static", binarize_seed=1)), x)
    assert not torch.equal(
        everything(Batches(gray(), 50, binarize="static", binarize_seed=2, seed=7)), x
    )
    training = torch.cat([batches.training_batch(step).x for step in range(4)])
    assert sorted(map(tuple, training.flatten(1).tolist())) == sorted(
        map(tuple, x.flatten(1).tolist())
    )


def test_static_binarization_is_part_of_the_data():
    """Whatever is left out, kept or divided: the same image is the same draw."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (60, 1, 4, 4)).astype(np.uint8)
    splits = {"train": np.arange(40), "test": np.arange(40, 60)}
    whole = ImageDataset(images, np.arange(60) % 3, ("a", "b", "c"), "toy", splits=splits)

    def drawn(part: ImageDataset) -> dict[bytes, bytes]:
        x = Batches(part, 5, binarize="static", binarize_seed=2).images.numpy()
        return {a.tobytes(): b.tobytes() for a, b in zip(part.images, x, strict=True)}

    everything = drawn(whole)
    train = whole.split("train")
    for part in (train, whole.split("test"), train.without(("b",)), train.subset(np.arange(9, 30))):
        found = drawn(part)
        assert len(found) < 60
        assert found.items() <= everything.items()


def test_dynamic_binarization_is_fresh_every_time():
    batches = Batches(gray(), 50, binarize="dynamic")
    torch.manual_seed(0)
    draws = torch.stack([everything(batches) for _ in range(400)])  # (400, N, 1, 4, 4)
    assert set(draws.unique().tolist()) == {0, 1}
    assert not torch.equal(draws[0], draws[1])
    p = everything(Batches(gray(), 50))
    error = (p * (1 - p) / 400).sqrt()
    assert ((draws.mean(dim=0) - p).abs() <= 5 * error + 1e-6).all()


def test_shifts_are_for_training_only():
    dataset = gray()
    shifted = Batches(dataset, 50, shift=1)
    torch.testing.assert_close(everything(shifted), everything(Batches(dataset, 50)))
    torch.manual_seed(0)
    moved, still = shifted.training_batch(0).x, Batches(dataset, 50).training_batch(0).x
    assert not torch.equal(moved, still)


def test_channels_last_changes_the_layout_alone():
    dataset = ImageDataset(np.arange(4 * 3 * 5 * 5, dtype=np.uint8).reshape(4, 3, 5, 5), None)
    plain, last = (Batches(dataset, 2, channels_last=flag).training_batch(0).x for flag in (0, 1))
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, last)


# --- Batch ----------------------------------------------------------------------------------------


def test_what_phases_share_is_made_once():
    batch, made = Batch(torch.zeros(2, 1, 3, 3)), []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [batch.once("a", make), batch.once("a", make), batch.once("b", make)] == [1, 1, 2]
    assert Batch(batch.x).once("a", make) == 3


def test_what_is_shared_may_be_nothing():
    batch, made = Batch(torch.zeros(2, 1, 3, 3)), []
    assert batch.once("c", lambda: made.append(1)) is None
    assert batch.once("c", lambda: made.append(1)) is None
    assert len(made) == 1


def test_a_shift_out_of_sight_is_refused():
    dataset = numbered(4)
    with pytest.raises(UsageError, match="out of sight"):
        Batches(dataset, 2, shift=min(dataset.image_shape[1:]))


def test_a_batch_afresh_shares_nothing():
    batch = Batch(torch.zeros(3, 1, 2, 2), torch.tensor([1, -1, -1]), 2.5, 1, 0.3)
    batch.once("a", lambda: 1)
    again, other = batch.afresh(), batch.afresh(torch.ones(3, 4))
    assert again.x is batch.x
    assert other.x.shape == (3, 4)
    for copy in (again, other):
        assert copy.y is batch.y
        assert (copy.epoch, copy.num_labeled, copy.labeled_share) == (2.5, 1, 0.3)
        assert copy.once("a", lambda: 2) == 2


# --- some labels ----------------------------------------------------------------------------------

KNOWN = [3, 4, 8, 11, 17]


def partly(
    labeled_batch_size: int = 2, batch_size: int = 4, known: list[int] = KNOWN, **options: object
) -> PartlyLabeled:
    """Twenty numbered images, of which some have their number as label."""
    dataset = numbered(20)
    labels = np.full(20, -1)
    labels[known] = known
    dataset = ImageDataset(dataset.images, labels, dataset.class_names)
    return PartlyLabeled(Batches(dataset, batch_size, **options), labeled_batch_size)


def test_the_labeled_come_first():
    data = partly()
    for batch in map(data.training_batch, range(12)):
        assert batch.y is not None
        assert len(batch) == len(batch.y) == 6
        assert batch.num_labeled == 2
        assert batch.labeled_share == 5 / 20
        assert batch.y[:2].tolist() == which(batch)[:2], "with their own labels"
        assert set(which(batch)[:2]) <= set(KNOWN)
        assert batch.y[2:].tolist() == [-1] * 4
        assert not set(which(batch)[2:]) & set(KNOWN)


def test_both_streams_show_every_image_once_an_epoch():
    """An epoch is a pass over the 15 unlabeled; the 5 labeled come round 1.5 times as often."""
    data = partly()
    batches = [data.training_batch(step) for step in range(30)]
    known = [i for batch in batches for i in which(batch)[:2]]
    unknown = [i for batch in batches for i in which(batch)[2:]]
    assert all(sorted(known[i : i + 5]) == KNOWN for i in range(0, 60, 5))
    rest = sorted(set(range(20)) - set(KNOWN))
    assert all(sorted(unknown[i : i + 15]) == rest for i in range(0, 120, 15))
    assert (len(data), data.steps_per_epoch) == (15, 15 / 4)
    assert [batch.epoch for batch in batches[:3]] == [0, 4 / 15, 8 / 15]


def test_the_streams_depend_on_seed_and_step_alone():
    data = partly(seed=3)
    in_one_go = [which(data.training_batch(step)) for step in range(20)]
    torch.manual_seed(99)
    resumed = partly(seed=3)
    assert which(resumed.training_batch(17)) == in_one_go[17]
    assert which(resumed.training_batch(2)) == in_one_go[2]
    other = [which(partly(seed=4).training_batch(step)) for step in range(20)]
    assert other != in_one_go


def test_the_labeled_in_order():
    assert [i for batch in partly().in_order() for i in which(batch)] == KNOWN


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((6, 4), "labeled_batch_size=6 is larger than the 5 labeled images; use lab.*=5 or"),
        ((2, 16), "batch_size=16 is larger than the 15 unlabeled images; use batch_size=15 or"),
    ],
)
def test_more_than_there_are_is_refused(sizes, words):
    with pytest.raises(UsageError, match=f"^{words} smaller"):
        partly(*sizes)
    assert len(partly(5, 15).training_batch(0)) == 20


@pytest.mark.parametrize("binarize", ["none", "static", "threshold"])
def test_a_part_has_the_pixels_of_the_whole(binarize):
    """Trap: static binarization drawn again, so that an image differs between parts."""
    whole = Batches(gray(), 50, binarize=binarize, binarize_seed=1)
    index = torch.tensor([7, 3, 150])
    part = whole.only(index, 50)
    assert torch.equal(everything(part), everything(whole)[index])
    assert (len(part), part.batch_size) == (3, 3)
    assert (len(whole), whole.batch_size) == (200, 50), "the whole is as it was"
    assert len(whole.training_batch(0)) == 50


def test_a_part_has_an_order_of_its_own():
    whole = Batches(numbered(20), 7)
    before = which(whole.training_batch(0))
    part = whole.only(torch.arange(5), 5)
    assert sorted(which(part.training_batch(0))) == [0, 1, 2, 3, 4]
    assert which(whole.training_batch(0)) == before


def test_parts_keep_shift_and_layout():
    data = partly(shift=1, channels_last=True)
    assert data.labeled.shift == data.unlabeled.shift == 1
    assert data.training_batch(0).x.is_contiguous(memory_format=torch.channels_last)
