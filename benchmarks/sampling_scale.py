"""What narrower codes buy and cost: GAN-test and GAN-train of a run at several sampling scales.

    python benchmarks/sampling_scale.py runs/lam2023-cvae-seed0 1 0.9 0.8 --out scale.json

Measured on the run's validation images, so that the scale of an experiment can be chosen by it: the
share of generated images that the classifier recognises, and the share of validation images that a
classifier of generated images recognises, by the judge's recipe.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from twofold.apply import judges
from twofold.apply.measures import make_subject
from twofold.apply.measures.gan_train import as_dataset
from twofold.data.preprocess import to_unit
from twofold.experiments.environment import describe_machine, pick_device
from twofold.experiments.run import Run
from twofold.metrics.accuracy import accuracy
from twofold.training.progress import Console


def measure(run: Run, scales: list[float], epochs: float | None) -> list[dict]:
    """GAN-test of 10 000 images, GAN-train of as many as the run has learnt from, in per cent."""
    progress, device = Console(), pick_device("auto")
    settings = {"samples": 10_000, "iwae_samples": 1, "seed": 0}
    subject = make_subject(run, settings, None, device, progress)
    held_out = subject.dataset.split("validation")
    x, y = to_unit(_tensor(held_out.images)), _tensor(held_out.labels)
    judge = subject.judge(judges.JUDGE)
    found = []
    for scale in scales:
        subject.model.sampling_scale = scale
        asked = subject.classes(settings["samples"])
        recognised = accuracy(judge.classifier.classify(subject.sample(len(asked), asked)), asked)
        asked = subject.classes(len(subject.train))
        made = as_dataset(subject.sample(len(asked), asked), asked, subject.dataset)
        recipe = judges.judge_recipe(judges.JUDGE, made)
        if epochs is not None:
            recipe = recipe.model_copy(
                update={"training": recipe.training.model_copy(update={"epochs": epochs})}
            )
        folder = run.path / "judges" / f"scale-{scale:g}-{judges.judge_key(recipe, made)}"
        taught = judges.train_judge(recipe, made, folder, str(device), progress).classifier
        found.append(
            {
                "scale": scale,
                "gan_test": 100 * recognised,
                "gan_train": 100 * accuracy(taught.classify(x), y),
                "epochs_of_the_classifier": recipe.training.epochs,
            }
        )
        progress.say(json.dumps(found[-1]))
    return found


def _tensor(array: np.ndarray | None):
    import torch

    assert array is not None
    return torch.as_tensor(array)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("scales", nargs="+", type=float)
    parser.add_argument("--epochs", type=float, help="of the classifier that learns from samples")
    parser.add_argument("--out", type=Path, help="a JSON file; without it figures are printed")
    arguments = parser.parse_args()
    run = Run(arguments.run)
    text = json.dumps(
        {
            "run": f"{run.experiment.name} seed={run.experiment.seed}",
            "split": "validation",
            "machine": describe_machine(pick_device("auto")),
            "figures": measure(run, arguments.scales, arguments.epochs),
        },
        indent=1,
    )
    if arguments.out:
        arguments.out.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
