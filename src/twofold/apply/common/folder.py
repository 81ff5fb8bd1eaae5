"""Images as a folder of PNGs, which is a data set again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.files import write_bytes
from twofold.pictures.formats import png_bytes

__all__ = ["require_free", "write_image_folder"]


def require_free(folder: Path) -> None:
    """Refuses a path where there is anything but an empty folder.

    Raises:
        UsageError: If there is.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; choose another name")


def write_image_folder(
    folder: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    class_names: Sequence[str],
) -> None:
    """One numbered PNG each, in a sub-folder per class where there are classes.

    Arguments:
        folder: To be made; one that is there must be empty.
        images: Shape (N, C, H, W).
        labels: The class of each, shape (N,), or None.
        class_names: Of the labels.

    Raises:
        UsageError: If the folder is not empty, or a class has a name that no folder can have.
        RunError: If it cannot be written, for example because the disk is full.
    """
    require_free(folder)
    for name in class_names if labels is not None else ():
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise UsageError(f"the class name {name!r} cannot be a folder; write an .npz")
    digits = len(str(len(images)))
    for i, image in enumerate(images):
        picture = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        home = folder if labels is None else folder / class_names[int(labels[i])]
        write_bytes(home / f"{i:0{digits}d}.png", png_bytes(picture))
