"""Measuring a run on held-out images, into its evaluation.json."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.errors import NotMeasured, UsageError, unknown_name
from twofold.evaluation.figure import Figure
from twofold.evaluation.measure import default_measures
from twofold.evaluation.measure import measures as known_measures
from twofold.experiments.context import Context, Subject, open_run, seeded
from twofold.experiments.environment import describe_versions
from twofold.experiments.run import Run
from twofold.files import write_json
from twofold.ranges import name_list
from twofold.training.progress import Console, Progress
from twofold.verbs.track import track_figures

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        measures: In the order of the report.
        not_measured: What could not be measured, and why.
        path: The evaluation.json.
    """

    measures: tuple[Figure, ...]
    not_measured: Mapping[str, str]
    path: Path

    def __getitem__(self, name: str) -> Figure:
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise unknown_name("measure", name, [measure.name for measure in self.measures])


def evaluate(
    run: Subject,
    measures: Sequence[str] | str | None = None,
    num_samples: int = 10_000,
    iwae_samples: int = 100,
    num_images: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Measures a run on held-out images, into its evaluation.json.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        measures: Which, as in likelihood,gan-test; or all. `twofold list measures` names them, and
            those measured by default. What the model or the images cannot answer is left out with
            its reason; earlier figures of the same weights are kept.
        num_samples: Images to generate.
        iwae_samples: k of the IWAE bound; 5000 is the field's.
        num_images: Use only so many test images; all by default.
        seed: Seed of samples and latent draws.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.
        progress: Who hears what takes its time; by default the terminal or notebook.

    Raises:
        RunError: If the run has no test images or is damaged.
        UsageError: If a measure is unknown.

    Example:
        $ twofold evaluate runs/cvae --measures likelihood,distance
    """
    counts = {"num_samples": num_samples, "iwae_samples": iwae_samples, "num_images": num_images}
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UsageError(f"{name}={count}: at least one is needed")
    chosen = _chosen(measures)
    settings = {"samples": num_samples, "iwae_samples": iwae_samples, "seed": seed}
    context = open_run(run, device, {**settings, "images": num_images}, progress or Console())
    _ = context.dataset  # fails before anything is measured
    found, missing, seconds = _measure(context, chosen)
    written = context.run.path / "evaluation.json"
    facts = {key: context.facts[key] for key in ("step", "total_steps", "sha256")}
    settings |= {**facts, "sampling_scale": context.run.sampling_scale}
    content = _beside_earlier(context.run, found, chosen)
    content["not_measured"] |= missing
    content["seconds"] |= seconds
    write_json(written, {**content, "settings": settings, "versions": describe_versions()})
    track_figures(context.run, context.progress)
    return Evaluation(tuple(measure for _, measure in found), missing, written)


Found = list[tuple[str, Figure]]


def _measure(
    context: Context, chosen: Sequence[str]
) -> tuple[Found, dict[str, str], dict[str, float]]:
    """Each measure with the name it was asked by, why others were not taken, and the times."""
    functions = known_measures()
    found: Found = []
    missing: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name in chosen:
        started = time.perf_counter()
        with seeded(context.settings["seed"], context.device):
            try:
                for measure in functions[name].take(context):
                    if wrong := measure.not_finite():
                        missing[name] = wrong
                    else:
                        found.append((name, measure))
            except NotMeasured as reason:
                missing[name] = str(reason)
        seconds[name] = round(time.perf_counter() - started, 2)
    return found, missing, seconds


def _beside_earlier(run: Run, found: Found, chosen: Sequence[str]) -> dict[str, Any]:
    """New figures after the earlier ones of the same weights that were not taken again."""
    before = run.current_evaluation
    again = {*chosen, *(measure.name for _, measure in found)}
    kept = [
        entry
        for entry in before.get("measures", [])
        if entry["name"] not in again and entry.get("kind") not in again
    ]
    content: dict[str, Any] = {
        "measures": [*kept, *({**measure.to_dict(), "kind": kind} for kind, measure in found)]
    }
    for key in ("not_measured", "seconds"):
        entries = before.get(key)
        older = entries if isinstance(entries, dict) else {}  # one of an older kind has none
        content[key] = {name: entry for name, entry in older.items() if name not in chosen}
    return content


def _chosen(measures: Sequence[str] | str | None) -> Sequence[str]:
    """The measures asked for, each once, in the order of the report."""
    if measures is None:
        return default_measures()
    if isinstance(measures, str):
        measures = name_list(measures)
    known = list(known_measures())
    for name in measures:
        if name not in known and name != "all":
            raise unknown_name("measure", name, [*known, "all"])
    return [name for name in known if name in measures or "all" in measures]
