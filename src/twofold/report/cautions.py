"""What a reader must know before believing a comparison: rules from facts to sentences."""

from collections.abc import Sequence
from itertools import groupby

from twofold.report.facts import Facts
from twofold.report.noise import same_images
from twofold.report.seeds import group_by_recipe
from twofold.report.settings import compact
from twofold.report.words import capitalize, count, listing, number
from twofold.training.diagnosis import warnings_of

__all__ = ["cautions", "confounders", "warnings"]

TRAPS = ("data", "binarize", "shift", "epochs", "images", "batch size", "latent dim",
         "precision", "compile", "device")  # fmt: skip
OPTIMIZER_TRAPS = {"lr": "learning rate", "name": "optimizer", "schedule": "schedule"}
SIZE_RATIO = 1.5


def warnings(runs: Sequence[Facts]) -> list[str]:
    """What went wrong or is missing in a run."""
    found = []
    for run in runs:
        found += _progress(run)
        found += _stale(run)
        diagnosis, epoch = run.diagnosis
        found += [f"{run.mention} at epoch {epoch:g}: {text}." for text in warnings_of(diagnosis)]
    missing = [run for run in runs if not run.evaluated]
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        found.append(
            f"{listing([run.mention for run in missing])} {verb} not been evaluated, so the "
            f"measures of {'that run' if len(missing) == 1 else 'those runs'} are blank."
        )
    return found


def cautions(runs: Sequence[Facts]) -> list[str]:
    """What limits the comparison: settings, seeds, and what each measure says of itself."""
    found = confounders(runs)
    if len(runs) > 1 and not same_images(runs):
        found.append("The runs are of different images: their figures cannot be compared.")
    if any(run.measures for run in runs):
        found += _seeds(runs)
    gray = [run for run in runs if _is_no_likelihood(run) and "elbo" not in run.measures]
    if gray:
        found.append(
            f"{listing([run.mention for run in gray])}: gray pixels serve as Bernoulli targets, so "
            "the bound is no likelihood; it compares only with runs that do the same."
        )
    return found + _means(runs) + _of_measures(runs)


def confounders(runs: Sequence[Facts]) -> list[str]:
    """The settings beside the model's family in which runs differ: each could be the cause."""
    if len(runs) < 2:
        return []
    parts = [_setting(runs, key) for key in TRAPS]
    parts += [_optimizer(runs, key, title) for key, title in OPTIMIZER_TRAPS.items()]
    parts.append(_values(runs, "kind of network", [r.model.get("networks") for r in runs]))
    counts = [count(run.train_count) if run.train_count else None for run in runs]
    parts += [_values(runs, "training images", counts), _sizes(runs)]
    parts = [part for part in parts if part]
    if not parts:
        return []
    return [
        f"The runs differ in more than the model: {'; '.join(parts)}. Any of these may be behind "
        "a difference, so it is not the model's alone."
    ]


def _progress(run: Facts) -> list[str]:
    if run.finished:
        return []
    if run.epochs_done is None:
        return [f"{run.mention} has not logged a single step yet."]
    planned = f" of {number(run.epochs_planned)}" if run.epochs_planned else ""
    return [
        f"{run.mention} is unfinished: it stands at epoch {number(run.epochs_done, 3)}{planned}."
    ]


def _stale(run: Facts) -> list[str]:
    if not run.is_stale or run.last is None:
        return []
    return [
        f"{run.mention} was measured at step {count(run.evaluated_step or 0)} and has gone on to "
        f"step {count(run.last['step'])}: evaluate it again."
    ]


def _seeds(runs: Sequence[Facts]) -> list[str]:
    several = [len(group.draws) > 1 for group in group_by_recipe(runs)]
    if all(several):
        return []
    subject = "this run has" if len(runs) == 1 else "each run has"
    if any(several):
        subject = "some runs have"
    return [
        "A standard error here is over test images. It says nothing about the spread over training "
        f"seeds: {subject} one seed, and another seed could move a figure by more than the error."
    ]


def _is_no_likelihood(run: Facts) -> bool:
    needs_binary = run.is_vae and run.model.get("needs_binary")
    return bool(needs_binary) and run.experiment.data.binarize == "none"


def _setting(runs: Sequence[Facts], key: str) -> str:
    values = [compact(run.experiment).get(key) for run in runs]
    return _values(runs, key, values)


def _optimizer(runs: Sequence[Facts], key: str, title: str) -> str:
    def value(run: Facts) -> str:
        used = (getattr(o, key) for o in run.experiment.training.optimizers.values())
        return listing(list(dict.fromkeys(str(v) for v in used)))

    return _values(runs, title, [value(run) for run in runs])


def _values(runs: Sequence[Facts], title: str, values: Sequence[str | None]) -> str:
    """`batch size 50 (A) and 100 (B)`, or nothing where all are alike or one has none."""
    if len(set(values)) < 2 or None in values:
        return ""
    pairs = sorted(zip(values, runs, strict=True), key=lambda pair: str(pair[0]))
    groups = [
        f"{value or 'none'} ({listing([run.mark for _, run in group])})"
        for value, group in groupby(pairs, key=lambda pair: pair[0])
    ]
    return f"{title} {listing(groups)}"


def _sizes(runs: Sequence[Facts]) -> str:
    sizes = [sum(run.parameters.values()) for run in runs]
    if 0 in sizes or max(sizes) < SIZE_RATIO * min(sizes):
        return ""
    return _values(runs, "trained parameters", [count(size) for size in sizes])


def _means(runs: Sequence[Facts]) -> list[str]:
    vaes = [run.mention for run in runs if run.is_vae]
    if not vaes or not any(run.is_gan for run in runs):
        return []
    return [
        f"The images of {listing(vaes)} are means of p(x|z), without the noise of its pixels: "
        "smooth images are easier to recognize than a GAN's samples."
    ]


def _of_measures(runs: Sequence[Facts]) -> list[str]:
    """What the measures say of themselves, and of which runs."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for measure in run.measures.values():
            for caution in filter(None, measure.caution.split("; ")):
                found.setdefault(capitalize(caution).rstrip("."), {})[run.mark] = None
    if len(runs) == 1:
        return [f"{text}." for text in found]
    return [f"{text} ({listing(list(marks))})." for text, marks in found.items()]
