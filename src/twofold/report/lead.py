"""What the page says first: what was compared, what went wrong, what was found, what limits it.

Rules from the numbers to sentences; a text speaks of a run by its mention, which the page turns
into a badge.
"""

import math
from collections.abc import Iterable, Sequence

from twofold.evaluation.comparison import (
    best,
    comparable,
    contrast,
    group_by_recipe,
    has_repeats,
    same_images,
)
from twofold.evaluation.findings import Finding
from twofold.evaluation.measure import measures, quantity_of
from twofold.evaluation.summary import RunSummary, marks, mentions, those_with
from twofold.report.cost import headlines
from twofold.report.settings import varied
from twofold.training.diagnosis import warnings_of
from twofold.words import count, duration, epochs, listing, number, plural

__all__ = ["findings", "introduction", "notes", "title", "warnings"]

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
FEW_IMAGES = 100  # test images, below which no figure of them is worth much
FEW_FIELDS = 6  # settings that are named one by one
MOST_NOTES = 5
SIZE_RATIO = 1.5
CHANCE = 0.05  # of a difference where there is none, at two standard errors


# --- what was compared ----------------------------------------------------------------------------


def title(runs: Sequence[RunSummary]) -> str:
    """`CVAE and CGAN on MNIST`."""
    models = listing(list(dict.fromkeys(run.model_title for run in runs)))
    return f"{models} on {listing(list(dict.fromkeys(run.data_name for run in runs)))}"


def introduction(runs: Sequence[RunSummary]) -> list[str]:
    """Sentences: how many models, on what, in what they differ, each recipe with its length."""
    number_word = NUMBERS[len(runs)] if len(runs) < len(NUMBERS) else count(len(runs))
    models = "model was" if len(runs) == 1 else "models were"
    sets = list(dict.fromkeys(_data(run) for run in runs))
    counts = list(dict.fromkeys(run.train_count for run in runs))
    alike = len(sets) == len(counts) == 1
    images = f", {plural(counts[0], 'training image')}" if alike and counts[0] else ""
    sentences = [f"{number_word} {models} trained on {listing(sets)}{images}."]
    sentences += _differences(runs)
    described: dict[str, list[RunSummary]] = {}
    for group in group_by_recipe(runs):
        # Runs of a recipe that were trained to the end share a sentence
        whole = all(run.finished and run.epochs_done for run in group.runs)
        for together in [group.runs] if whole else [(run,) for run in group.runs]:
            text = _described(together, not alike, len(sets) > 1)
            described.setdefault(text, []).extend(together)
    return sentences + [_sentence(of, text) for text, of in described.items()]


def _differences(runs: Sequence[RunSummary]) -> list[str]:
    """In what recipes of one model differ: that is the question of the page."""
    recipes = [group.runs[0] for group in group_by_recipe(runs)]
    if len(recipes) < 2 or len({run.model_title for run in recipes}) > 1:
        return []
    fields = varied(recipes)
    if not 0 < len(fields) <= FEW_FIELDS:
        return []
    parts = [f"{key} ({', '.join(dict.fromkeys(map(_blank, of)))})" for key, of in fields.items()]
    them = f"{count(len(recipes))} recipes of one model"
    return [f"They are {them}, which differ in {listing(parts)}."]


def _blank(value: str) -> str:
    return value or "none"


def _data(run: RunSummary) -> str:
    parts = []
    if shape := run.data.get("image_shape"):
        kind = "gray" if shape[0] == 1 else "color"
        parts.append(f"{shape[1]}\u00a0×\u00a0{shape[2]} {kind} pixels")
    if classes := len(run.class_names):
        parts.append("1 class" if classes == 1 else f"{count(classes)} classes")
    return run.data_name + (f" ({', '.join(parts)})" if parts else "")


def _sentence(runs: Sequence[RunSummary], text: str) -> str:
    """`A is a CVAE of 1 438 608 parameters, trained for 50 epochs with seed 0 in 10 min.`"""
    article = "an" if runs[0].model_title[0] in "AEFHILMNORSX" else "a"  # an M2, an ACGAN
    verb = "is" if len(runs) == 1 else "are each"
    text = f"{marks(runs)} {verb} {article} {runs[0].model_title}{text}"
    if times := sorted(run.seconds for run in runs if run.seconds is not None):
        text += f" in {' to '.join(dict.fromkeys(duration(t) for t in (times[0], times[-1])))}"
    return f"{text}."


def _described(runs: Sequence[RunSummary], say_count: bool, say_data: bool) -> str:
    """What follows the names of runs of one recipe: their size, length and seeds."""
    run = runs[0]
    size = sum(run.parameters.values())
    text = f" of {count(size)} parameters" if size else ""
    if run.epochs_done is None:
        return f"{text} that has not been trained yet (seed {run.experiment.seed})"
    if run.finished or not run.epochs_planned:
        text += f", trained for {epochs(run.epochs_done)}"
    else:
        text += f", trained for {number(run.epochs_done, 3)} of {epochs(run.epochs_planned)}"
    text += f" ({count(run.last['step'])} steps)" if run.last.get("step") else ""
    if say_count and run.train_count:
        text += f" of {plural(run.train_count, 'image')}"
    if say_data:
        text += f" of {run.data_name}"
    text += f" with {_seeds('seed', [run.experiment.seed for run in runs])}"
    labels = _seeds("label seed", [run.experiment.data.label_seed for run in runs])
    return f"{text} and {labels}" if labels.startswith("label seeds") else text


