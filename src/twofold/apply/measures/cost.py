"""What training cost."""

from collections.abc import Iterator

from twofold.apply.measures.subject import Subject
from twofold.metrics.measure import Measure, NotMeasured

__all__ = ["cost"]


def cost(subject: Subject) -> Iterator[Measure]:
    """Seconds of training steps per epoch and in all, from the log."""
    last = next((r for r in reversed(subject.run.records) if r["kind"] == "train"), None)
    if last is None:
        raise NotMeasured("the log has no line of training yet")
    environment = subject.run.environment
    depends = {key: environment[key] for key in ("device", "processor", "threads")}
    for name, title, value in (
        ("seconds_per_epoch", "training time per epoch", last["seconds"] / last["epoch"]),
        ("training_seconds", "training time", last["seconds"]),
    ):
        yield Measure(name, title, value, "s", better="lower", depends=depends)
