"""The part of tqdm's interface that pooch calls, drawn by rich."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


class ProgressBar:
    """Bytes arriving, as one line on standard error.

    Arguments:
        title: What is arriving.
    """

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
        from rich.progress import TransferSpeedColumn as SpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn())
        self.total = 0  # pooch sets it once it knows
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(title, total=None)
        self._progress.start()

    def update(self, num_bytes: int) -> None:
        """Counts bytes that arrived."""
        self._progress.update(self._task, advance=num_bytes, total=self.total or None)

    def reset(self) -> None:
        """Starts the count again."""
        self._progress.reset(self._task, total=self.total or None)

    def close(self) -> None:
        """Takes the line away; closing twice is harmless."""
        self._progress.stop()


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressBar | None]:
    """A bar where someone is watching, None where standard error is no terminal.

    Example:
        >>> with progress_bar("mnist.gz") as bar:
        ...     if bar is not None:
        ...         bar.update(1024)
    """
    if not sys.stderr.isatty():
        yield None
        return
    bar = ProgressBar(title)
    try:
        yield bar
    finally:
        bar.close()
