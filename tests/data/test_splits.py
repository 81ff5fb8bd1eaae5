import numpy as np
import pytest

from twofold.data.splits import balanced_order, drawable, hold_out, hold_out_last, resolve_count
from twofold.errors import DataError, UsageError


def test_hold_out_is_disjoint_exhaustive_and_in_proportion():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    kept, held = hold_out(np.arange(100), labels, 20, seed=3)
    assert sorted([*kept, *held]) == list(range(100))
    assert np.bincount(labels[held]).tolist() == [12, 6, 2]


def test_remainders_make_up_the_exact_count():
    labels = np.repeat([0, 1, 2], [5, 5, 5])
    _, held = hold_out(np.arange(15), labels, 4, seed=0)
    assert sorted(np.bincount(labels[held], minlength=3)) == [1, 1, 2]


def test_hold_out_draws_only_from_the_pool():
    labels = np.zeros(10, np.int64)
    kept, held = hold_out(np.array([2, 4, 6, 8]), labels, 2, seed=0)
    assert sorted([*kept, *held]) == [2, 4, 6, 8]


def test_the_seed_decides():
    labels = np.arange(200) % 4
    first, again, other = (hold_out(np.arange(200), labels, 20, s)[1].tolist() for s in (1, 1, 2))
    assert first == again != other


def test_unlabeled_images_are_held_out_too():
    kept, held = hold_out(np.arange(10), None, 3, seed=0)
    assert len(held) == 3
    assert sorted([*kept, *held]) == list(range(10))


def test_images_without_a_label_are_not_held_out():
    labels = np.repeat([0, -1, 1], [60, 100, 40])
    kept, held = hold_out(np.arange(200), labels, 10, seed=0)
    assert np.bincount(labels[held]).tolist() == [6, 4]
    assert sorted([*kept, *held]) == list(range(200))
    assert drawable(np.array([5, 70, 199]), labels).tolist() == [5, 199]
    assert drawable(np.array([5, 70, 199]), None).tolist() == [5, 70, 199]


def test_every_class_keeps_an_image_to_train_on():
    labels = np.repeat([0, 1], [2, 8])
    kept, _ = hold_out(np.arange(10), labels, 8, seed=0)
    assert set(labels[kept]) == {0, 1}
    with pytest.raises(DataError, match=r"cannot hold out 9 of 10 images in 2 .*at most 8"):
        hold_out(np.arange(10), labels, 9, seed=0)


def test_a_class_of_one_cannot_be_stratified():
    with pytest.raises(DataError, match=r"1 class\(es\) have a single image.*'owl'.*validation=0"):
        hold_out(np.arange(4), np.array([0, 0, 0, 1]), 1, 0, ("cat", "owl"))


def test_hold_out_last():
    kept, held = hold_out_last(np.arange(10, 20), 3)
    assert held.tolist() == [17, 18, 19]
    assert kept.tolist() == list(range(10, 17))
    assert len(hold_out_last(np.arange(5), 0)[1]) == 0


def test_balanced_order_is_balanced_at_every_length():
    labels = np.repeat([0, 1, 2], [50, 20, 5])
    order = balanced_order(np.arange(75), labels, seed=0)
    assert sorted(order) == list(range(75))
    for length in (3, 7, 12, 15):
        counts = np.bincount(labels[order[:length]], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(labels[order[:45]]).tolist() == [20, 20, 5]


def test_the_unlabeled_are_one_more_group_in_the_balance():
    labels = np.repeat([0, 1, -1], [50, 20, 90])
    order = balanced_order(np.arange(160), labels, seed=0)
    assert np.bincount(labels[order[:30]] + 1).tolist() == [10, 10, 10]


def test_balanced_order_does_not_always_begin_with_class_zero():
    labels = np.arange(30) % 3
    first = {int(labels[balanced_order(np.arange(30), labels, seed)[0]]) for seed in range(20)}
    assert first == {0, 1, 2}


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (7, 7), (0.0, 0), (0.1, 10), (0.001, 1), (np.int64(3), 3)]
)
def test_counts_and_fractions(value, expected):
    assert resolve_count(value, 100, "test") == expected


def test_an_impossible_size_says_of_what():
    with pytest.raises(UsageError, match="test=9 of 9 labeled images; expected 0 to 8"):
        resolve_count(9, 9, "test", "labeled images")


@pytest.mark.parametrize("value", [-1, 100, 1.0, -0.1, True, "10", float("nan")])
def test_impossible_sizes(value):
    with pytest.raises(UsageError, match="test="):
        resolve_count(value, 100, "test")
