"""What a verb gives back: tensors that show themselves as a picture and save themselves."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import UsageError
from twofold.experiments.environment import describe_versions
from twofold.files import write_arrays, write_bytes, write_json
from twofold.metrics.measure import Measure
from twofold.pictures.formats import png_bytes, webp_bytes
from twofold.pictures.sheets import to_uint8

__all__ = ["Result", "pixels"]

Save = Callable[[Path], None]


class Result(ABC):
    """The outcome of a verb.

    Attributes:
        caption: Model, seed and run in words; it goes into the files.
        measures: Figures that go with it, if any.
        not_measured: What could not be measured, and why.
    """

    caption: str
    measures: Sequence[Measure] = ()
    not_measured: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def picture(self) -> NDArray[np.uint8]:
        """The whole as one picture, shape (H, W) or (H, W, 3)."""

    @abstractmethod
    def arrays(self) -> Mapping[str, Any]:
        """The tensors by name, for an .npz."""

    def png(self) -> bytes:
        """The picture as a file, with the caption inside."""
        return png_bytes(self.picture(), [("Description", self.caption)])

    def frames(self) -> Sequence[NDArray[np.uint8]]:
        """Pictures of one size that make an animation; empty where nothing moves."""
        return ()

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Any]]] | None:
        """Headings and rows, where a spreadsheet says more than a picture."""
        return None

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


def pixels(images: Tensor) -> NDArray[np.uint8]:
    """Images in [0, 1] of any leading shape, (..., C, H, W), as 0..255."""
    return to_uint8(images.cpu().numpy())


def _plain(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        for name, value in arrays.items()
    }


def _csv(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)
    return text.getvalue().encode()
