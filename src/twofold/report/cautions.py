"""What a reader must know before believing a comparison: rules from facts to sentences."""

from collections.abc import Sequence
from itertools import groupby

from twofold.evaluation.comparison import group_by_recipe, same_images
from twofold.evaluation.summary import RunSummary, marks, mentions
from twofold.report.settings import compact
from twofold.training.diagnosis import warnings_of
from twofold.words import capitalize, count, listing, number

__all__ = ["cautions", "confounders", "warnings"]

TRAPS = ("data", "binarize", "shift", "epochs", "images", "batch size", "latent dim",
         "precision", "compile", "device")  # fmt: skip
OPTIMIZER_TRAPS = {"lr": "learning rate", "name": "optimizer", "schedule": "schedule"}
SIZE_RATIO = 1.5


def warnings(runs: Sequence[RunSummary]) -> list[str]:
    """What went wrong or is missing in a run."""
    found = []
    for run in runs:
        if not run.finished and run.epochs_done is None:
            found.append(f"{run.mention} has not logged a single step yet.")
        elif not run.finished:
            planned = f" of {number(run.epochs_planned)}" if run.epochs_planned else ""
            done = f"{number(run.epochs_done or 0.0, 3)}{planned}"
            found.append(f"{run.mention} is unfinished: it stands at epoch {done}.")
        if run.is_stale:
            found.append(
                f"{run.mention} was measured at step {count(run.evaluated_step or 0)} and has gone "
                f"on to step {count(run.last['step'])}: evaluate it again."
            )
        diagnosis, epoch = run.diagnosis
        found += [f"{run.mention} at epoch {epoch:g}: {text}." for text in warnings_of(diagnosis)]
    missing = [run for run in runs if not run.evaluated]
    if missing:
        verb, those = ("has", "that run") if len(missing) == 1 else ("have", "those runs")
        found.append(
            f"{mentions(missing)} {verb} not been evaluated, so the measures of {those} are blank."
        )
    return found


def cautions(runs: Sequence[RunSummary]) -> list[str]:
    """What limits the comparison: settings, seeds, and what each measure says of itself."""
    found = confounders(runs)
    if len(runs) > 1 and not same_images(runs):
        found.append("The runs are of different images: their figures cannot be compared.")
    several = [len(group.draws) > 1 for group in group_by_recipe(runs)]
    if any(run.figures for run in runs) and not all(several):
        each = "this run has" if len(runs) == 1 else "each run has"
        found.append(
            "A standard error here is over test images. It says nothing about the spread over "
            f"training seeds: {'some runs have' if any(several) else each} one seed, and another "
            "seed could move a figure by more than the error."
        )
    bare = [run for run in runs if run.is_vae and "elbo" not in run.figures]
    gray = [r for r in bare if r.model.get("needs_binary") and r.experiment.data.binarize == "none"]
    if gray:
        found.append(
            f"{mentions(gray)}: gray pixels serve as Bernoulli targets, so the bound is no "
            "likelihood; it compares only with runs that do the same."
        )
    vaes = [run for run in runs if run.is_vae]
    if vaes and any(run.is_gan for run in runs):
        found.append(
            f"The images of {mentions(vaes)} are means of p(x|z), without the noise of its pixels: "
            "smooth images are easier to recognize than a GAN's samples."
        )
    said: dict[str, dict[str, RunSummary]] = {}  # what the measures say of themselves, and of whom
    for run in runs:
        for measure in run.figures.values():
            for caution in filter(None, measure.notes.split("; ")):
                said.setdefault(capitalize(caution).rstrip("."), {})[run.letter] = run
    for text, of in said.items():
        found.append(f"{text} ({marks(list(of.values()))})." if len(runs) > 1 else f"{text}.")
    return found


def confounders(runs: Sequence[RunSummary]) -> list[str]:
    """The settings beside the model's family in which runs differ: each could be the cause."""
    settings = [compact(run.experiment) for run in runs]
    values = {key: [words.get(key) for words in settings] for key in TRAPS}
    for key, title in OPTIMIZER_TRAPS.items():
        optimizers = [run.experiment.training.optimizers.values() for run in runs]
        used = [dict.fromkeys(str(getattr(one, key)) for one in of_run) for of_run in optimizers]
        values[title] = [listing(list(names)) for names in used]
    values["kind of network"] = [run.model.get("networks") for run in runs]
    values["training images"] = [count(n) if (n := run.train_count) else None for run in runs]
    sizes = [sum(run.parameters.values()) for run in runs]
    if 0 not in sizes and max(sizes) >= SIZE_RATIO * min(sizes):
        values["trained parameters"] = [count(size) for size in sizes]
    parts = [part for title, found in values.items() if (part := _values(runs, title, found))]
    if not parts:
        return []
    return [
        f"The runs differ in more than the model: {'; '.join(parts)}. Any of these may be behind "
        "a difference, so it is not the model's alone."
    ]


def _values(runs: Sequence[RunSummary], title: str, values: Sequence[str | None]) -> str:
    """`batch size 50 (A) and 100 (B)`, or nothing where all are alike or one has none."""
    if len(set(values)) < 2 or None in values:
        return ""
    pairs = sorted(zip(values, runs, strict=True), key=lambda pair: str(pair[0]))
    groups = [
        f"{value or 'none'} ({marks([run for _, run in group])})"
        for value, group in groupby(pairs, key=lambda pair: pair[0])
    ]
    return f"{title} {listing(groups)}"
