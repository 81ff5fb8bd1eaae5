"""What a verb gives back: tensors that show themselves as a picture and save themselves.

Nothing here imports torch: arrays of numpy are tensors, too.
"""

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.files import atomic_folder, write_arrays, write_bytes, write_json
from twofold.pictures.formats import png_bytes, webp_bytes
from twofold.pictures.sheets import contact_sheet, grid, side_of, to_uint8

if TYPE_CHECKING:
    from torch import Tensor

    from twofold.evaluation.figure import Figure

__all__ = ["Result", "Save", "Sheet", "Strips", "pixels", "write_image_folder", "write_images"]

Save = Callable[[Path], None]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Result(ABC):
    """The outcome of a verb.

    Attributes:
        saved: Names of the attributes that an .npz holds, those that are None or () left out.
        caption: Model, seed and run in words; it goes into the files.
        measures: Figures that go with it, if any.
        not_measured: What could not be measured, and why.
    """

    saved: ClassVar[Sequence[str]] = ()

    caption: str
    measures: "Sequence[Figure]" = ()
    not_measured: Mapping[str, str] = field(default_factory=dict)

    @abstractmethod
    def picture(self) -> NDArray[np.uint8]:
        """The whole as one picture, shape (H, W) or (H, W, 3)."""

    def arrays(self) -> Mapping[str, Any]:
        """Tensors and arrays by name, for an .npz."""
        values = {name: getattr(self, name) for name in self.saved}
        return {
            name: value if hasattr(value, "cpu") else np.asarray(value)
            for name, value in values.items()
            if not (value is None or (isinstance(value, tuple) and not value))
        }

    def png(self) -> bytes:
        """The picture as a file, with the caption inside."""
        return png_bytes(self.picture(), [("Description", self.caption)])

    def frames(self) -> Sequence[NDArray[np.uint8]]:
        """Pictures of one size that make an animation; empty where nothing moves."""
        return ()

    def by_heading(self) -> Mapping[str, Sequence[Any]]:
        """The columns of a table, where a spreadsheet says more than a picture; else none."""
        return {}

    def highlights(self) -> Mapping[str, Sequence[str]]:
        """The columns of the few lines that the command line prints; else none."""
        return {}

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Any]]] | None:
        """Headings and rows, if there is a table."""
        columns = self.by_heading()
        return (list(columns), list(zip(*columns.values(), strict=True))) if columns else None

    def writers(self) -> dict[str, Save]:
        """How to write each kind of file, by its ending."""
        found: dict[str, Save] = {
            ".png": lambda path: write_bytes(path, self.png()),
            ".npz": lambda path: write_arrays(path, _plain(self.arrays())),
        }
        if self.frames():
            found[".webp"] = lambda path: write_bytes(path, webp_bytes(self.frames()))
        if table := self.table():
            found[".csv"] = lambda path: write_bytes(path, _csv(*table))
        if self.measures:
            found[".json"] = lambda path: write_json(path, self._figures())
        return found

    def _figures(self) -> dict[str, Any]:
        """The measures as plain data."""
        from twofold.experiments.environment import describe_versions

        return {
            "caption": self.caption,
            "measures": [measure.to_dict() for measure in self.measures],
            "not_measured": dict(self.not_measured),
            "versions": describe_versions(),
        }

    def save(self, path: str | Path) -> Path:
        """Writes itself as the ending of the path says.

        Raises:
            UsageError: If it has no such form, naming those it has.
        """
        path, writers = Path(path), self.writers()
        if path.suffix not in writers:
            forms = ", ".join(suffix or "a folder's name" for suffix in writers)
            what = path.suffix or "a folder"
            raise UsageError(f"cannot write {path.name} as {what}; this can be written as {forms}")
        writers[path.suffix](path)
        return path

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.caption}>"

    def _repr_png_(self) -> bytes:
        return self.png()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sheet(Result):
    """Images in rows and columns.

    Attributes:
        images: Floats in [0, 1], shape (rows, columns, C, H, W).
        row_heads: What stands beside each row; empty where nothing does.
        column_heads: What stands above each column; empty where nothing does.
    """

    saved = ("images",)

    images: "Tensor"
    row_heads: Sequence[str] = ()
    column_heads: Sequence[str] = ()

    def picture(self) -> NDArray[np.uint8]:
        return grid(pixels(self.images), self.row_heads, self.column_heads)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Strips(Sheet):
    """Rows along each of which something changes, so that its columns in turn are a film."""

    def frames(self) -> list[NDArray[np.uint8]]:
        """All rows at once, as close to a square as they go, there and back again."""
        wide, scale = side_of(len(self.images)), max(1, round(84 / self.images.shape[-2]))
        columns = pixels(self.images.transpose(0, 1))
        there = [contact_sheet(column, wide, scale=scale) for column in columns]
        return there + there[-2:0:-1]


def pixels(images: Any) -> NDArray[np.uint8]:
    """Images in [0, 1] of any leading shape, (..., C, H, W), as 0..255."""
    return to_uint8(_array(images))


def write_images(
    folder: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    class_names: Sequence[str],
) -> None:
    """A numbered PNG of each image (N, C, H, W), in a sub-folder per class where there are labels.

    Raises:
        UsageError: If a class has a name that no folder can have.
        RunError: If it cannot be written, for example because the disk is full.
    """
    for name in class_names if labels is not None else ():
        if name in ("", ".", "..") or set(name) & set("/\\") or not name.isprintable():
            raise UsageError(f"the class name {name!r} cannot be a folder; write an .npz")
    digits = len(str(len(images)))
    for i, image in enumerate(images):
        picture = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        home = folder if labels is None else folder / class_names[int(labels[i])]
        write_bytes(home / f"{i:0{digits}d}.png", png_bytes(picture))


def write_image_folder(
    folder: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    class_names: Sequence[str],
) -> None:
    """What `write_images` writes, as a new folder, whole or not at all."""
    with atomic_folder(folder) as temporary:
        write_images(temporary, images, labels, class_names)


def _plain(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _array(value) for name, value in arrays.items()}


def _array(values: Any) -> NDArray[Any]:
    """A tensor of torch, wherever it is, or anything that numpy takes."""
    return values.cpu().numpy() if hasattr(values, "cpu") else np.asarray(values)


def _csv(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)
    return text.getvalue().encode()
