import numpy as np
import pytest

from twofold.data import ImageDataset, load_dataset, summarize

RNG = np.random.default_rng(0)


def noise(count, channels=1):
    return RNG.integers(0, 256, (count, channels, 6, 6), np.uint8)


def warnings_of(images, labels=None, **options):
    return summarize(ImageDataset(images, labels, **options)).warnings


def test_figures():
    images = noise(10, 3)
    labels = np.arange(10) % 2
    splits = {"train": np.arange(7), "test": np.arange(7, 10)}
    dataset = ImageDataset(images, labels, ("cat", "dog"), "pets", "here", splits, ("a note",))
    summary = summarize(dataset)
    assert summary.num_images == 10
    assert summary.image_shape == (3, 6, 6)
    assert summary.splits == {"train": 7, "test": 3}
    assert summary.class_counts == {"cat": 5, "dog": 5}
    assert summary.pixel_range == (images.min(), images.max())
    assert summary.pixel_mean == pytest.approx(images.mean())
    assert summary.pixel_std == pytest.approx(images.std())
    assert summary.fingerprint == dataset.fingerprint
    assert summary.notes == ("a note",)
    assert summary.warnings == ()


def test_it_can_be_read():
    text = str(summarize(load_dataset("digits")))
    assert text.startswith("digits: 1797 images, 8×8 gray\n")
    assert "train 1437, validation 180, test 180" in text
    assert "10 (0: 178, 1: 182" in text
    unlabeled = ImageDataset(noise(3), None, notes=("scaled",))
    assert "no labels" in str(summarize(unlabeled))
    assert "note         scaled" in str(summarize(unlabeled))


def test_images_without_a_label_are_counted():
    labels = np.array([0, -1, 1, -1, 0, -1, 1])
    summary = summarize(ImageDataset(noise(7), labels, ("cat", "dog")))
    assert summary.class_counts == {"cat": 2, "dog": 2}
    assert summary.num_unlabeled == 3
    assert summary.warnings == ()
    assert "classes      2 (cat: 2, dog: 2)\n  unlabeled   3 of 7 images" in str(summary)
    assert "unlabeled " not in str(summarize(ImageDataset(noise(2), None)))
    assert "unlabeled " not in str(summarize(ImageDataset(noise(2), np.array([0, 1]))))


def test_a_class_with_one_image():
    labels = np.array([0] * 5 + [1])
    assert "1 class(es) with a single image: owl" in warnings_of(
        noise(6), labels, class_names=("cat", "owl")
    )


def test_a_class_without_images():
    warnings = warnings_of(noise(6), np.array([0, 0, 0, 2, 2, 2]))
    assert warnings == ("1 class(es) with no images: 1",)


def test_balance():
    labels = np.array([0] * 30 + [1] * 3)
    (warning,) = warnings_of(noise(33), labels)
    assert warning.startswith("strongly unbalanced: the largest class has 30 images")
    assert warnings_of(noise(32), labels[1:]) == ()


def test_already_binary():
    binary = (noise(9) > 127).astype(np.uint8) * 255
    assert warnings_of(binary) == ("already binary: only the values 0 and 255 occur",)


def test_masks_of_zeros_and_ones_are_dark():
    binary, dark = warnings_of((noise(9) > 127).astype(np.uint8))
    assert binary.startswith("already binary")
    assert dark.startswith("very dark: the brightest pixel is 1 of 255")


def test_flat_images():
    images = noise(5)
    images[1:3] = 7
    assert warnings_of(images) == ("2 of 5 images are one flat color",)


def test_gray_in_three_channels():
    assert warnings_of(np.repeat(noise(4), 3, axis=1)) == (
        "gray images in three equal channels; gray=True loses nothing",
    )


def test_copies_across_splits():
    images = noise(10)
    images[8] = images[2]
    images[9] = images[8]
    images[4] = images[5]  # a copy within train is not a leak
    splits = {"train": np.arange(6), "validation": np.array([6, 7]), "test": np.array([8, 9])}
    assert warnings_of(images, splits=splits) == ("2 of 2 test images are exact copies in train",)


def test_an_empty_set():
    assert summarize(ImageDataset(noise(0), None)).num_images == 0
