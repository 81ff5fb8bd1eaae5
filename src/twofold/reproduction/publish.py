"""Writing down what is known: the page, and the pictures that it draws of the figures."""

from collections.abc import Sequence
from pathlib import Path

from twofold.files import write_bytes, write_text
from twofold.reproduction.finding import answers, figure_name
from twofold.reproduction.page import page
from twofold.reproduction.reports import Report
from twofold.reproduction.results import load_results

__all__ = ["publish"]


def publish(reports: Sequence[Report], results: Path, path: Path) -> None:
    """Draws the findings beside the figures of a folder, and writes the page.

    Arguments:
        reports: In the order of the page.
        results: The folder of figures and pictures, `results` beside the page.
        path: The page.
    """
    known = load_results(results)
    for report in reports:
        for answer in answers(report, known):
            write_bytes(results / f"{figure_name(answer.finding)}.png", answer.picture().png)
    write_text(path, page(reports, load_results(results)))
