"""The one loop that trains every family.

    for phase in model.phases:            a VAE has one, a GAN two, a hybrid three
        total = phase.loss(batch).total
        total.backward(inputs=phase.parameters)
        optimizer.step()

With `simultaneous` every phase's gradient is taken before any of them steps.

Around it: logging, validation and pictures on a cadence, checkpoints from which a run continues to
the same bits, and a stop at the first number that is not finite.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twofold.data.batches import Batch, Batches, PartlyLabeled
from twofold.errors import RunError, UsageError
from twofold.models.base import Model
from twofold.training.checkpoint import (
    load_checkpoint,
    load_module,
    load_optimizer,
    module_tensors,
    newest_checkpoint,
    optimizer_state,
    save_checkpoint,
    under,
)
from twofold.training.diagnosis import warnings_of
from twofold.training.guard import all_finite, explain_nonfinite, first_nonfinite
from twofold.training.interrupt import interruptible
from twofold.training.optimizers import PhaseOptimizer, phase_optimizers
from twofold.training.peak_memory import forget_peak, peak_memory
from twofold.training.progress import Progress, Silent
from twofold.training.randomness import Randomness
from twofold.training.record import Record, check_tensorboard
from twofold.training.running import Clock, Sums, round_means
from twofold.training.settings import TrainingSettings
from twofold.training.validate import mean_terms

__all__ = ["Outcome", "Trainer"]

PATIENCE = 0.1  # the share of a run before which nobody is warned: every model starts badly


@dataclass(frozen=True)
class Outcome:
    """How a call to `Trainer.run` ended."""

    step: int
    finished: bool
    seconds: float


class Trainer:
    """Trains a model in a run folder.

    Arguments:
        model: On its device, initialized.
        data: Training images.
        settings: Duration, optimizers, precision, cadences.
        folder: The run; `metrics.jsonl`, `checkpoints/` and pictures go there.
        validation: Held-out images, or None.
        seed: Of every random number in training.
        picture: Called with the folder's `samples/epoch-….png` to draw one, or None.
        progress: Where to say how it goes.
        origin: Plain data, kept with every checkpoint, that says what is being trained.

    Raises:
        UsageError: If TensorBoard is asked for and not installed, or a phase would never start.
    """

    def __init__(
        self,
        model: Model,
        data: Batches | PartlyLabeled,
        settings: TrainingSettings,
        folder: Path,
        validation: Batches | None = None,
        seed: int = 0,
        picture: Callable[[Model, Path], None] | None = None,
        progress: Progress | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.data = data
        self.validation = validation
        self.settings = settings
        self.folder = folder
        self.picture = picture
        self.progress = progress or Silent()
        self.origin = dict(origin or {})
        self.device = model.device
        self.phase_optimizers = phase_optimizers(model, settings)
        self.step = 0
        self.total_steps = _total_steps(settings, data)
        self.epochs = self.total_steps / data.steps_per_epoch
        self._refuse_idle_phases()
        self.clock = Clock()
        self.memory = 0  # the peak of all sessions, in bytes
        self.sums = Sums()
        # Reading a loss costs nothing on a CPU; elsewhere it would make every step wait.
        self.watch_every_step = self.device.type == "cpu"
        self.seed = seed
        self.randomness = Randomness(self.device, seed)
        self._stop_asked = False
        self._warned: set[str] = set()
        self._saved_at = time.monotonic()
        if settings.tensorboard:
            check_tensorboard()
        if settings.compile:
            for network in model.networks():
                network.compile()

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Trains from where the trainer stands to the end, or to Ctrl-C.

        Raises:
            RunError: If a loss is not finite, or the disk is full.
        """
        record = Record(self.folder, self.settings.tensorboard)
        record.rewind(self.step)
        forget_peak(self.device)
        self.progress.start(self.model.title, self.total_steps, self.step, self.epochs)
        try:
            with self.randomness.of_the_run(), interruptible(self._ask_to_stop):
                if self.step == 0:
                    self.save()
                self.model.train()
                self.clock.start()
                while self.step < self.total_steps and not self._stop_asked:
                    self.train_step(self.data.training_batch(self.step))
                    self.step += 1
                    self._after_step(record)
                self.clock.pause()
                self.save()
        finally:
            self.progress.stop()
            record.close()
        return Outcome(self.step, self.step >= self.total_steps, self.clock.seconds)

    def train_step(self, batch: Batch) -> None:
        """One step of every phase that is due at this step."""
        epoch = self.step / self.data.steps_per_epoch
        due = [one for one in self.phase_optimizers if one.is_due(self.step, epoch)]
        waiting: list[PhaseOptimizer] = []
        for one in due:
            with self._precision():
                terms = one.phase.loss(batch)
                total = terms.total
            if self.watch_every_step and not math.isfinite(total.item()):
                raise explain_nonfinite(self.model, one.phase, terms, batch, self.step)
            one.differentiate(total)
            self.sums.add(one.phase.name, total, terms)
            waiting.append(one)
            # Weights that a later phase differentiates through stay until it has done so; autograd
            # would not notice, because fused optimizers leave the version of a tensor as it was.
            if not (self.settings.simultaneous or one.phase.keeps_graph):
                self._take_steps(waiting)
        self._take_steps(waiting)

    def _refuse_idle_phases(self) -> None:
        """A phase that starts after the end would leave its networks as they were drawn."""
        for one in self.phase_optimizers:
            if one.settings.start >= self.epochs:
                name = one.phase.name
                raise UsageError(
                    f"{name} starts at epoch {one.settings.start:g}, but the run ends at epoch "
                    f"{self.epochs:g}; use more epochs, or a smaller "
                    f"training.optimizers.{name}.start"
                )

    def _take_steps(self, waiting: list[PhaseOptimizer]) -> None:
        while waiting:
            waiting.pop(0).take_step(self.step, self.total_steps)

    def _after_step(self, record: Record) -> None:
        """What happens between steps, each on its own cadence."""
        last = self.step == self.total_steps
        log = last or self.step % self.settings.log_every == 0
        validate = last or self._crosses(self.settings.validate_every or max(1.0, self.epochs / 50))
        draw = last or self._crosses(self.settings.sample_every or max(1.0, self.epochs / 10))
        save = time.monotonic() - self._saved_at >= self.settings.checkpoint_every
        if not (log or validate or draw or save):
            return
        means = self.sums.means()
        if any(not math.isfinite(values["loss"]) for values in means.values()):
            self._replay_to_the_fault()
        if log:
            self._log(record, means)
        self.clock.pause()
        if validate:
            self._validate(record)
        if draw and self.picture is not None:
            epoch = round(self.step / self.data.steps_per_epoch)
            self.picture(self.model, self.folder / "samples" / f"epoch-{epoch:04d}.png")
        if save and not last:
            self.save()
        self.clock.start()

    def _crosses(self, epochs: float) -> bool:
        """Whether the last step completed another stretch of so many epochs."""
        stretch = epochs * self.data.steps_per_epoch
        return math.floor(self.step / stretch + 1e-9) > math.floor((self.step - 1) / stretch + 1e-9)

    def _log(self, record: Record, means: dict[str, dict[str, float]]) -> None:
        norms = {one.phase.name: one.gradient_norm().item() for one in self.phase_optimizers}
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.memory = max(self.memory, peak_memory(self.device))
        entry = {**self._where("train"), "terms": round_means(means), "memory": self.memory}
        entry["grad_norm"] = {name: round(norm, 5) for name, norm in norms.items()}
        entry["lr"] = {
            p.phase.name: p.optimizer.param_groups[0]["lr"] for p in self.phase_optimizers
        }
        record.append(entry)
        self.progress.update(self.step, entry["epoch"], means)
        self.sums.clear()

    def _validate(self, record: Record) -> None:
        """Held-out terms and diagnosis, without touching the randomness of training."""
        held_out = self.validation
        split = "train" if held_out is None else "validation"
        batches = self.data if held_out is None else held_out
        with self.randomness.aside(), self._precision():
            terms = {} if held_out is None else mean_terms(self.model, held_out.in_order(500))
            few = islice(batches.in_order(250), 4)
            diagnosis = self.model.diagnose(few)
        entry = {**self._where("validation"), "split": split, "diagnosis": diagnosis}
        entry["terms"] = round_means(terms)
        record.append(entry)
        if self.step >= PATIENCE * self.total_steps:
            for text in warnings_of(diagnosis):
                if text not in self._warned:
                    self.progress.say(f"epoch {entry['epoch']:g}: {text}")
                    self._warned.add(text)

    def _where(self, kind: str) -> dict[str, Any]:
        return {
            "kind": kind,
            "step": self.step,
            "epoch": round(self.step / self.data.steps_per_epoch, 4),
            "images": self.step * self.data.batch_size,
            "seconds": round(self.clock.elapsed, 3),
        }

    # --- checkpoints ------------------------------------------------------------------------------

    def save(self) -> Path:
        """Writes a checkpoint of everything that training depends on."""
        if not all_finite(list(self.model.state_dict().values())):
            raise RunError(
                f"the weight {first_nonfinite(self.model)} is not finite after step {self.step}; "
                "the last checkpoint is intact. Try a smaller lr, clip=1, or precision=fp32"
            )
        tensors = module_tensors(self.model, "model/")
        numbers = {}
        for one in self.phase_optimizers:
            name = one.phase.name
            state, numbers[name] = optimizer_state(one.optimizer, f"optimizer/{name}/")
            tensors |= state
        tensors |= {f"random/{name}": value for name, value in self.randomness.state().items()}
        for phase, values in self.sums.totals.items():
            tensors |= {f"sums/{phase}/{name}": value for name, value in values.items()}
        facts = {
            "total_steps": self.total_steps,
            "seconds": self.clock.seconds,
            "memory": self.memory,
            "optimizers": numbers,
            "counts": self.sums.counts,
            "origin": self.origin,
        }
        path = save_checkpoint(self.folder / "checkpoints", self.step, tensors, facts)
        self._saved_at = time.monotonic()
        return path

    def restore(self) -> None:
        """Continues from the newest checkpoint of the folder.

        Raises:
            RunError: If there is none, or it is damaged or of another experiment.
        """
        path = newest_checkpoint(self.folder / "checkpoints")
        if path is None:
            raise RunError(f"{self.folder} has no checkpoint; start it again with train")
        tensors, facts = load_checkpoint(path)
        load_module(self.model, tensors, "model/")
        try:
            self._restore(tensors, facts)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise RunError(
                f"the checkpoint {path} is damaged or of another experiment: {error!r}"
            ) from error

    def _restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Everything but the model's weights."""
        for one in self.phase_optimizers:
            name = one.phase.name
            numbers = facts["optimizers"][name]
            load_optimizer(one.optimizer, tensors, numbers, f"optimizer/{name}/")
        self.randomness.continue_from(under(tensors, "random/"))
        self.sums = Sums(counts=dict(facts["counts"]))
        for name, value in tensors.items():
            if name.startswith("sums/"):
                _, phase, term = name.split("/")
                self.sums.totals.setdefault(phase, {})[term] = value.to(self.device)
        self.step = facts["step"]
        self.clock = Clock(facts["seconds"])
        self.memory = facts.get("memory", 0)  # older checkpoints do not say

    def _replay_to_the_fault(self) -> None:
        """Goes back to the last good checkpoint and repeats the steps, looking at each.

        On a device whose losses are read once per line of the log, a fault is noticed after the
        fact; training is deterministic, so the same fault comes again, and is named.
        """
        noticed = self.step
        self.restore()
        self.randomness.set()
        self.watch_every_step = True
        while self.step < noticed:
            self.train_step(self.data.training_batch(self.step))
            self.step += 1
        raise RunError(
            f"the loss was not finite at or before step {noticed}, but not when repeated"
        )

    # --- surroundings -----------------------------------------------------------------------------

    @contextmanager
    def _precision(self) -> Iterator[None]:
        enabled = self.settings.precision == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled):
            yield

    def _ask_to_stop(self) -> bool:
        before, self._stop_asked = self._stop_asked, True
        return before


def _total_steps(settings: TrainingSettings, data: Batches | PartlyLabeled) -> int:
    images = settings.images or (settings.epochs or 0) * len(data)
    return max(1, math.ceil(images / data.batch_size - 1e-9))
