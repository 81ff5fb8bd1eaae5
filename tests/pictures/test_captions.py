"""Images with a word above each."""

import numpy as np
import pytest

from twofold.errors import UsageError
from twofold.pictures.sheets import add_captions


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_have_one_width_and_words_stand_above(channels: int):
    images = np.zeros((5, channels, 28, 28), np.uint8)
    picture = add_captions(images, ["a", "b", "c", "d", "e"], columns=3)
    assert picture.shape[:2] == (2 * (26 + 2 + 86), 2 + 3 * 86)
    assert picture.ndim == (2 if channels == 1 else 3)
    plain = add_captions(images, [""] * 5, columns=3)
    changed = np.argwhere(plain != picture)[:, 0]
    assert set(changed // (26 + 88)) == {0, 1}  # words in both rows
    assert (changed % (26 + 88) < 26).all()  # and above the images only


def test_a_word_for_each():
    with pytest.raises(UsageError, match="2 words for 3 images"):
        add_captions(np.zeros((3, 1, 8, 8), np.uint8), ["a", "b"])
