"""The front door: a name or a path in, an `ImageDataset` out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twofold.data.catalog import CATALOG, Entry
from twofold.data.dataset import SPLITS, ImageDataset
from twofold.data.divide import Division, fit, gather, prepare
from twofold.data.download import fetch
from twofold.data.formats import read_path
from twofold.data.pixels import Parts
from twofold.data.resize import checked_size
from twofold.data.stacked import stack
from twofold.errors import UsageError, unknown_name
from twofold.registry import is_known, make

__all__ = ["load_dataset", "load_images"]


def load_dataset(
    source: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    gray: bool = False,
    limit: int | None = None,
    validation: int | float | None = None,
    test: int | float | None = None,
    split_seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> ImageDataset:
    """Loads a named set, or images of one's own.

    A name of the catalog wins over a file of that name; write "./mnist" for the file. A path may be
    a folder of images (sub-folders are classes; train/ and test/ are splits), a zip of one, .npy,
    .npz, IDX files, SVHN's .mat files, or CIFAR-10's binary archive. Training images may lack
    labels: those in a sub-folder "unlabeled", and those of label -1 in .npz.

    Arguments:
        source: A name of `list_datasets()`, or a path.
        size: Side, or (height, width), to bring every image to: center crop, then Lanczos.
        gray: Convert to one channel.
        limit: Keep this many training images, as balanced over the classes as can be, and at most
            as many of the validation split; test images are all kept. Images without a label are
            one more group in the balance.
        validation: Size of the validation split, a count or a fraction of the images that have no
            split of their own; 0 for none. By default as the field divides the named set (MNIST
            and its like: the last 10 000; CIFAR-10: the last 5 000), otherwise 0.1, drawn with
            `split_seed` in proportion to the classes. Only labeled images are drawn and counted
            where some are not, and the others are all trained on.
        test: The same for the test split, by default 0.1, where the source has none of its own.
        split_seed: Seeds the divisions above and `limit`.
        options: Arguments of a data set that a plugin registered.

    Example:
        >>> dataset = load_dataset("digits")
        >>> {name: len(indices) for name, indices in dataset.splits.items()}
        {'train': 1437, 'validation': 180, 'test': 180}
    """
    shape = checked_size(size)
    division = Division(validation, test, split_seed)
    entry = CATALOG.get(source) if isinstance(source, str) else None
    if entry is None and isinstance(source, str) and is_known("dataset", source):
        from twofold.data.convert import as_dataset  # which loads names and paths by this module

        made = make("dataset", {"name": source, **(options or {})})
        dataset = replace(as_dataset(made, name=source), name=source)
    elif options:
        raise UsageError(f"{source} takes no options; only data sets of plugins do")
    elif entry is None:
        path = _existing(source)
        dataset = gather(read_path(path, shape, gray), path.resolve().name, str(path))
    else:
        dataset = gather(_read_named(entry), entry.info.name, entry.info.homepage)
        default, last = entry.validation, entry.validation_last
        division = replace(division, validation_default=default, validation_last=last)
    return prepare(dataset, division, limit, shape, gray)


def load_images(
    source: str | Path, *, size: int | tuple[int, int] | None = None, gray: bool = False
) -> ImageDataset:
    """The images of a source without any split: of a named set those of its test split.

    Arguments:
        source: A name of `list_datasets()`, or a path, which may be that of a single image.
        size: Side, or (height, width), to bring every image to.
        gray: Convert to one channel.

    Example:
        >>> len(load_images("digits"))
        180
    """
    if isinstance(source, str) and source in CATALOG:
        return load_dataset(source, size=size, gray=gray).split("test")
    path, shape = _existing(source), checked_size(size)
    parts = read_path(path, shape, gray)
    groups = [parts.groups[split] for split in SPLITS if split in parts.groups]
    files = tuple(file for group in groups for file in group.files)
    dataset = gather(parts, path.resolve().name, str(path))
    return fit(replace(dataset, splits={}, files=files), shape, gray)


def _read_named(entry: Entry) -> Parts:
    if entry.read is None:
        return stack(load_dataset(entry.stacks), entry.info.counts)
    files = [file for known in CATALOG.values() for file in known.files]
    hashes = {sha for file in files for sha in (file.sha256, file.unzipped_sha256) if sha}
    parts = entry.read(fetch(entry.info.name, entry.files, entry.mirrors, hashes))
    return Parts(parts.groups, entry.class_names, parts.notes)


def _existing(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if source != "" and path.exists():
        return path
    error = unknown_name("data set", str(source), CATALOG)
    raise UsageError(f"{error} (nor is there a file or folder {path})")
