"""What training cost, and what an image costs."""

import math
from collections.abc import Iterator
from typing import Any

from twofold.errors import NotMeasured
from twofold.evaluation.cost import calls_per_second, count_flops
from twofold.evaluation.figure import Figure
from twofold.experiments.context import Context
from twofold.experiments.environment import describe_machine
from twofold.experiments.resolve import resolve
from twofold.experiments.train import make_trainer
from twofold.models.base import Generative
from twofold.training.progress import Silent

__all__ = ["cost"]

BATCH = 1000  # images generated at a time, or as many as there are test images
COUNTED = "matrix products and convolutions, a multiply-add as 2"
MIB, MILLION = 2**20, 10**6


def cost(context: Context) -> Iterator[Figure]:
    """Time, speed and memory of training by the log; parameters; operations and speed per image."""
    last = next((r for r in reversed(context.run.records) if r["kind"] == "train"), None)
    if last is None:
        raise NotMeasured("the log has no line of training yet")
    yield from _of_the_log(last, context.run.environment)
    networks = context.run.environment.get("parameters", {})
    total = float(sum(networks.values()))
    yield Figure("parameters", "trainable parameters", total, "", provenance=networks)
    yield _training_flops(context)
    if isinstance(context.model, Generative):
        yield from _generation(context, context.model)


def _of_the_log(last: dict[str, Any], environment: dict[str, Any]) -> Iterator[Figure]:
    provenance = {key: environment.get(key, "") for key in ("device", "processor", "threads")}
    for name, title, value in (
        ("seconds_per_epoch", "training time per epoch", last["seconds"] / last["epoch"]),
        ("training_seconds", "training time", last["seconds"]),
    ):
        yield Figure(name, title, value, "s", better="lower", provenance=provenance)
    if last["seconds"] > 0:
        speed = last["images"] / last["seconds"]
        title = "training speed"
        yield Figure(
            "training_speed", title, speed, "images per s", "higher", provenance=provenance
        )
    if last.get("memory"):
        of = "the whole process" if provenance["device"] in ("cpu", "mps") else "tensors on the GPU"
        provenance = {**provenance, "memory_of": of}
        value = last["memory"] / MIB
        yield Figure("peak_memory", "peak memory", value, "MiB", "lower", provenance=provenance)


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
            trainer.train_step(trainer.data.training_batch(step))

    images = steps * trainer.data.batch_size
    value = count_flops(last_steps) / images / MILLION
    title = "operations of a training step per image"
    provenance = {"counted": f"{COUNTED}; forward and backward", "images": images}
    return Figure("training_flops", title, value, "MFLOP", "lower", provenance=provenance)


def _generation(context: Context, model: Generative) -> Iterator[Figure]:
    batch = next(context.batches.in_order(BATCH))
    c = model.condition.pick(batch.x, batch.y)
    count, seed = len(batch), context.settings["seed"]

    def generate() -> None:
        model.sample(count, c, seed, batch_size=count)

    flops, title = count_flops(generate) / count / MILLION, "operations per generated image"
    provenance = {"counted": COUNTED, "images": count}
    yield Figure("generation_flops", title, flops, "MFLOP", "lower", provenance=provenance)
    machine = describe_machine(model.device)
    provenance = {key: machine[key] for key in ("device", "processor", "threads")}
    provenance["batch_size"] = count
    speed, title = count * calls_per_second(generate, model.device), "speed of generation"
    yield Figure("generation_speed", title, speed, "images per s", "higher", provenance=provenance)
