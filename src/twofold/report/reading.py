"""The differences between runs in plain words, by rules from the numbers alone.

Every function takes facts and gives readings; none looks anywhere else. A text speaks of a run by
its mention (⟦A⟧), which the page turns into a badge.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from twofold.evaluation.comparison import (
    THRESHOLD,
    Contrast,
    best,
    comparable,
    contrast,
    difference,
    group_by_recipe,
    interval,
    same_images,
)
from twofold.evaluation.figure import Figure
from twofold.evaluation.summary import RunSummary, mentions, those_with
from twofold.words import (
    FIXED,
    common_title,
    listing,
    number,
    plural,
    plus_minus,
    with_unit,
)

__all__ = [
    "Reading",
    "active_units",
    "beside_the_floor",
    "likelihood",
    "misses",
    "outcome",
    "over_seeds",
    "readings",
    "repeats",
    "speed",
    "too_good",
]

DISTANCE = "fid/classifier"
FAR = 0.8  # of the floor: below it a share is far from that of real images
FEW = 3  # draws up to which the wide tails of Student's t leave only large differences visible
SHOWN = {
    "coverage": "its images come near {value} of the test images (coverage; real ones {real})",
    "recall": "{value} of the test images lie among its own (recall; among real ones {real})",
}


class Reading(NamedTuple):
    """A sentence or two of "In short", and what they are about."""

    topic: str
    text: str


def readings(runs: Sequence[RunSummary]) -> list[Reading]:
    """What the numbers say, most telling first."""
    found = []
    for name in dict.fromkeys(name for run in runs for name in run.figures):
        if name == "accuracy":
            found += over_seeds(runs, name)
        elif name == DISTANCE or name.startswith("gan_test/"):
            found += over_seeds(runs, name) or outcome(runs, name)
            found += (beside_the_floor if name == DISTANCE else too_good)(runs, name)
    found += misses(runs) + repeats(runs)
    return found + likelihood(runs) + active_units(runs) + speed(runs)


def outcome(runs: Sequence[RunSummary], name: str) -> list[Reading]:
    """Who is ahead by one measure, or that the noise hides it."""
    having = those_with(runs, name)
    if not having:
        return []
    figures = listing([_figure(run, name) for run in having])
    if len(having) == 1 or having[0].figures[name].better is None:
        text = f"{figures}."
    elif why := comparable(having, name):
        text = f"{figures}. These are not to be compared: {why}."
    else:
        text = _race(having, name)
    return [Reading(common_title([run.figures[name].title for run in having]), text)]


def over_seeds(runs: Sequence[RunSummary], name: str) -> list[Reading]:
    """What the means over seeds or label draws say of a measure."""
    having = [group for group in group_by_recipe(runs) if group.values(name)]
    if all(len(group.values(name)) < 2 for group in having):
        return []
    counted = [group.draws[draw] for group in having for draw in group.values(name)]
    measure = counted[0].figures[name]
    means = [
        f"{group.mention} {group.figure(name, measure.unit)} over "
        f"{plural(len(group.values(name)), group.noun)}"
        for group in having
    ]
    text = f"Mean ± standard deviation: {listing(means)}."
    if why := comparable(counted, name):
        text += f" These are not to be compared: {why}."
    elif measure.better is not None and (found := contrast(having, name)):
        text += _verdict(found)
    return [Reading(measure.title, text)]


def too_good(runs: Sequence[RunSummary], name: str) -> list[Reading]:
    """Generated images that are recognized more often than real ones are typical, not better."""
    above = [run for run in those_with(runs, name) if _above_floor(run.figures[name])]
    measure = above[0].figures[name] if above else None
    if measure is None or measure.better != "higher":
        return []
    text = (
        f"The same classifier recognizes {with_unit(number(measure.reference or 0), measure.unit)} of "
        f"real test images, fewer than of those of {mentions(above)}. That is no praise: images "
        "of the easy, typical kind are recognized more often than real ones."
    )
    return [Reading(measure.title, text)]


def beside_the_floor(runs: Sequence[RunSummary], name: str) -> list[Reading]:
    """What real training images have in the place of generated ones."""
    measures = [run.figures[name] for run in those_with(runs, name)]
    floors = dict.fromkeys(_floor(measure) for measure in measures if measure.reference is not None)
    if not floors:
        return []
    figures = listing(list(floors), "or")
    text = f"Real training images in the place of the generated ones have {figures}."
    return [Reading(measures[0].title, text)]


def misses(runs: Sequence[RunSummary], extractor: str = "classifier") -> list[Reading]:
    """Who shows less of the real images than real ones do, and whether because they are wrong."""
    found = []
    for run in runs:
        low = {
            kind: measure
            for kind in (*SHOWN, "precision", "density")
            if (measure := run.figures.get(f"{kind}/{extractor}")) and _far_below(measure)
        }
        parts = [
            SHOWN[kind].format(value=_share(measure), real=_floor(measure))
            for kind, measure in low.items()
            if kind in SHOWN
        ]
        wrong = [f"{kind} {_share(low[kind])}" for kind in low if kind not in SHOWN]
        if wrong:
            verdict = (
                f"Its images are often off the real ones ({listing(wrong)}), so whether kinds of "
                "images are missing or badly made is not known."
            )
        elif "coverage" in low:
            verdict = "It misses kinds of images."
        else:
            verdict = "Its images vary less than real ones do."
        if parts:
            found.append(Reading("diversity", f"{run.mention}: {listing(parts)}. {verdict}"))
    return found


def repeats(runs: Sequence[RunSummary]) -> list[Reading]:
    """Who repeats training images more often than real test images do."""
    found = []
    for run in those_with(runs, "copies"):
        copies = run.figures["copies"]
        if _above_floor(copies):
            text = (
                f"{run.mention} repeats its training images: {_share(copies)} of its images are "
                f"copies, against {_floor(copies)} of real test images."
            )
            found.append(Reading("memorization", text))
    return found


def likelihood(runs: Sequence[RunSummary]) -> list[Reading]:
    """The bound on the likelihood, and who cannot have one."""
    having = those_with(runs, "elbo")
    found = over_seeds(runs, "elbo") or outcome(runs, "elbo")
    parts = having[0].figures if len(having) == 1 else {}
    if {"recon_nll", "kl"} <= parts.keys():
        text = (
            f"{found[0].text} Of its negative, {number(parts['recon_nll'].value)} is "
            f"reconstruction and {number(parts['kl'].value)} the KL to the prior."
        )
        found = [Reading(found[0].topic, text)]
    gans = [run for run in runs if run.is_gan and not run.model.get("wraps")]  # no auto-encoder
    if gans and any(run.is_vae for run in runs):
        verb = "has" if len(gans) == 1 else "have"
        text = f"{mentions(gans)} {verb} none, as no GAN does, and cannot be placed on that scale."
        found.append(Reading(found[-1].topic if having else "Likelihood", text))
    return found


def active_units(runs: Sequence[RunSummary]) -> list[Reading]:
    """How many latent dimensions carry information."""
    found = []
    for run in runs:
        active, total = run.diagnosis[0].get("active_units"), run.latent_dim
        if active is None or not total:
            continue
        text = f"{run.mention} uses {'all' if active >= total else active or 'none'} of its {total}"
        if 0 < active < total:
            text += "; the others follow the prior and carry next to nothing"
        found.append(Reading("latent dimensions", f"{text}."))
    return found


def speed(runs: Sequence[RunSummary]) -> list[Reading]:
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
        return [Reading("speed", text)]
    timed.sort(key=lambda run: run.images_per_second or 0.0, reverse=True)
    fast, slow = timed[0], timed[-1]
    factor = (fast.images_per_second or 0.0) / (slow.images_per_second or math.inf)
    if factor < 1.05:
        return [Reading("speed", f"{names} train at the same speed, within 5\u00a0%.")]
    text = f"{fast.mention} trains {number(factor, 2)} times as fast as {slow.mention}"
    if fast.train_count == slow.train_count:
        text += (
            f": {number(fast.seconds_per_epoch or 0, 3)}\u00a0s per epoch against "
            f"{number(slow.seconds_per_epoch or 0, 3)}\u00a0s"
        )
    else:
        text += ", by images a second"
    return [Reading("speed", f"{text}.")]


def _race(having: Sequence[RunSummary], name: str) -> str:
    """The first two by a measure, and whether the noise lies between them."""
    sign = -1 if having[0].figures[name].better == "higher" else 1
    first, second, *_ = sorted(having, key=lambda run: sign * run.figures[name].value)
    a, b = first.figures[name], second.measures[name]
    gap = difference(a, b)
    versus = f"{_figure(first, name)}, {_figure(second, name)}"
    apart = with_unit(number(abs(gap.amount), 2), "points" if a.unit == "%" else a.unit)
    if gap.errors is None:
        return (
            f"{versus}. No standard error was measured, so whether the difference of {apart} is "
            "more than noise is not known."
        )
    errors = f"{number(gap.errors, 2)} combined standard errors"
    if gap.verdict == "noise":
        others = "the first two" if len(having) > 2 else "the two"
        return (
            f"Within noise: {versus}. This does not tell {others} apart, for they differ by "
            f"{apart}, which is {errors}."
        )
    others = " of every other run" if len(having) > 2 and best(having, name) else ""
    return (
        f"{first.mention} is ahead{others} with {_value(a)}; {second.mention} has {_value(b)}. "
        f"They differ by {apart}, which is {errors}."
    )


def _verdict(found: Contrast) -> str:
    """Which recipe is ahead, or that the spread hides it, and what so few draws can show."""
    one = found.difference if found.difference.amount >= 0 else found.difference.swapped
    unit = "points" if found.measure.unit == "%" else found.measure.unit
    amount, ends = interval(one)
    apart = f"{with_unit(amount, unit)} (95{FIXED}% interval {ends}, {found.how})"
    text = ""
    if found.recipes > 2:
        text += (
            f" The best by mean of {found.recipes} recipes and the runner-up are compared, and no "
            "others."
        )
    if one.within_noise:
        text += (
            f" The difference of {apart} is within noise: the spread over {found.noun}s can "
            "explain it."
        )
    else:
        text += (
            f" {found.leader.mention} is ahead by {apart}, which is more than the spread over "
            f"{found.noun}s explains."
        )
    if found.fewest <= FEW:
        text += f" With {plural(found.fewest, found.noun)} only large differences can be seen."
    return text


def _above_floor(measure: Figure, sign: int = 1) -> bool:
    """Whether a figure lies on that side of the floor, by more than noise."""
    if measure.reference is None or measure.error is None:
        return False
    return sign * (measure.value - measure.reference) > THRESHOLD * measure.error


def _far_below(measure: Figure) -> bool:
    return _above_floor(measure, sign=-1) and measure.value < FAR * (measure.reference or 0.0)


def _figure(run: RunSummary, name: str) -> str:
    return f"{run.mention} {_value(run.figures[name])}"


def _value(measure: Figure) -> str:
    return with_unit(plus_minus(measure.value, measure.error), measure.unit)


def _share(measure: Figure) -> str:
    return with_unit(number(measure.value, 3), measure.unit)


def _floor(measure: Figure) -> str:
    return with_unit(number(measure.reference or 0.0, 3), measure.unit)
