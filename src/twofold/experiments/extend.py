"""Training a run for longer than it was asked for, as if it had been asked for that at once.

What is written, in this order: every checkpoint's facts, with the new number of steps and the
duration before; then experiment.yaml. A run that is killed in between has an experiment.yaml with
the duration that its checkpoint was `extended_from`, and the next `resume` writes the new one.
"""

from collections.abc import Mapping
from typing import Any

from twofold.errors import UsageError
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run
from twofold.experiments.schema import DURATION, Experiment
from twofold.training.checkpoint import rewrite_facts
from twofold.training.loop import Trainer

__all__ = ["extend", "finish_extension", "with_duration"]


def with_duration(run: Run, changes: Mapping[str, Any]) -> Experiment:
    """A run's experiment with another duration.

    Raises:
        UsageError: If anything else is changed, or the duration cannot be what was given.
    """
    for key, value in changes.items():
        if f"training.{key.removeprefix('training.')}" not in DURATION:
            raise UsageError(
                f"{key}={value}: a run goes on with the settings it began with, and only epochs or "
                f"images may be others; to change {key} train anew, as in `twofold train "
                f"{run.path / 'experiment.yaml'} {key}={value} --out FOLDER`"
            )
    return resolve(run.experiment, changes)


def extend(run: Run, trainer: Trainer, experiment: Experiment) -> None:
    """Gives a run another duration, where the steps it has done would have been the same.

    Arguments:
        run: Unfinished or finished.
        trainer: Of the new duration, restored to the run's newest checkpoint.
        experiment: The run's, with the new duration.

    Raises:
        UsageError: If more is done already, or what is done depends on the duration.
    """
    done, asked = trainer.step, _words(experiment)
    if trainer.total_steps < done:
        raise UsageError(
            f"{asked} is less than {run.path} has done: it stands at step {done}, epoch "
            f"{done / trainer.steps_per_epoch:g}, and {asked} would end at step "
            f"{trainer.total_steps}; ask for more"
        )
    if trainer.best is not None and trainer.best.is_final:
        raise UsageError(
            f"{run.path} stopped before its end, as {trainer.best.waited} validations brought no "
            f"better {trainer.best.figure}: {asked} would stop there too. Train anew with a larger "
            f"patience, as in `twofold train {run.path / 'experiment.yaml'} {asked} "
            f"patience={2 * trainer.best.waited} --out FOLDER`"
        )
    for one in trainer.phase_optimizers:
        if done and one.settings.schedule in ("linear", "cosine"):
            name, schedule = one.phase.name, one.settings.schedule
            raise UsageError(
                f"{run.path} cannot go on to {asked}: the learning rate of its phase {name} "
                f"follows schedule={schedule}, which ends at 0 with {_words(run.experiment)}, so "
                "a longer run would have been another from its first step. Train that one, as in "
                f"`twofold train {run.path / 'experiment.yaml'} {asked} --out FOLDER`"
            )
    before = run.experiment.model_dump(mode="json")["training"]
    rewrite_facts(
        run.path / "checkpoints",
        {
            "total_steps": trainer.total_steps,
            "origin": experiment.model_dump(mode="json"),
            "extended_from": {key: before[key] for key in ("epochs", "images")},
        },
    )
    run.rewrite_experiment(experiment)


def finish_extension(run: Run) -> None:
    """Writes the experiment.yaml of a run that was killed while it was given a new duration."""
    facts = run.standing.facts
    if run.is_being_extended(facts):
        training = facts["origin"]["training"]
        durations = {key: training[key] for key in ("epochs", "images")}
        run.rewrite_experiment(resolve(run.experiment, durations))


def _words(experiment: Experiment) -> str:
    training = experiment.training
    if training.images is not None:
        return f"images={training.images}"
    return f"epochs={training.epochs:g}"
