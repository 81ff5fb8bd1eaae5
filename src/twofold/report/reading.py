"""The differences between runs in plain words, by rules from the numbers alone.

Every function takes facts and gives readings; none looks anywhere else. A text speaks of a run by
its mention (⟦A⟧), which the page turns into a badge.
"""

import math
from collections.abc import Sequence

from twofold.metrics.measure import Measure
from twofold.report.contrast import over_seeds
from twofold.report.facts import Facts, Reading
from twofold.report.noise import best, comparable, difference, same_images
from twofold.report.seeds import group_by_recipe
from twofold.report.verdicts import beside_the_floor, misses, repeats
from twofold.report.words import common_title, listing, number, plus_minus, with_unit

__all__ = ["active_units", "likelihood", "outcome", "readings", "speed", "too_good"]
DISTANCE = "fid/classifier"


def readings(runs: Sequence[Facts]) -> list[Reading]:
    """What the numbers say, most telling first."""
    names = dict.fromkeys(name for run in runs for name in run.measures)
    found = []
    for name in names:
        if name.startswith("gan_test/"):
            found += over_seeds(runs, name) or outcome(runs, name)
            found += too_good(runs, name)
        elif name == "accuracy":
            found += over_seeds(runs, name)
        elif name == DISTANCE:
            found += over_seeds(runs, name) or outcome(runs, name)
            found += beside_the_floor(runs, name)
    found += misses(runs) + repeats(runs)
    return found + likelihood(runs) + active_units(runs) + speed(runs)


def outcome(runs: Sequence[Facts], name: str) -> list[Reading]:
    """Who is ahead by one measure, or that the noise hides it."""
    having = [run for run in runs if name in run.measures]
    if not having:
        return []
    measure = having[0].measures[name]
    figures = listing([_figure(run, name) for run in having])
    if len(having) == 1 or measure.better is None:
        text = f"{figures}."
    elif why := comparable(having, name):
        text = f"{figures}. These are not to be compared: {why}."
    else:
        text = _race(having, name)
    return [Reading(common_title([run.measures[name].title for run in having]), text)]


def too_good(runs: Sequence[Facts], name: str) -> list[Reading]:
    """Generated images that are recognized more often than real ones are typical, not better."""
    above = [run for run in runs if name in run.measures and _beats_floor(run.measures[name])]
    if not above:
        return []
    measure = above[0].measures[name]
    floor = with_unit(number(measure.floor or 0.0), measure.unit)
    return [
        Reading(
            measure.title,
            f"The same classifier recognizes {floor} of real test images, fewer than of those of "
            f"{listing([run.mention for run in above])}. That is no praise: images of the easy, "
            "typical kind are recognized more often than real ones.",
        )
    ]


def likelihood(runs: Sequence[Facts]) -> list[Reading]:
    """The bound on the likelihood, and who cannot have one."""
    having = [run for run in runs if "elbo" in run.measures]
    found = over_seeds(runs, "elbo") or outcome(runs, "elbo")
    if len(having) == 1:
        found = [Reading(found[0].topic, found[0].text + _parts(having[0]))]
    gans = [run.mention for run in runs if run.is_gan and not run.is_hybrid]
    if gans and any(run.is_vae for run in runs):
        verb = "has" if len(gans) == 1 else "have"
        text = f"{listing(gans)} {verb} none, as no GAN does, and cannot be placed on that scale."
        found.append(Reading(found[-1].topic if having else "Likelihood", text))
    return found


def active_units(runs: Sequence[Facts]) -> list[Reading]:
    """How many latent dimensions carry information."""
    found = []
    for run in runs:
        active, total = run.diagnosis[0].get("active_units"), run.latent_dim
        if active is None or not total:
            continue
        if active == 0:
            text = f"{run.mention} uses none of its {total}."
        elif active < total:
            text = (
                f"{run.mention} uses {active} of its {total}; the others follow the prior and "
                "carry next to nothing."
            )
        else:
            text = f"{run.mention} uses all of its {active}."
        found.append(Reading("latent dimensions", text))
    return found


def speed(runs: Sequence[Facts]) -> list[Reading]:
    """Who trains faster, where that can be said."""
    timed = [run for run in runs if run.seconds_per_epoch and run.images_per_second]
    timed = [run for run in timed if run.is_vae or run.is_gan] or timed
    if len(group_by_recipe(timed)) < 2 or not same_images(timed):
        return []
    names = listing([run.mention for run in timed])
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


def _race(having: Sequence[Facts], name: str) -> str:
    """The first two by a measure, and whether the noise lies between them."""
    sign = -1 if having[0].measures[name].better == "higher" else 1
    first, second, *_ = sorted(having, key=lambda run: sign * run.measures[name].value)
    a, b = first.measures[name], second.measures[name]
    gap = difference(a, b)
    versus = f"{_figure(first, name)}, {_figure(second, name)}"
    apart = with_unit(number(abs(gap.amount), 2), "points" if a.unit == "%" else a.unit)
    if gap.verdict == "unknown":
        return (
            f"{versus}. No standard error was measured, so whether the difference of {apart} is "
            "more than noise is not known."
        )
    errors = f"{number(gap.errors or 0.0, 2)} combined standard errors"
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


def _parts(run: Facts) -> str:
    recon, kl = run.measures.get("recon_nll"), run.measures.get("kl")
    if not recon or not kl:
        return ""
    return (
        f" Of its negative, {number(recon.value)} is reconstruction and {number(kl.value)} the KL "
        "to the prior."
    )


def _beats_floor(measure: Measure) -> bool:
    if measure.floor is None or measure.error is None or measure.better != "higher":
        return False
    return measure.value > measure.floor + 2 * measure.error


def _figure(run: Facts, name: str) -> str:
    return f"{run.mention} {_value(run.measures[name])}"


def _value(measure: Measure) -> str:
    return with_unit(plus_minus(measure.value, measure.error), measure.unit)
