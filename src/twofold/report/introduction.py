"""The title and the first paragraph: what was compared, by plain words."""

from collections.abc import Sequence

from twofold.evaluation.comparison import group_by_recipe
from twofold.evaluation.summary import RunSummary, marks
from twofold.words import count, duration, epochs, listing, number, plural

__all__ = ["introduction", "title"]

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def title(runs: Sequence[RunSummary]) -> str:
    """`CVAE and CGAN on MNIST`."""
    models = listing(list(dict.fromkeys(run.model_title for run in runs)))
    return f"{models} on {listing(list(dict.fromkeys(run.data_name for run in runs)))}"


def introduction(runs: Sequence[RunSummary]) -> list[str]:
    """Sentences: how many models, on what, each recipe with its length and seeds."""
    number_word = NUMBERS[len(runs)] if len(runs) < len(NUMBERS) else count(len(runs))
    models = "model was" if len(runs) == 1 else "models were"
    sets = list(dict.fromkeys(_data(run) for run in runs))
    counts = list(dict.fromkeys(run.train_count for run in runs))
    alike = len(sets) == len(counts) == 1
    images = f", {plural(counts[0], 'training image')}" if alike and counts[0] else ""
    sentences = [f"{number_word} {models} trained on {listing(sets)}{images}."]
    for group in group_by_recipe(runs):
        # Runs of a recipe that were trained to the end share a sentence
        whole = all(run.finished and run.epochs_done for run in group.runs)
        for together in [group.runs] if whole else [(run,) for run in group.runs]:
            sentences.append(_sentence(together, not alike, len(sets) > 1))
    return sentences


def _data(run: RunSummary) -> str:
    parts = []
    if shape := run.data.get("image_shape"):
        kind = "gray" if shape[0] == 1 else "color"
        parts.append(f"{shape[1]}\u00a0×\u00a0{shape[2]} {kind} pixels")
    if classes := len(run.class_names):
        parts.append("1 class" if classes == 1 else f"{count(classes)} classes")
    return run.data_name + (f" ({', '.join(parts)})" if parts else "")


def _sentence(runs: Sequence[RunSummary], say_count: bool, say_data: bool) -> str:
    """`A is a CVAE of 1 438 608 parameters, trained for 50 epochs with seed 0 in 10 min.`"""
    run = runs[0]
    size = sum(run.parameters.values())
    article = "an" if run.model_title[0] in "AEFHILMNORSX" else "a"  # an M2, an ACGAN
    text = f"{marks(runs)} {'is' if len(runs) == 1 else 'are each'} {article} {run.model_title}"
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
    text += f" with {_seeds('seed', [run.experiment.seed for run in runs])}"
    labels = _seeds("label seed", [run.experiment.data.label_seed for run in runs])
    if labels.startswith("label seeds"):
        text += f" and {labels}"
    if times := sorted(run.seconds for run in runs if run.seconds is not None):
        text += f" in {' to '.join(dict.fromkeys(duration(t) for t in (times[0], times[-1])))}"
    return f"{text}."


def _seeds(noun: str, values: Sequence[int]) -> str:
    """`seed 0`, `seeds 0, 1 and 2`."""
    once = [str(value) for value in dict.fromkeys(values)]
    return f"{noun}{'s' if len(once) > 1 else ''} {listing(once)}"
