"""The 1797 handwritten digits that come with scikit-learn."""

import numpy as np

from twofold.data.parts import Part, Parts

__all__ = ["read_digits"]


def read_digits() -> Parts:
    """Reads the 8×8 scans; their 17 gray levels 0..16 are scaled to 0..255 and rounded.

    Example:
        >>> read_digits().groups["train"].images.shape
        (1797, 1, 8, 8)
    """
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    images = np.rint(scans * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Parts({"train": Part(images, labels.astype(np.int64))})
