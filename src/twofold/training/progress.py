"""What a person sees while a model trains."""

from typing import Any, Protocol

__all__ = ["Console", "Progress", "Silent"]


class Progress(Protocol):
    """Told what happens in a run."""

    def start(self, title: str, total_steps: int, step: int, epochs: float) -> None: ...

    def update(self, step: int, epoch: float, terms: dict[str, dict[str, float]]) -> None: ...

    def say(self, text: str) -> None: ...

    def stop(self) -> None: ...


class Silent:
    """Says nothing."""

    def start(self, title: str, total_steps: int, step: int, epochs: float) -> None: ...

    def update(self, step: int, epoch: float, terms: dict[str, dict[str, float]]) -> None: ...

    def say(self, text: str) -> None: ...

    def stop(self) -> None: ...


class Console:
    """A progress bar with the terms and the time left; one line per message elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console as RichConsole

        self.console = RichConsole(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._epochs = 0.0

    def start(self, title: str, total_steps: int, step: int, epochs: float) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        self._epochs = epochs
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            Remaining(),
            console=self.console,
            refresh_per_second=2,
            speed_estimate_period=120,
            disable=not self.console.is_terminal,
        )
        self._bar.start()
        self._task = self._bar.add_task(title, total=total_steps, completed=step, status="")

    def update(self, step: int, epoch: float, terms: dict[str, dict[str, float]]) -> None:
        several = len(terms) > 1
        words = [f"epoch {epoch:.1f}/{self._epochs:g}"]
        for phase, values in terms.items():
            shown = " ".join(f"{_short(name)} {value:.4g}" for name, value in values.items())
            words.append(f"{phase[0].upper()}: {shown}" if several else shown)
        self._bar.update(self._task, completed=step, status=" · ".join(words))

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _short(name: str) -> str:
    return {"adversarial": "loss", "accuracy_real": "real", "accuracy_fake": "fake"}.get(name, name)
