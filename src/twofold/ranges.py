"""Whole numbers as people write them: `0,1,2`, `0..4`, or both."""

from twofold.errors import UsageError

__all__ = ["whole_numbers"]

MOST = 100_000  # beyond it a range is a slip of the finger


def whole_numbers(text: str, asked: str) -> list[int]:
    """The numbers of a list in which `0..4` stands for the numbers from 0 to 4.

    Arguments:
        text: What was given.
        asked: How it was asked for, `seeds=` or `--seeds `, for the message.

    Raises:
        UsageError: If it is anything else, or nothing.

    Example:
        >>> whole_numbers("7, 0..2", "seeds=")
        [7, 0, 1, 2]
    """
    try:
        return [number for part in text.split(",") for number in _span(part)]
    except ValueError:
        raise UsageError(
            f"{asked}{text} is not understood; write {asked}0,1,2 or {asked}0..4"
        ) from None


def _span(part: str) -> range:
    first, dots, last = part.partition("..")
    start, end = int(first), int(last if dots else first)
    if not 0 <= end - start < MOST:
        raise ValueError(f"no range from {start} to {end}")
    return range(start, end + 1)
