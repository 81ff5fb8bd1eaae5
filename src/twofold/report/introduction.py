"""The title and the first paragraph: what was compared, by plain words."""

from collections.abc import Sequence

from twofold.report.facts import Facts
from twofold.report.seeds import group_by_recipe
from twofold.report.words import count, duration, epochs, listing, number, plural

__all__ = ["introduction", "title"]

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def title(runs: Sequence[Facts]) -> str:
    """`CVAE and CGAN on MNIST`."""
    models = listing(list(dict.fromkeys(run.model_title for run in runs)))
    return f"{models} on {listing(list(dict.fromkeys(run.data_name for run in runs)))}"


def introduction(runs: Sequence[Facts]) -> list[str]:
    """Sentences: how many models, on what, each recipe with its length and seeds."""
    number_word = NUMBERS[len(runs)] if len(runs) < len(NUMBERS) else count(len(runs))
    subject = f"{number_word} model{' was' if len(runs) == 1 else 's were'} trained"
    sets = list(dict.fromkeys(_data(run) for run in runs))
    counts = list(dict.fromkeys(run.train_count for run in runs))
    alike = len(sets) == len(counts) == 1
    first = f"{subject} on {listing(sets)}"
    if alike and counts[0]:
        first += f", {plural(counts[0], 'training image')}"
    sentences = (_sentence(together, not alike, len(sets) > 1) for together in _together(runs))
    return [f"{first}.", *sentences]


def _together(runs: Sequence[Facts]) -> list[tuple[Facts, ...]]:
    """Runs of a recipe that were trained to the end share a sentence."""
    found: list[tuple[Facts, ...]] = []
    for group in group_by_recipe(runs):
        whole = all(run.finished and run.epochs_done for run in group.runs)
        found += [group.runs] if whole else [(run,) for run in group.runs]
    return found


def _data(run: Facts) -> str:
    parts = []
    shape = run.data.get("image_shape")
    if shape:
        kind = "gray" if shape[0] == 1 else "color"
        parts.append(f"{shape[1]}\u00a0×\u00a0{shape[2]} {kind} pixels")
    classes = len(run.data.get("class_names") or [])
    if classes:
        parts.append("1 class" if classes == 1 else f"{count(classes)} classes")
    return run.data_name + (f" ({', '.join(parts)})" if parts else "")


def _sentence(runs: Sequence[Facts], say_count: bool, say_data: bool) -> str:
    """`A is a CVAE of 1 438 608 parameters, trained for 50 epochs with seed 0 in 10 min.`"""
    run = runs[0]
    size = sum(run.parameters.values())
    article = "an" if run.model_title[0] in "AEFHILMNORSX" else "a"  # an M2, an ACGAN
    verb = "is" if len(runs) == 1 else "are each"
    text = f"{listing([one.mark for one in runs])} {verb} {article} {run.model_title}"
    if size:
        text += f" of {count(size)} parameters"
    if run.epochs_done is None:
        return f"{text} that has not been trained yet (seed {run.experiment.seed})."
    if run.finished or not run.epochs_planned:
        text += f", trained for {epochs(run.epochs_done)}"
    else:
        text += f", trained for {number(run.epochs_done, 3)} of {epochs(run.epochs_planned)}"
    if say_count and run.train_count:
        text += f" of {plural(run.train_count, 'image')}"
    if say_data:
        text += f" of {run.data_name}"
    return f"{text} with {_seeds(runs)}{_took(runs)}."


def _seeds(runs: Sequence[Facts]) -> str:
    """`seed 0`, `seeds 0, 1 and 2`, `seed 0 and label seeds 0 and 1`."""
    labels = _numbered("label seed", [run.experiment.data.label_seed for run in runs])
    text = _numbered("seed", [run.experiment.seed for run in runs])
    return f"{text} and {labels}" if labels.startswith("label seeds") else text


def _numbered(noun: str, values: Sequence[int]) -> str:
    once = [str(value) for value in dict.fromkeys(values)]
    return f"{noun}{'s' if len(once) > 1 else ''} {listing(once)}"


def _took(runs: Sequence[Facts]) -> str:
    times = sorted(run.seconds for run in runs if run.seconds is not None)
    texts = dict.fromkeys(duration(time) for time in (times[:1] + times[-1:]))
    return f" in {' to '.join(texts)}" if texts else ""
