"""Cropped SVHN digits in Matlab files: X (H, W, C, N) and y (N, 1) with label 10 for a zero."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.data.parts import Parts
from twofold.data.pixels import as_labels, as_parts
from twofold.errors import DataError

__all__ = ["read_mat_files"]

_DIGITS = tuple("0123456789")


def read_mat_files(paths: Mapping[str, Path], where: str) -> Parts:
    """Reads split -> file; the label 10, SVHN's way to write the digit 0, becomes 0.

    Example:
        >>> from scipy.io import savemat
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     X = np.zeros((8, 8, 3, 2), np.uint8)
        ...     savemat(f"{folder}/x.mat", {"X": X, "y": [[1], [10]]})
        ...     read_mat_files({"train": Path(folder, "x.mat")}, folder).groups["train"].labels
        array([1, 0])
    """
    arrays = {}
    for name, path in paths.items():
        x, y = _load(path)
        arrays[name] = x.transpose(3, 0, 1, 2), _digits(as_labels(y, x.shape[3], where), path)
    return as_parts(arrays, where, _DIGITS)


def _load(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=["X", "y"])
    except NotImplementedError as error:
        raise DataError(
            f"{path} is a Matlab 7.3 (HDF5) file; save it again in Matlab with -v7"
        ) from error
    except (MatReadError, OSError, ValueError, TypeError, KeyError, zlib.error) as error:
        raise DataError(f"{path} is no readable Matlab file ({error}); fetch it again") from error
    if "X" not in content or "y" not in content:
        raise DataError(f"{path} has no variables X and y; expected SVHN's cropped format")
    if content["X"].ndim != 4:
        raise DataError(
            f"{path}: X has shape {content['X'].shape}, expected (H, W, C, N) with C = 1 or 3"
        )
    return content["X"], content["y"]


def _digits(labels: NDArray[np.int64], path: Path) -> NDArray[np.int64]:
    if labels.size and labels.max() > 10:
        raise DataError(f"{path}: labels reach {labels.max()}, expected 1..9 and 10 for a zero")
    return labels % 10
