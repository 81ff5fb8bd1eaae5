"""What a run counts while it goes on: seconds of training, and sums of every term."""

import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from twofold.errors import RunError
from twofold.phases import Terms

__all__ = ["Clock", "Sums", "completes", "round_means"]


@dataclass
class Clock:
    """Seconds spent in training steps, apart from validation, pictures and checkpoints."""

    seconds: float = 0.0
    started: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds up to now."""
        running = 0.0 if self.started is None else time.perf_counter() - self.started
        return self.seconds + running

    def start(self) -> None:
        self.started = time.perf_counter()

    def pause(self) -> None:
        if self.started is not None:
            self.seconds += time.perf_counter() - self.started
            self.started = None


@dataclass
class Sums:
    """Running sums of every term on the device, read once per line of the log."""

    totals: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @torch.no_grad()
    def add(self, phase: str, total: Tensor, terms: Terms) -> None:
        values = {"loss": total, **terms.terms, **terms.watch}
        if phase in self.totals:
            try:
                sums = [self.totals[phase][name] for name in values]
                self.totals[phase] = dict(zip(values, sums, strict=True))  # not a file's order
            except KeyError as error:
                raise RunError(f"the sums of the phase {phase} lack {error}") from error
            torch._foreach_add_(sums, list(values.values()))
        else:
            self.totals[phase] = {name: value.detach().clone() for name, value in values.items()}
        self.counts[phase] = self.counts.get(phase, 0) + 1

    def means(self) -> dict[str, dict[str, float]]:
        """The means since the last `clear`; the only place where the loop waits for the device."""
        return {
            phase: {
                name: value / self.counts[phase]
                for name, value in zip(
                    values, torch.stack(list(values.values())).tolist(), strict=True
                )
            }
            for phase, values in self.totals.items()
        }

    def clear(self) -> None:
        self.totals.clear()
        self.counts.clear()


def completes(step: int, stretch: float) -> bool:
    """Whether a step, counted from 1, completes another stretch of so many.

    Example:
        >>> [step for step in range(1, 11) if completes(step, 2.5)]
        [3, 5, 8, 10]
    """
    return math.floor(step / stretch + 1e-9) > math.floor((step - 1) / stretch + 1e-9)


def round_means(means: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Seven digits of each, which is what single precision has."""
    return {
        phase: {name: float(f"{value:.7g}") for name, value in values.items()}
        for phase, values in means.items()
    }
