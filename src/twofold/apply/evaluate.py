"""Measuring a run on held-out images, into its evaluation.json."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from twofold.apply.measures import DEFAULT, MEASURES, make_subject
from twofold.errors import unknown_name
from twofold.experiments.environment import pick_device
from twofold.experiments.run import Run
from twofold.files import write_json
from twofold.metrics.measure import Measure, NotMeasured
from twofold.training.progress import Console, Progress

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        measures: In the order of the report.
        not_measured: What could not be measured, and why.
        path: The evaluation.json.
    """

    measures: tuple[Measure, ...]
    not_measured: Mapping[str, str]
    path: Path

    def __getitem__(self, name: str) -> Measure:
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise unknown_name("measure", name, [measure.name for measure in self.measures])


def evaluate(
    run: str | Path | Run,
    measures: Sequence[str] | None = None,
    samples: int = 10_000,
    iwae_samples: int = 100,
    images: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Measures a run on the test images and writes its evaluation.json.

    Arguments:
        run: A run or its folder.
        measures: Names of `MEASURES`, or `all`; by default `DEFAULT`. What the model or the images
            cannot answer is left out with its reason; earlier figures of the same weights are kept.
        samples: Images generated for measures of samples.
        iwae_samples: k of the IWAE bound, up to 5 000.
        images: Test images used; all by default.
        seed: Of samples and latent draws.
        device: Where to compute.
        progress: Who is told how it goes.

    Raises:
        RunError: If the run has no test images or is damaged.
        UsageError: If a measure is unknown.
    """
    run = run if isinstance(run, Run) else Run(run)
    chosen = _chosen(measures)
    where = pick_device(device)
    started = time.perf_counter()
    settings = {"samples": samples, "iwae_samples": iwae_samples, "seed": seed}
    subject = make_subject(run, settings, images, where, progress or Console())
    found: list[Measure] = []
    missing: dict[str, str] = {}
    for name in chosen:
        with torch.random.fork_rng([where] if where.type == "cuda" else []):
            torch.manual_seed(seed)
            try:
                for measure in MEASURES[name](subject):
                    found.append(measure)
            except NotMeasured as reason:
                missing[name] = str(reason)
    done, total = run.progress
    path = run.path / "evaluation.json"
    write_json(
        path,
        {
            "measures": [*_still_valid(run, found), *(measure.to_dict() for measure in found)],
            "not_measured": {**_still_missing(run, chosen), **missing},
            "settings": {**settings, "step": done, "total_steps": total},
            "versions": {key: run.environment[key] for key in ("twofold", "torch", "python")},
            "seconds": round(time.perf_counter() - started, 2),
        },
    )
    return Evaluation(tuple(found), missing, path)


def _chosen(measures: Sequence[str] | None) -> Sequence[str]:
    """The measures asked for, each once, in the order of `MEASURES`."""
    if measures is None:
        return DEFAULT
    for name in measures:
        if name not in MEASURES and name != "all":
            raise unknown_name("measure", name, [*MEASURES, "all"])
    return [name for name in MEASURES if name in measures or "all" in measures]


def _still_valid(run: Run, found: Sequence[Measure]) -> list[dict[str, Any]]:
    """What was measured before, of the same weights, and not again now."""
    again = {measure.name for measure in found}
    return [m for m in _of_the_same_weights(run).get("measures", []) if m["name"] not in again]


def _still_missing(run: Run, chosen: Sequence[str]) -> dict[str, str]:
    """What could not be measured before, of the same weights, and was not tried again."""
    before = _of_the_same_weights(run).get("not_measured", {})
    return {name: reason for name, reason in before.items() if name not in chosen}


def _of_the_same_weights(run: Run) -> dict[str, Any]:
    before = run.evaluation or {}
    same = before.get("settings", {}).get("step") == run.progress[0]
    return before if same else {}
