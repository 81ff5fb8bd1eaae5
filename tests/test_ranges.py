"""Lists of whole numbers."""

import pytest

from twofold.errors import UsageError
from twofold.ranges import whole_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3", [3]),
        ("3, 1", [3, 1]),
        ("0..2", [0, 1, 2]),
        ("5,0..1,5..5", [5, 0, 1, 5]),
        ("-1", [-1]),
    ],
)
def test_what_is_understood(text, numbers):
    assert whole_numbers(text, "seeds=") == numbers


@pytest.mark.parametrize(
    "text", ["", " ", "1,", "1-3", "0..", "..2", "2..1", "0.5", "0..9999999999"]
)
def test_what_is_not(text):
    with pytest.raises(UsageError) as caught:
        whole_numbers(text, "--seeds ")
    assert str(caught.value) == (
        f"--seeds {text} is not understood; write --seeds 0,1,2 or --seeds 0..4"
    )
