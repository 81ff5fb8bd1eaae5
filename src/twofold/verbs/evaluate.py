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
from twofold.experiments.given import run_of_images
from twofold.files import write_json
from twofold.ranges import name_list
from twofold.training.progress import Console, Progress
from twofold.verbs.inputs import Images
from twofold.verbs.track import track_figures

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        measures: In the order of the report.
        not_measured: What could not be measured, and why.
        path: The evaluation.json; None of two sets of images that were not kept.
    """

    measures: tuple[Figure, ...]
    not_measured: Mapping[str, str]
    path: Path | None

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
    against: Images | None = None,
    keep: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Measures a run on held-out images, into its evaluation.json.

    Each figure is kept as soon as its measure is done.

    Arguments:
        run: A run or its folder, such as runs/cvae; with `against`, images of any program.
        measures: Which, as in likelihood,gan-test; or all. `twofold list measures` names them, and
            those measured by default. What the model or the images cannot answer is left out with
            its reason; earlier figures of the same weights are kept.
        num_samples: Images to generate.
        iwae_samples: k of the IWAE bound; 5000 is the field's.
        num_images: Use only so many test images; all by default.
        against: Real images (a folder, an archive, a data set's name), against which other images,
            given in the place of the run, are measured without a model.
        keep: A run folder to keep these images and their figures in, for `compare`.
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
    if keep is not None and against is None:
        raise UsageError("keep is of images that are measured against others; a run is kept anyway")
    chosen = _chosen(measures)
    if against is not None:
        run = run_of_images(run, against, keep)
        chosen = chosen if measures else [n for n in chosen if known_measures()[n].of_images]
    settings = {"samples": num_samples, "iwae_samples": iwae_samples, "seed": seed}
    context = open_run(run, device, {**settings, "images": num_images}, progress or Console())
    _ = context.dataset  # fails before anything is measured
    facts = {key: context.facts[key] for key in ("step", "total_steps", "sha256")}
    settings |= {**facts, "sampling_scale": context.run.sampling_scale}
    record = _Record(context, settings)
    for index, name in enumerate(chosen):
        if len(chosen) > 1:
            context.progress.say(f"{name} (measure {index + 1} of {len(chosen)})")
        record.take(name)
    track_figures(context.run, context.progress)
    lasts = against is None or keep is not None
    return Evaluation(tuple(record.figures), record.missing, record.path if lasts else None)


class _Record:
    """An evaluation.json that grows measure by measure, beside earlier figures of the weights."""

    def __init__(self, context: Context, settings: Mapping[str, Any]) -> None:
        self.context, self.settings = context, settings
        self.path = context.run.path / "evaluation.json"
        self.figures: list[Figure] = []
        self.missing: dict[str, str] = {}

    def take(self, name: str) -> None:
        """Takes one measure, and writes it down."""
        started = time.perf_counter()
        found: list[Figure] = []
        missing = ""
        with seeded(self.context.settings["seed"], self.context.device):
            try:
                for figure in known_measures()[name].take(self.context):
                    if wrong := figure.not_finite():
                        missing = wrong
                    else:
                        found.append(figure)
            except NotMeasured as reason:
                missing = str(reason)
        self.figures += found
        if missing:
            self.missing[name] = missing
        seconds = round(time.perf_counter() - started, 2)
        with self.context.run.evaluating(self.context.progress.say):
            self._write(name, found, missing, seconds)

    def _write(self, name: str, found: Sequence[Figure], missing: str, seconds: float) -> None:
        before = self.context.run.evaluation_of(self.settings)  # a run may be training on
        again = {name, *(figure.name for figure in found)}
        kept = [
            entry
            for entry in before.get("measures", [])
            if entry["name"] not in again and entry.get("kind") != name
        ]
        content: dict[str, Any] = {
            "measures": [*kept, *({**figure.to_dict(), "kind": name} for figure in found)]
        }
        for key, value in (("not_measured", missing), ("seconds", seconds)):
            older = before.get(key)  # one of an older kind has none
            entries = (
                {k: v for k, v in older.items() if k != name} if isinstance(older, dict) else {}
            )
            content[key] = entries if value == "" else {**entries, name: value}
        versions = describe_versions()
        write_json(self.path, {**content, "settings": self.settings, "versions": versions})


def _chosen(measures: Sequence[str] | str | None) -> Sequence[str]:
    """The measures asked for, each once, in the order of the report."""
    if measures is None:
        return default_measures()
    if isinstance(measures, str):
        measures = name_list(measures)
    known = list(known_measures())
    for name in measures:
        if name in known or name == "all":
            continue
        for measure, of in known_measures().items():
            if name in [quantity.key for quantity in of.quantities]:
                raise UsageError(
                    f"{name} is a figure of the measure {measure}: --measures {measure}"
                )
        raise unknown_name("measure", name, [*known, "all"])
    return [name for name in known if name in measures or "all" in measures]