def _seeds(noun: str, values: Sequence[int]) -> str:
    """`seed 0`, `seeds 0, 1 and 2`."""
    once = [str(value) for value in dict.fromkeys(values)]
    return f"{noun}{'s' if len(once) > 1 else ''} {listing(once)}"


# --- what went wrong ------------------------------------------------------------------------------


def warnings(runs: Sequence[RunSummary]) -> list[str]:
    """What makes the rest worth little: few test images, failed runs, old or missing figures."""
    found = list(_small_sets(runs))
    for text in dict.fromkeys(text for run in runs for text in run.failed):
        found.append(f"{mentions([run for run in runs if text in run.failed])} {text}.")
    if len(runs) > 1 and all(run.failed for run in runs):
        found.append("No run passes these plain checks, so none is called the best below.")
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
    found += _of_training(runs)
    missing = [run for run in runs if not run.evaluated]
    if missing:
        verb, those = ("has", "that run") if len(missing) == 1 else ("have", "those runs")
        found.append(
            f"{mentions(missing)} {verb} not been evaluated, so the measures of {those} are blank."
        )
    return found


def _small_sets(runs: Sequence[RunSummary]) -> Iterable[str]:
    """That there are few test images, and of how few the rarest class is."""
    counts = {run.test_count for run in runs if run.evaluated} - {None}
    few = sorted(n for n in counts if n is not None and n < FEW_IMAGES)
    if few:
        texts = listing([count(n) for n in few])
        yield (
            f"There are only {texts} test images. Whatever is measured on them is uncertain by "
            "several per cent, and small differences mean nothing."
        )


def _of_training(runs: Sequence[RunSummary]) -> list[str]:
    """What training warned of at its last validation, runs with the same warning together."""
    said: dict[str, list[tuple[RunSummary, float]]] = {}
    for run in runs:
        diagnosis, epoch = run.diagnosis
        for text in warnings_of(diagnosis):
            said.setdefault(text, []).append((run, epoch))
    found = []
    for text, of in said.items():
        whole = sorted({number(epoch, 3) for _, epoch in of})
        found.append(f"{mentions([run for run, _ in of])} at epoch {listing(whole, 'or')}: {text}.")
    return found


# --- what was found -------------------------------------------------------------------------------


def findings(runs: Sequence[RunSummary]) -> list[tuple[str, list[str]]]:
    """What the numbers say, by topic, in the order of the questions."""
    found = [one for measure in measures().values() for one in measure.findings(runs)]
    found += [*_contradictions(runs), *_active_units(runs), *_speed(runs)]
    topics: dict[str, list[str]] = {}
    for topic, text in found:
        topics.setdefault(topic, []).append(text)
    return list(topics.items())


def _leaders(runs: Sequence[RunSummary]) -> dict[str, str]:
    """Who is ahead by more than noise by each headline that can say so."""
    found: dict[str, str] = {}
    if all(run.failed for run in runs):
        return found
    groups = group_by_recipe(runs)
    for name in dict.fromkeys(name for run in runs for name in run.figures):
        quantity = quantity_of(name)
        if quantity is None or not quantity.headline or quantity.title in found:
            continue
        if has_repeats(runs):
            one = contrast(groups, name)
            if one and one.measure.better and not one.difference.within_noise:
                found[quantity.title] = one.leader.mention
        elif top := best(runs, name):
            found[quantity.title] = top.mention
    return found


def _contradictions(runs: Sequence[RunSummary]) -> list[Finding]:
    """Headlines that name different leaders, set against each other, and how many there were."""
    leaders = _leaders(runs)
    ahead: dict[str, list[str]] = {}
    for measure, leader in leaders.items():
        ahead.setdefault(leader, []).append(measure)
    found = []
    if len(ahead) > 1:
        parts = [f"{leader} is ahead by {listing(by)}" for leader, by in ahead.items()]
        text = (
            f"{listing(parts)}. These measures look at different sides: one counts how well single "
            "images are made, another how the whole set lies to the real one. Which matters is for "
            "the purpose to say; there is no overall winner."
        )
        found.append(Finding("the measures disagree", text))
    groups = len(group_by_recipe(runs))
    tests = sum(_compared(runs, name) for name in headlines(runs)) * (groups - 1)
    if tests > 2:
        text = (
            f"About {tests} differences were looked at above, each by itself. Where there is none, "
            f"one in twenty shows one all the same: {number(tests * CHANCE, 2)} are to be expected."
        )
        found.append(Finding("how many tests", text))
    return found


