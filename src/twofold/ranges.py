"""Lists as people write them: whole numbers, `0,1,2` or `0..4`, and names, `cat,dog`."""

from collections.abc import Collection

from twofold.errors import UsageError

__all__ = ["name_list", "whole_numbers"]

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


def name_list(text: str, known: Collection[str] = ()) -> list[str]:
    """The names of a list with commas between, in which `0..4` stands for the numbers 0 to 4.

    Arguments:
        text: What was given.
        known: Names, of which one that has a comma or dots is not taken apart.

    Example:
        >>> name_list("likelihood, ais"), name_list("3,0..2"), name_list("1,5 mm", ["1,5 mm"])
        (['likelihood', 'ais'], ['3', '0', '1', '2'], ['1,5 mm'])
    """
    if text in known:
        return [text]
    parts = [part.strip() for part in text.split(",")]
    return [name for part in parts for name in ([part] if part in known else _expanded(part))]


def _expanded(part: str) -> list[str]:
    first, dots, last = part.partition("..")
    if dots and first.isdecimal() and last.isdecimal():
        return list(map(str, whole_numbers(part, "")))
    return [part]
