"""Numbers and lists as a person would write them, with spaces at which no line breaks."""

import math
import statistics
from collections.abc import Sequence
from itertools import takewhile

__all__ = [
    "capitalize",
    "common_title",
    "count",
    "duration",
    "epochs",
    "listing",
    "mean_and_spread",
    "memory",
    "number",
    "plural",
    "plus_minus",
    "shorten",
    "slug",
    "to_precision",
    "with_unit",
]

THIN, FIXED = "\u202f", "\u00a0"  # between groups of digits; between a figure and its unit


def number(value: float, digits: int = 4) -> str:
    """A figure with so many significant digits and no exponent where that is readable.

    Example:
        >>> number(94.31999), number(0.00012), number(1234567.0), number(50.0)
        ('94.32', '0.00012', '1\u202f234\u202f567', '50')
    """
    if not math.isfinite(value):
        return str(value)
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}".replace("-", "−")
    decimals = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
    text = _grouped(value, max(0, decimals))
    return text.rstrip("0").rstrip(".") if "." in text else text


def plus_minus(value: float, error: float | None) -> str:
    r"""A value with its standard error, cut where the error's second digit is.

    Example:
        >>> plus_minus(99.4512, 0.0741), plus_minus(-94.318, 0.27), plus_minus(3.0, None)
        ('99.451\xa0±\xa00.074', '−94.32\xa0±\xa00.27', '3')
    """
    if error is None or not math.isfinite(error) or error <= 0:
        return number(value)
    return f"{FIXED}±{FIXED}".join(to_precision([value, error], error))


def mean_and_spread(values: Sequence[float]) -> str:
    r"""Mean ± standard deviation over several draws, or the value of a single one.

    Example:
        >>> mean_and_spread([97.0, 98.0, 99.0]), mean_and_spread([3.0])
        ('98.0\xa0±\xa01.0', '3')
    """
    spread = statistics.stdev(values) if len(values) > 1 else None
    return plus_minus(statistics.fmean(values), spread)


def to_precision(values: Sequence[float], error: float) -> list[str]:
    """Values cut where the second digit of an error is; without one, as they are.

    Example:
        >>> to_precision([-1.2345, 10.0], 0.27), to_precision([0.5], 0.0)
        (['−1.23', '10.00'], ['0.5'])
    """
    if not math.isfinite(error) or error <= 0:
        return [number(value) for value in values]
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return [_grouped(value, decimals) for value in values]


def with_unit(text: str, unit: str) -> str:
    r"""A figure and its unit.

    Example:
        >>> with_unit("99.3", "%"), with_unit("3", "")
        ('99.3\xa0%', '3')
    """
    return f"{text}{FIXED}{unit}" if unit else text


def count(value: int) -> str:
    r"""A count in groups of three.

    Example:
        >>> count(60000)
        '60\u202f000'
    """
    return f"{value:,}".replace(",", THIN)


def capitalize(text: str) -> str:
    """A text that starts with a capital.

    Example:
        >>> capitalize("training time"), capitalize("GAN-test")
        ('Training time', 'GAN-test')
    """
    return text[:1].upper() + text[1:]


def common_title(titles: Sequence[str]) -> str:
    """What titles of one measure begin with, for some models have a condition and others none.

    Example:
        >>> common_title(["ELBO given the class", "ELBO"]), common_title(["KL", "FID"])
        ('ELBO', 'KL')
    """
    places = zip(*(title.split(" ") for title in titles), strict=False)
    alike = takewhile(lambda words: len({word.rstrip(",:") for word in words}) == 1, places)
    return " ".join(words[0] for words in alike).rstrip(",:") or titles[0]


def plural(value: int, noun: str) -> str:
    r"""A count and its noun.

    Example:
        >>> plural(1, "run"), plural(2000, "image")
        ('1 run', '2\u202f000 images')
    """
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def shorten(text: str, length: int = 26) -> str:
    """A long name with its middle left out.

    Example:
        >>> shorten("lam2023-cvae-0"), shorten("a-name-that-is-far-too-long-for-a-table")
        ('lam2023-cvae-0', 'a-name-that-i…-for-a-table')
    """
    half = length // 2
    return text if len(text) <= length else f"{text[:half]}…{text[1 - half :]}"


def slug(text: str) -> str:
    """A text as part of a file's name: letters, digits and hyphens.

    Example:
        >>> slug("gan_test/classifier-cnn")
        'gan-test-classifier-cnn'
    """
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text)


def duration(seconds: float) -> str:
    r"""A stretch of time in the two units that matter.

    Example:
        >>> duration(0.213), duration(8.24), duration(75), duration(5400)
        ('0.213\xa0s', '8.24\xa0s', '1\xa0min 15\xa0s', '1\xa0h 30\xa0min')
    """
    if seconds < 60:
        return f"{number(seconds, 3)}{FIXED}s"
    total = round(seconds)
    if total < 3600:
        return f"{total // 60}{FIXED}min {total % 60}{FIXED}s"
    return f"{total // 3600}{FIXED}h {total % 3600 // 60}{FIXED}min"


def epochs(value: float) -> str:
    """A stretch of training.

    Example:
        >>> epochs(50.0), epochs(1.0), epochs(0.5)
        ('50 epochs', '1 epoch', '0.5 epochs')
    """
    text = number(value, 3)
    return f"{text} epoch{'' if text == '1' else 's'}"


def memory(size: float) -> str:
    r"""An amount of memory, from bytes.

    Example:
        >>> memory(300 * 2**20), memory(5 * 2**29)
        ('300\xa0MiB', '2.5\xa0GiB')
    """
    power, unit = (30, "GiB") if size >= 2**30 else (20, "MiB")
    return f"{number(size / 2**power, 3)}{FIXED}{unit}"


def listing(items: Sequence[str], word: str = "and") -> str:
    """Items as an enumeration.

    Example:
        >>> listing(["A"]), listing(["A", "B"]), listing(["A", "B", "C"])
        ('A', 'A and B', 'A, B and C')
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _grouped(value: float, decimals: int) -> str:
    rounded = round(value, decimals) + 0.0  # no negative zero
    return f"{rounded:,.{decimals}f}".replace(",", THIN).replace("-", "−")