def _compared(runs: Sequence[RunSummary], name: str) -> bool:
    having = those_with(runs, name)
    return len(having) > 1 and not comparable(having, name)


def _active_units(runs: Sequence[RunSummary]) -> list[Finding]:
    """How many latent dimensions carry information, by recipe."""
    said: dict[str, list[str]] = {}
    for group in group_by_recipe(runs):
        known = [(run.diagnosis[0].get("active_units"), run.latent_dim) for run in group.runs]
        counts = sorted({active for active, total in known if active is not None and total})
        if not counts:
            continue
        total = group.runs[0].latent_dim
        few = " to ".join(dict.fromkeys(str(n or "none") for n in (counts[0], counts[-1])))
        text = f"uses {'all' if counts[0] >= total else few} of its {total}"
        if 0 < counts[0] < total:
            text += "; the others follow the prior and carry next to nothing"
        said.setdefault(text, []).append(_who(group.runs))
    return [Finding("latent dimensions", f"{listing(who)} {text}.") for text, who in said.items()]


def _who(runs: Sequence[RunSummary]) -> str:
    return runs[0].mention if len(runs) == 1 else f"{runs[0].model_title} ({marks(runs)})"


def _speed(runs: Sequence[RunSummary]) -> list[Finding]:
    """Who trains faster, where that can be said."""
    timed = [run for run in runs if run.seconds_per_epoch and run.images_per_second]
    timed = [run for run in timed if run.is_vae or run.is_gan] or timed
    if len(group_by_recipe(timed)) < 2 or not same_images(timed):
        return []
    names = mentions(timed)
    if len({run.hardware for run in timed}) > 1:
        text = (
            f"{names} were trained on different hardware or with different numbers of threads, so "
            "their speeds are not compared."
        )
        return [Finding("speed", text)]
    timed.sort(key=lambda run: run.images_per_second or 0.0, reverse=True)
    fast, slow = timed[0], timed[-1]
    factor = (fast.images_per_second or 0.0) / (slow.images_per_second or math.inf)
    if factor < 1.05:
        return [Finding("speed", f"{names} train at the same speed, within 5\u00a0%.")]
    text = f"{fast.mention} trains {number(factor, 2)} times as fast as {slow.mention}"
    if fast.train_count == slow.train_count:
        text += (
            f": {number(fast.seconds_per_epoch or 0, 3)}\u00a0s per epoch against "
            f"{number(slow.seconds_per_epoch or 0, 3)}\u00a0s"
        )
    else:
        text += ", by images a second"
    return [Finding("speed", f"{text}.")]


# --- how far to trust it --------------------------------------------------------------------------


def notes(runs: Sequence[RunSummary]) -> list[str]:
    """At most five that could change the conclusion; what concerns one figure stands beside it."""
    found: list[str] = []
    if len(runs) > 1 and not same_images(runs):
        found.append("The runs are of different images: their figures cannot be compared.")
    found += _confounders(runs)
    several = [len(group.draws) > 1 for group in group_by_recipe(runs)]
    if any(run.figures for run in runs) and not all(several):
        each = "this run has" if len(runs) == 1 else "each run has"
        found.append(
            "An interval here is over test images. It says nothing about the spread over "
            f"training seeds: {'some runs have' if any(several) else each} one seed, and another "
            "seed could move a figure by more."
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
    said = dict.fromkeys(text for run in runs for text in run.data_notes)
    if said:
        found.append(f"Of the data: {'; '.join(said)}.")
    return found[:MOST_NOTES]


def _confounders(runs: Sequence[RunSummary]) -> list[str]:
    """The settings beside the model in which models of different kinds differ."""
    if len({run.model_title for run in runs}) < 2:
        return []
    firsts = [group.runs[0] for group in group_by_recipe(runs)]
    fields = varied(firsts, "model.")
    parts = [
        f"{key.rsplit('.', 1)[-1].replace('_', ' ')} {listing(_of_whom(firsts, values))}"
        for key, values in fields.items()
        if "" not in values
    ]
    sizes = [sum(run.parameters.values()) for run in firsts]
    if 0 not in sizes and max(sizes) >= SIZE_RATIO * min(sizes):
        parts.append(f"parameters {listing(_of_whom(firsts, [count(size) for size in sizes]))}")
    if not parts:
        return []
    more = f" and {len(parts) - FEW_FIELDS} more" if len(parts) > FEW_FIELDS else ""
    return [
        f"The runs differ in more than the model: {'; '.join(parts[:FEW_FIELDS])}{more}. Any of "
        "these may be behind a difference, so it is not the model's alone."
    ]


def _of_whom(runs: Sequence[RunSummary], values: Sequence[str]) -> list[str]:
    """`50 (A)`, `100 (B)`."""
    whose: dict[str, list[RunSummary]] = {}
    for run, value in zip(runs, values, strict=True):
        whose.setdefault(value, []).append(run)
    return [f"{value or 'none'} ({marks(of)})" for value, of in whose.items()]
