"""What a researcher has at hand made one `ImageDataset`: arrays, tensors, and others' data sets."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.data.dataset import ImageDataset
from twofold.data.load import Division, fit, gather, load_dataset, prepare
from twofold.data.pixels import (
    UNLABELED,
    Parts,
    as_images,
    as_parts,
    as_uint8,
    first_names,
    list_odd_sizes,
    stack_images,
)
from twofold.data.resize import checked_size, reason, resize, to_gray, to_pixels
from twofold.data.tree import natural, split_of
from twofold.errors import DataError, UsageError

__all__ = ["as_dataset"]

_IMAGE_KEYS = ("image", "img")
_LABEL_KEYS = ("label", "labels", "fine_label")
_ITEM = "a tensor, an array or a PIL image, or one of these and its label"


def as_dataset(
    images: Any,
    *,
    labels: Any = None,
    name: str = "images",
    size: int | str | tuple[int, int] | None = None,
    gray: bool = False,
    validation: int | float | None = None,
    test: int | float | None = None,
    split_seed: int = 0,
    limit: int | None = None,
) -> ImageDataset:
    """The data set that arrays, tensors, or another library's data set amount to.

    Arguments:
        images: One of

            - an array or tensor (N, H, W), (N, C, H, W) or (N, H, W, C), uint8 or floats in [0, 1];
            - a pair (images, labels);
            - a sequence, such as a list or a `Dataset` of PyTorch, of images (tensors, arrays or
              PIL images), of pairs (image, label), or of mappings with "image" and perhaps "label";
            - a data set of Hugging Face, with columns named so;
            - a mapping from "train", "validation" and "test" to any of these, as a `DatasetDict`;
            - a name or a path, which `load_dataset` takes;
            - an `ImageDataset`, which is given back, with splits if it has none and some are asked
              for.
        labels: Classes 0..K-1, -1 or None where one is not known, or names of classes.
        name: What to call images that come without a name.
        size, gray: As for `load_dataset`.
        validation, test: Sizes of the splits, as for `load_dataset`; 0.1 each, unless the images
            come with splits.
        split_seed: Of the images that are drawn for the splits and for `limit`.
        limit: Keep this many training images, as for `load_dataset`.

    Raises:
        DataError: If the images or labels cannot be read or do not fit.
        UsageError: If an argument cannot be what was given.

    Example:
        >>> dataset = as_dataset(np.zeros((20, 8, 8)), labels=["cat", "owl"] * 10)
        >>> dataset.image_shape, dataset.class_names
        ((1, 8, 8), ('cat', 'owl'))
        >>> {name: len(indices) for name, indices in dataset.splits.items()}
        {'train': 16, 'validation': 2, 'test': 2}
    """
    if labels is not None and isinstance(images, str | Path | ImageDataset | Mapping):
        kind = type(images).__name__
        raise UsageError(f"labels cannot be given beside a {kind}, which brings its own")
    shape = checked_size(size)
    if isinstance(images, str | Path):
        asked = {"validation": validation, "test": test, "split_seed": split_seed, "limit": limit}
        return load_dataset(images, size=size, gray=gray, **asked)
    if not isinstance(images, ImageDataset):
        dataset = gather(_read(images, labels, name, shape, gray), name, "memory")
        return prepare(dataset, Division(validation, test, split_seed), limit, shape, gray)
    if validation is None and test is None and limit is None:
        return fit(images, shape, gray)
    default = 0 if images.splits else 0.1
    return prepare(
        images, Division(validation, test, split_seed, default, default), limit, shape, gray
    )


@dataclass
class _Group:
    """The images of one split, as they come."""

    pixels: NDArray[Any]  # of any layout and range
    labels: Any = None  # numbers or names, one for each image
    class_names: tuple[str, ...] = ()
    notes: Iterable[str] = ()


def _read(images: Any, labels: Any, name: str, size: tuple[int, int] | None, gray: bool) -> Parts:
    if isinstance(images, Mapping):
        splits = _splits(images, name)
        groups = {k: _read_group(x, None, f"{k} of {name}", size, gray) for k, x in splits.items()}
    else:
        groups = {"train": _read_group(images, labels, name, size, gray)}
    values = {split: _label_values(group.labels, name) for split, group in groups.items()}
    lists = [ys for ys in values.values() if isinstance(ys, list)]
    words = {y for ys in lists for y in ys if isinstance(y, str)}
    class_names = {group.class_names for group in groups.values()}
    if words:
        class_names = {tuple(sorted(words, key=natural))}
    if len(class_names) > 1:
        raise DataError(f"the splits of {name} name their classes differently; expected one list")
    names = class_names.pop()
    arrays = {
        split: (group.pixels, _numbered(values[split], names if words else (), name))
        for split, group in groups.items()
    }
    parts = as_parts(arrays, name, names, partly=True, signed=False)
    labeled = any(part.labels is not None for part in parts.groups.values())
    notes = dict.fromkeys(note for group in groups.values() for note in group.notes)
    return Parts(parts.groups, names if labeled else (), (*notes, *parts.notes))


def _splits(images: Mapping[Any, Any], name: str) -> dict[str, Any]:
    known = {key: split_of(str(key)) for key in images}
    splits = {split: images[key] for key, split in known.items() if split}
    if len(splits) < len(images):
        keys = first_names([str(key) for key in images])
        raise UsageError(
            f"{name}: the keys {keys}, expected splits, each once: train, validation and test; "
            "give images and their labels as a pair"
        )
    return splits


def _read_group(
    images: Any, labels: Any, where: str, size: tuple[int, int] | None, gray: bool
) -> _Group:
    if isinstance(images, ImageDataset):
        return _Group(images.images, images.labels, images.class_names, images.notes)
    if isinstance(images, tuple) and len(images) == 2:
        if labels is not None:
            raise UsageError(f"{where}: a pair (images, labels), and labels beside it; leave these")
        if isinstance(images[0], tuple):
            raise UsageError(
                f"{where}: a pair of pairs, expected (images, labels); write splits as "
                '{"train": (x_train, y_train), "test": (x_test, y_test)}'
            )
        return _read_group(*images, where, size, gray)
    if hasattr(images, "__array__"):
        images = _to_array(images)
        if images.dtype != object:
            return _Group(images, labels)
    kind = type(images).__name__
    sequence = hasattr(images, "__len__") and hasattr(images, "__getitem__")
    if hasattr(images, "__next__") or (hasattr(images, "__iter__") and not sequence):
        raise UsageError(
            f"{where}: the type {kind} has no length or cannot be read twice; give a list of its "
            "images, list(...), an array, or the .dataset of a loader"
        )
    if not sequence:
        raise UsageError(
            f"{where}: the type {kind}, expected an array or tensor (N, H, W), (N, C, H, W) or "
            "(N, H, W, C), a pair (images, labels), a list or data set of images, or a path"
        )
    group = _read_items(images, where, size, gray)
    if labels is not None:
        if group.labels is not None:
            raise UsageError(f"{where}: the images have labels of their own; leave labels out")
        group.labels = labels
    return group


def _read_items(items: Any, where: str, size: tuple[int, int] | None, gray: bool) -> _Group:
    """Images that come one by one, with labels or without."""
    labels: list[Any] = []
    done, notes = Counter[str](), dict[str, None]()
    # Hugging Face reads rows in blocks; not every data set of PyTorch ends when it is iterated.
    rows = items if hasattr(items, "features") else (items[i] for i in range(len(items)))

    def decoded() -> Iterator[NDArray[np.uint8]]:
        for i, row in enumerate(rows):
            at = f"image {i} of {where}"
            image, label = _image_and_label(row, at)
            pixels, note, had = _pixels(image, at, size, gray)
            labels.append(label)
            notes.update(dict.fromkeys(note))
            done.update(had)
            yield pixels

    stacked, sizes, more = stack_images(decoded(), len(items), where, done)
    if not labels:
        raise DataError(f"{where} holds no images")
    if odd := list_odd_sizes([f"image {i}" for i in range(len(sizes))], sizes):
        raise DataError(f"{where}: {odd}")
    known = any(label is not None for label in labels)
    return _Group(stacked, labels if known else None, _class_names(items), [*notes, *more])


def _image_and_label(item: Any, at: str) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        image = [item[key] for key in _IMAGE_KEYS if key in item]
        if not image:
            keys = first_names([str(key) for key in item])
            raise DataError(f"{at} has {keys or 'nothing'}, expected {' or '.join(_IMAGE_KEYS)}")
        return image[0], next((item[key] for key in _LABEL_KEYS if key in item), None)
    if not isinstance(item, tuple | list):
        return item, None
    if len(item) not in (1, 2):
        raise DataError(f"{at} is a {type(item).__name__} of {len(item)}, expected {_ITEM}")
    return item[0], item[1] if len(item) == 2 else None


def _pixels(
    image: Any, at: str, size: tuple[int, int] | None, gray: bool
) -> tuple[NDArray[np.uint8], Sequence[str], Sequence[str]]:
    """The image as (C, H, W), a note on its range, and what else it had."""
    from PIL import Image

    if isinstance(image, Image.Image):
        try:
            pixels, had = to_pixels(image, size, gray)
        except Exception as error:  # Pillow's decoders raise many kinds
            raise DataError(f"{at} cannot be read ({reason(error)})") from error
        return pixels, (), had
    if not hasattr(image, "__array__"):
        raise DataError(f"{at} is of the type {type(image).__name__}, expected {_ITEM}")
    array = _to_array(image)
    if array.ndim not in (2, 3):
        raise DataError(
            f"{at} has shape {array.shape}, expected (H, W), (C, H, W) or (H, W, C); "
            "a batch of images is given as one array, not in a list"
        )
    scaled, note = as_uint8({"": array}, at, signed=False)
    pixels = as_images(scaled[""][None], at)  # (1, C, H, W)
    pixels = to_gray(pixels) if gray else pixels
    return (pixels if size is None else resize(pixels, size))[0], note, ()


def _class_names(items: Any) -> tuple[str, ...]:
    """As Hugging Face keeps them, or torchvision."""
    names = getattr(items, "classes", None)
    if isinstance(features := getattr(items, "features", None), Mapping):
        label = next((features[key] for key in _LABEL_KEYS if key in features), None)
        names = getattr(label, "names", None)
    return tuple(names) if names and all(isinstance(name, str) for name in names) else ()


def _label_values(labels: Any, where: str) -> Any:
    """An array of numbers, or a list of names, numbers and None; None without labels."""
    if labels is None:
        return None
    if hasattr(labels, "__array__"):
        labels = _to_array(labels)
        if labels.dtype.kind not in "OUT":
            return labels
    if isinstance(labels, str) or not hasattr(labels, "__iter__"):
        raise DataError(f"{where}: labels are {labels!r}, expected one for each image")
    return [_label_value(label, f"{where}: label {i}") for i, label in enumerate(labels)]


def _label_value(label: Any, at: str) -> Any:
    if label is None:
        return None
    if isinstance(label, str):
        return str(label)
    array = _to_array(label)
    if array.size != 1 or array.dtype == object:
        what = f"has shape {array.shape}" if array.size != 1 else f"is {label!r}"
        raise DataError(f"{at} {what}, expected a whole number or the name of a class")
    return array.item()


def _numbered(values: Any, names: Sequence[str], where: str) -> NDArray[Any] | None:
    """Names of classes as their numbers, None as -1."""
    if values is None or (isinstance(values, np.ndarray) and not names):
        return values
    numbers = {name: k for k, name in enumerate(names)}
    if names and (odd := [y for y in values if y is not None and not isinstance(y, str)]):
        raise DataError(
            f"{where}: some labels are names of classes and some are not, such as {odd[0]!r}; "
            "expected names for all, None where one is not known"
        )
    return np.array([UNLABELED if y is None else numbers.get(y, y) for y in values])


def _to_array(values: Any) -> NDArray[Any]:
    """Anything like an array, on whatever device, as an array that may be written to."""
    if hasattr(values, "detach"):  # a tensor of torch, which need not be installed to read others
        values = values.detach().cpu()
        values = (values.float() if values.is_floating_point() else values).numpy()
    return np.require(values, requirements="W")
