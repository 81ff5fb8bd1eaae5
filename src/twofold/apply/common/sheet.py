"""Results that are images in rows and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from twofold.apply.common.result import Result, pixels
from twofold.pictures.sheets import contact_sheet, grid, side_of

__all__ = ["Sheet", "Strips"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sheet(Result):
    """Images in rows and columns.

    Attributes:
        images: Floats in [0, 1], shape (rows, columns, C, H, W).
        row_heads: What stands beside each row; empty where nothing does.
        column_heads: What stands above each column; empty where nothing does.
    """

    images: Tensor
    row_heads: Sequence[str] = ()
    column_heads: Sequence[str] = ()
    caption: str

    def picture(self) -> NDArray[np.uint8]:
        return grid(pixels(self.images), self.row_heads, self.column_heads)

    def arrays(self) -> Mapping[str, Any]:
        return {"images": self.images}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Strips(Sheet):
    """Rows along each of which something changes, so that its columns in turn are a film."""

    def frames(self) -> list[NDArray[np.uint8]]:
        """All rows at once, as close to a square as they go, there and back again."""
        columns = pixels(self.images.transpose(0, 1))
        wide, scale = side_of(len(self.images)), max(1, round(84 / self.images.shape[-2]))
        there = [contact_sheet(column, wide, scale=scale) for column in columns]
        return there + there[-2:0:-1]
