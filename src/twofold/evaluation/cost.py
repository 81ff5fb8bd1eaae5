"""What a computation costs, its arithmetic and its time; what training cost and an image costs."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from twofold.errors import NotMeasured
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import Measure
from twofold.evaluation.questions import COST
from twofold.experiments.context import Context
from twofold.experiments.environment import describe_machine
from twofold.experiments.resolve import resolve
from twofold.experiments.train import make_trainer
from twofold.models.base import Generative
from twofold.registry import register
from twofold.training.progress import Silent

__all__ = ["Cost", "calls_per_second", "count_flops", "wait_for"]


def count_flops(work: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products and convolutions in a computation.

    A multiply-add is two operations. Gradients count when `work` takes them; biases, activations,
    normalization and optimizers, which are small beside these, do not.

    Example:
        >>> count_flops(lambda: torch.ones(3, 4) @ torch.ones(4, 5)) == 2 * 3 * 4 * 5
        True
    """
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()
    with counter:
        work()
    return counter.get_total_flops()


def calls_per_second(
    work: Callable[[], object], device: torch.device, seconds: float = 0.5
) -> float:
    """How often a computation runs in a second, after one call that is not timed.

    It is called until the time is up and at least once more; the device is waited for before the
    clock is read.
    """
    work()
    wait_for(device)
    started, calls, elapsed = time.perf_counter(), 0, 0.0
    while not calls or elapsed < seconds:
        work()
        wait_for(device)
        calls, elapsed = calls + 1, time.perf_counter() - started
    return calls / elapsed


class _NoModules(ModuleTracker):
    """Follows no modules: the hooks for it cannot stand a gradient penalty."""

    def __enter__(self) -> "_NoModules":
        return self

    def __exit__(self, *_args: object) -> None: ...


def wait_for(device: torch.device) -> None:
    """Returns when the device has done its work: without that a clock reads nothing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


BATCH = 1000  # images generated at a time, or as many as there are test images
COUNTED = "matrix products and convolutions, a multiply-add as 2"
MIB, MILLION = 2**20, 10**6
RATE = "images per s"
# The report's own table of costs shows these of any run
EPOCH = Quantity("seconds_per_epoch", "training time per epoch", "s", "lower", listed=False)
SECONDS = Quantity("training_seconds", "training time", "s", "lower", listed=False)
SPEED = Quantity("training_speed", "training speed", RATE, "higher", listed=False)
MEMORY = Quantity("peak_memory", "peak memory", "MiB", "lower", listed=False)
PARAMETERS = Quantity("parameters", "trainable parameters", listed=False)
TRAINING = Quantity(
    "training_flops", "operations of a training step per image", "MFLOP", "lower", least=0.0
)
GENERATION = Quantity(
    "generation_flops", "operations per generated image", "MFLOP", "lower", least=0.0
)
GENERATION_SPEED = Quantity("generation_speed", "speed of generation", RATE, "higher", least=0.0)


@register("measure", "cost")
class Cost(Measure):
    """Time, speed and memory of training by the log; parameters; operations and speed per image."""

    question = COST
    of_model = True
    quantities = (EPOCH, SECONDS, SPEED, MEMORY, PARAMETERS,
                  TRAINING, GENERATION, GENERATION_SPEED)  # fmt: skip

    def take(self, context: Context) -> Iterator[Figure]:
        last = next((r for r in reversed(context.run.records) if r["kind"] == "train"), None)
        if last is None:
            raise NotMeasured("the log has no line of training yet")
        yield from _of_the_log(last, context.run.environment)
        networks = context.run.environment.get("parameters", {})
        yield PARAMETERS.figure(float(sum(networks.values())), provenance=networks)
        yield _training_flops(context)
        if isinstance(context.model, Generative):
            yield from _generation(context, context.model)


def _of_the_log(last: Mapping[str, Any], environment: Mapping[str, Any]) -> Iterator[Figure]:
    provenance = {key: environment.get(key, "") for key in ("device", "processor", "threads")}
    seconds = last["seconds"]
    yield EPOCH.figure(seconds / last["epoch"], provenance=provenance)
    yield SECONDS.figure(seconds, provenance=provenance)
    if seconds > 0:
        yield SPEED.figure(last["images"] / seconds, provenance=provenance)
    if last.get("memory"):
        of = "the whole process" if provenance["device"] in ("cpu", "mps") else "tensors on the GPU"
        yield MEMORY.figure(last["memory"] / MIB, provenance={**provenance, "memory_of": of})


def _training_flops(context: Context) -> Figure:
    """Counted over the last steps of a fresh model: as many as it takes until all phases played."""
    here = {"device": str(context.model.device), "compile": False, "loggers": []}
    experiment = resolve(context.run.experiment, here)
    model = context.run.untrained_model(str(context.device))
    trainer = make_trainer(experiment, context.dataset, context.run.path, Silent(), model)
    steps = math.lcm(*(one.settings.every for one in trainer.phase_optimizers))
    steps = min(steps, trainer.total_steps)

    def last_steps() -> None:
        for step in range(trainer.total_steps - steps, trainer.total_steps):
            trainer.step = step
            trainer.train_step(trainer.batches(step))

    images = steps * trainer.images_per_step
    value = count_flops(last_steps) / images / MILLION
    return TRAINING.figure(
        value, provenance={"counted": f"{COUNTED}; forward and backward", "images": images}
    )


def _generation(context: Context, model: Generative) -> Iterator[Figure]:
    batch = next(context.batches.in_order(BATCH))
    c = model.condition.pick(batch.x, batch.y)
    count, seed = len(batch), context.settings["seed"]

    def generate() -> None:
        model.sample(count, c, seed, batch_size=count)

    flops = count_flops(generate) / count / MILLION
    yield GENERATION.figure(flops, provenance={"counted": COUNTED, "images": count})
    machine = describe_machine(model.device)
    provenance = {key: machine[key] for key in ("device", "processor", "threads")}
    yield GENERATION_SPEED.figure(
        count * calls_per_second(generate, model.device),
        provenance={**provenance, "batch_size": count},
    )
