"""The differences between runs in plain words, by rules from the numbers alone.

Every function takes facts and gives sentences; none looks anywhere else. A sentence speaks of a
run by its mention (⟦A⟧), which the page turns into a badge.
"""

import math
from collections.abc import Sequence

from twofold.metrics.measure import Measure
from twofold.report.facts import Facts
from twofold.report.noise import best, comparable, difference
from twofold.report.words import listing, number, plus_minus, with_unit

__all__ = ["likelihood", "outcome", "readings", "speed", "too_good"]


def readings(runs: Sequence[Facts]) -> list[str]:
    """What the numbers say, most telling first."""
    names = dict.fromkeys(name for run in runs for name in run.measures)
    found = []
    for name in names:
        if name.startswith("gan_test/"):
            found += outcome(runs, name) + too_good(runs, name)
    found += likelihood(runs) + active_units(runs) + speed(runs)
    return found


def outcome(runs: Sequence[Facts], name: str) -> list[str]:
    """Who is ahead by one measure, or that the noise hides it."""
    having = [run for run in runs if name in run.measures]
    if not having:
        return []
    measure = having[0].measures[name]
    if len(having) == 1:
        return [f"{measure.title}: {_figure(having[0], name)}."]
    if why := comparable(having, name):
        figures = listing([_figure(run, name) for run in having])
        return [f"{measure.title}: {figures}; not to be compared, because {why}."]
    if measure.better is None:
        return [f"{measure.title}: {listing([_figure(run, name) for run in having])}."]
    return [_race(having, name)]


def _race(having: Sequence[Facts], name: str) -> str:
    sign = -1 if having[0].measures[name].better == "higher" else 1
    first, second, *_ = sorted(having, key=lambda run: sign * run.measures[name].value)
    a, b = first.measures[name], second.measures[name]
    gap = difference(a, b)
    title = a.title
    versus = f"{_figure(first, name)} against {_figure(second, name)}"
    apart = with_unit(number(abs(gap.amount), 2), "points" if a.unit == "%" else a.unit)
    if gap.verdict == "unknown":
        return (
            f"{title}: {versus}; no standard error was measured, so whether the difference of "
            f"{apart} is more than noise is not known."
        )
    if gap.verdict == "noise":
        return (
            f"{title} does not tell {first.mention} and {second.mention} apart: {versus}. The "
            f"difference of {apart} is within noise ({_errors(gap.errors)})."
        )
    others = " and of every other run" if len(having) > 2 and best(having, name) else ""
    return (
        f"{first.mention} is ahead{others} by {_lower(title)}: {versus}. The difference of "
        f"{apart} is more than the noise of the test images ({_errors(gap.errors)})."
    )


def too_good(runs: Sequence[Facts], name: str) -> list[str]:
    """Generated images that are recognised more often than real ones are typical, not better."""
    above = [run for run in runs if name in run.measures and _beats_floor(run.measures[name])]
    if not above:
        return []
    floor = above[0].measures[name]
    return [
        f"The same classifier scores {with_unit(number(floor.floor or 0.0), floor.unit)} on real "
        f"test images, less than on those of {listing([run.mention for run in above])}. That is no "
        "praise: images of the easy, typical kind are recognised more often than real ones."
    ]


def likelihood(runs: Sequence[Facts]) -> list[str]:
    """The bound on the likelihood, and who cannot have one."""
    having = [run for run in runs if "elbo" in run.measures]
    found = outcome(runs, "elbo")
    for run in having:
        recon, kl = run.measures.get("recon_nll"), run.measures.get("kl")
        if recon and kl and len(having) == 1:
            found[-1] += (
                f" Of its negative, {number(recon.value)} is reconstruction and "
                f"{number(kl.value)} the KL to the prior."
            )
    gans = [run.mention for run in runs if run.is_gan]
    if gans and (having or any(run.is_vae for run in runs)):
        found.append(
            f"{listing(gans)} {'has' if len(gans) == 1 else 'have'} no likelihood at all, as no "
            "GAN does, and cannot be placed on that scale."
        )
    return found


def active_units(runs: Sequence[Facts]) -> list[str]:
    """How many latent dimensions carry information."""
    found = []
    for run in runs:
        diagnosis, _ = run.diagnosis
        active, kls = diagnosis.get("active_units"), diagnosis.get("kl_per_dim")
        if active is not None and kls:
            found.append(
                f"{run.mention} uses {active} of its {len(kls)} latent dimensions; the others "
                "follow the prior and carry nothing."
                if active < len(kls)
                else f"{run.mention} uses all of its {active} latent dimensions."
            )
    return found


def speed(runs: Sequence[Facts]) -> list[str]:
    """Who trains faster, where that can be said."""
    timed = [run for run in runs if run.seconds_per_epoch and run.images_per_second]
    if len(timed) < 2:
        return []
    if len({run.hardware for run in timed}) > 1:
        return [
            f"{listing([run.mention for run in timed])} were trained on different hardware or with "
            "different numbers of threads, so their speeds are not compared."
        ]
    timed.sort(key=lambda run: run.images_per_second or 0.0, reverse=True)
    fast, slow = timed[0], timed[-1]
    factor = (fast.images_per_second or 0.0) / (slow.images_per_second or math.inf)
    if factor < 1.05:
        return [f"{listing([run.mention for run in timed])} train at the same speed."]
    epochs = (
        f": {number(fast.seconds_per_epoch or 0, 3)} s per epoch against "
        f"{number(slow.seconds_per_epoch or 0, 3)} s"
        if fast.train_count == slow.train_count
        else ""
    )
    return [
        f"{fast.mention} sees {number(factor, 2)} times as many images a second in training as "
        f"{slow.mention}{epochs}."
    ]


def _beats_floor(measure: Measure) -> bool:
    if measure.floor is None or measure.error is None or measure.better != "higher":
        return False
    return measure.value > measure.floor + 2 * measure.error


def _figure(run: Facts, name: str) -> str:
    measure = run.measures[name]
    return f"{with_unit(plus_minus(measure.value, measure.error), measure.unit)} for {run.mention}"


def _errors(errors: float | None) -> str:
    return f"{number(errors or 0.0, 2)} combined standard errors"


def _lower(title: str) -> str:
    """Lower-case at the start, unless it starts with an acronym."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
