"""The one loop that trains every family.

    for phase in model.phases:            a VAE has one, a GAN two, a hybrid three
        total = phase.loss(batch).total
        total.backward(inputs=phase.parameters)
        optimizer.step()

With `simultaneous` every phase's gradient is taken before any of them steps. With `accumulate` each
phase averages its gradient over several batches before it steps, and the next over the same ones.

Around it: logging, validation and pictures on a cadence, checkpoints from which a run continues to
the same bits, and a stop at the first number that is not finite.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twofold.data.batches import Batch, Batches, PartlyLabeled
from twofold.errors import RunError
from twofold.models.base import Model
from twofold.training.best import Best, figure_of
from twofold.training.callbacks import Callbacks, Listener
from twofold.training.checkpoint import (
    best_checkpoint,
    load_checkpoint,
    load_module,
    module_tensors,
    newest_checkpoint,
    save_best,
    save_checkpoint,
)
from twofold.training.diagnosis import warnings_of
from twofold.training.guard import Movement, explain_nonfinite, refuse_nonfinite
from twofold.training.interrupt import interruptible
from twofold.training.loggers import LoggerCallback
from twofold.training.optimizers import (
    PhaseOptimizer,
    phase_optimizers,
    refuse_idle_phases,
    stepping_together,
)
from twofold.training.peak_memory import forget_peak, peak_memory
from twofold.training.progress import Progress, Silent
from twofold.training.randomness import Randomness
from twofold.training.record import Record
from twofold.training.running import Clock, Sums, completes, round_means
from twofold.training.settings import TrainingSettings
from twofold.training.state import pack, unpack
from twofold.training.validate import held_out_terms

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
        callbacks: Who else is told: `Callback`s, or functions of a record.

    Raises:
        UsageError: If a logger is asked for and not installed, a phase would never start, or the
            best validation is to be kept and there is none.
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
        callbacks: Iterable[Listener] = (),
    ) -> None:
        self.model = model
        self.data = data
        self.validation = validation
        self.settings = settings
        self.folder = folder
        self.picture = picture
        self.progress = progress or Silent()
        self.origin = dict(origin or {})
        loggers = [LoggerCallback(settings.loggers)] if settings.loggers else []
        self.callbacks = Callbacks([*loggers, *callbacks])
        self.device = model.device
        self.phase_optimizers = phase_optimizers(model, settings)
        self.step = 0
        self.images_per_step = data.images_per_batch * settings.accumulate
        counted = data.batch_size * settings.accumulate  # of the images that make an epoch
        self.steps_per_epoch = len(data) / counted
        images = settings.images or (settings.epochs or 0) * len(data)
        self.total_steps = max(1, math.ceil(images / counted - 1e-9))
        self.epochs = self.total_steps / self.steps_per_epoch
        refuse_idle_phases(self.phase_optimizers, self.epochs)
        self.record = Record(folder)
        self.best = Best.of(settings, is_validated=validation is not None)
        self.clock = Clock()
        self.memory = 0  # the peak of all sessions, in bytes
        self.sums = Sums()
        # Reading a loss costs nothing on a CPU; elsewhere it would make every step wait.
        self.watch_every_step = self.device.type == "cpu"
        self.seed = seed
        self.randomness = Randomness(self.device, seed)
        self._stop_asked = False
        self._warned: set[str] = set()
        self.movement = Movement()
        self._saved_at = time.monotonic()
        self._saved_at, self._saved = time.monotonic(), 0
        if settings.compile:
            for network in model.networks():
                network.compile()

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Trains from where the trainer stands to the end, or to Ctrl-C.

        Raises:
            RunError: If a loss is not finite, or the disk is full.
            Exception: Whatever a callback raised, after a checkpoint.
        """
        self.record = Record(self.folder)
        self.record.rewind(self.step)
        forget_peak(self.device)
        self.progress.start(self.model.title, self.total_steps, self.step, self.epochs)
        try:
            with self.randomness.of_the_run(), interruptible(self._ask_to_stop):
                if self.step == 0:
                    self.save()
                self.model.train()
                self._tell("on_start", self)
                self.clock.start()
                while not (self.finished or self._stop_asked):
                    self.train_step(self.batches(self.step))
                    self.step += 1
                    self._after_step()
                self.clock.pause()
                self.save()
            if self.finished and self.best is not None:
                self._take_the_best(self.best)
        except KeyboardInterrupt:
            kept = f"`twofold resume {self.folder}` goes on from step {self._saved}"
            self.progress.say(f"stopped at once in step {self.step}; {kept}")
            raise
        finally:
            self.progress.stop()
            outcome = Outcome(self.step, self.finished, self.clock.seconds)
            self._tell("on_end", outcome)
        if self.callbacks.error is not None:
            raise self.callbacks.error
        return outcome

    @property
    def finished(self) -> bool:
        """Whether every step is done, or no better validation is waited for."""
        return self.step >= self.total_steps or (self.best is not None and self.best.is_final)

    def batches(self, step: int) -> list[Batch]:
        """The batches of a step, one unless gradients are accumulated; all are of one moment."""
        count = self.settings.accumulate
        found = [self.data.training_batch(step * count + part) for part in range(count)]
        for batch in found[1:]:
            batch.epoch = found[0].epoch
        return found

    def train_step(self, batch: Batch | Sequence[Batch]) -> None:
        """One step of every phase that is due at this step, by the mean gradient of its batches."""
        batches = [batch] if isinstance(batch, Batch) else batch
        epoch = self.step / self.steps_per_epoch
        due = [one for one in self.phase_optimizers if one.is_due(self.step, epoch)]
        for group in stepping_together(due, self.settings.simultaneous):
            for part, one_batch in enumerate(batches):
                for one in group:
                    self._differentiate(one, one_batch, part, len(batches))
            for one in group:
                one.take_step(self.step, self.total_steps)

    def _differentiate(self, one: PhaseOptimizer, batch: Batch, part: int, parts: int) -> None:
        with self._precision():
            terms = one.phase.loss(batch)
            total = terms.total
        if self.watch_every_step and not math.isfinite(total.item()):
            raise explain_nonfinite(self.model, one.phase, terms, batch, self.step)
        one.differentiate(total, part, parts)
        self.sums.add(one.phase.name, total, terms)

    def _after_step(self) -> None:
        """What happens between steps, each on its own cadence."""
        last = self.step == self.total_steps
        log = last or self.step % self.settings.log_every == 0
        validate = last or self._ends(self.settings.validate_every or max(1.0, self.epochs / 50))
        draw = last or self._ends(self.settings.sample_every or max(1.0, self.epochs / 10))
        save = time.monotonic() - self._saved_at >= self.settings.checkpoint_every
        if not (log or validate or draw or save):
            return
        means = self.sums.means()
        if any(not math.isfinite(values["loss"]) for values in means.values()):
            self._replay_to_the_fault()
        if log:
            self._log(means)
        self.clock.pause()
        if validate:
            self._validate()
            if self.finished and not log:
                self._log(means)
        if (draw or self.finished) and self.picture is not None:
            epoch = round(self.step / self.steps_per_epoch)
            path = self.folder / "samples" / f"epoch-{epoch:04d}.png"
            self.picture(self.model, path)
            self._tell("on_picture", path, self.step)
        if save and not self.finished:
            self.save()
        self.clock.start()

    def _ends(self, epochs: float) -> bool:
        return completes(self.step, epochs * self.steps_per_epoch)

    def _log(self, means: dict[str, dict[str, float]]) -> None:
        norms = {one.phase.name: one.gradient_norm().item() for one in self.phase_optimizers}
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.memory = max(self.memory, peak_memory(self.device))
        entry = {**self._where("train"), "terms": round_means(means), "memory": self.memory}
        entry["grad_norm"] = {name: round(norm, 5) for name, norm in norms.items()}
        entry["lr"] = {
            p.phase.name: p.optimizer.param_groups[0]["lr"] for p in self.phase_optimizers
        }
        self.record.append(entry)
        self._tell("on_record", entry)
        self.progress.update(self.step, entry["epoch"], means)
        self.sums.clear()

    def _validate(self) -> None:
        """Held-out terms and diagnosis, without touching the randomness of training."""
        entry = self.look_at_held_out(4)
        diagnosis = entry["diagnosis"]
        if still := self.movement.still(self.phase_optimizers, self.step / self.steps_per_epoch):
            diagnosis["still"] = still
        self.record.append(entry)
        self._tell("on_record", entry)
        if self.best is not None and self.best.improves(entry):
            tensors, facts = module_tensors(self.model, "model/"), self._facts()
            save_best(self.folder / "checkpoints", self.step, tensors, facts)
        if self.step >= PATIENCE * self.total_steps:
            for text in warnings_of(diagnosis):
                if text not in self._warned:
                    self.progress.say(f"epoch {entry['epoch']:g}: {text}")
                    self._warned.add(text)

    def look_at_held_out(self, batches: int) -> dict[str, Any]:
        """The record of a validation; so many batches of 250 are looked at closely."""
        with self.randomness.aside(), self._precision():
            found = held_out_terms(self.model, self.validation, self.data, batches)
        return {**self._where("validation"), **found}

    def check_figure(self) -> None:
        """Validates once, so that a figure that no validation has is noticed before training.

        Raises:
            UsageError: Listing the figures there are.
        """
        if self.best is not None:
            figure_of(self.look_at_held_out(1), self.best.figure)

    def _take_the_best(self, best: Best) -> None:
        """Leaves the model with the weights of the best validation, which are the run's."""
        if best.step is not None:
            path = best_checkpoint(self.folder / "checkpoints", best.step)
            load_module(self.model, load_checkpoint(path)[0], "model/")
        self.progress.say(best.words())

    def _where(self, kind: str) -> dict[str, Any]:
        return {
            "kind": kind,
            "step": self.step,
            "epoch": round(self.step / self.steps_per_epoch, 4),
            "images": self.step * self.images_per_step,
            "seconds": round(self.clock.elapsed, 3),
        }

    # --- checkpoints ------------------------------------------------------------------------------

    def save(self) -> Path:
        """Writes a checkpoint of everything that training depends on."""
        refuse_nonfinite(self.model, self.phase_optimizers, self.step)
        tensors, numbers = pack(self.model, self.phase_optimizers, self.randomness, self.sums)
        facts = {**self._facts(), **numbers}
        path = save_checkpoint(self.folder / "checkpoints", self.step, tensors, facts)
        self._saved_at, self._saved = time.monotonic(), self.step
        return path

    def _facts(self) -> dict[str, Any]:
        """What every checkpoint says beside its tensors."""
        facts: dict[str, Any] = {
            "total_steps": self.total_steps,
            "lines": self.record.sync(),
            "seconds": self.clock.seconds,
            "memory": self.memory,
            "origin": self.origin,
        }
        if self.best is not None:
            facts |= {"best": self.best.facts(), "stopped": self.best.is_final}
        return facts

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
        self.sums = unpack(tensors, facts, self.phase_optimizers, self.randomness, self.device)
        self.step = self._saved = facts["step"]
        self.clock = Clock(facts["seconds"])
        self.memory = facts.get("memory", 0)  # older checkpoints do not say
        if self.best is not None:
            self.best = Best(**facts["best"])

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
            self.train_step(self.batches(self.step))
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

    def _tell(self, event: str, *arguments: Any) -> None:
        """Tells the callbacks, which leave training as it is; one that fails stops it."""
        if self.callbacks.given:
            training = self.model.training
            with self.randomness.aside():
                self.callbacks.tell(event, *arguments)
            self.model.train(training)
            self._stop_asked = self._stop_asked or self.callbacks.error is not None

    def _ask_to_stop(self) -> bool:
        before, self._stop_asked = self._stop_asked, True
        return before
