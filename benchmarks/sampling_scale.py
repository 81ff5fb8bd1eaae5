"""What narrower codes buy and cost: GAN-test and GAN-train of a run at several sampling scales.

    python benchmarks/sampling_scale.py runs/lam2023-cvae-best-seed0 1 0.9 0.8 --out scale.json

No test image is looked at, so that the scale of an experiment can be chosen by it: the share of
generated images that the classifier recognizes, and the share of the run's validation images that a
classifier of generated images recognizes, by the same recipe. The run needs both classes and
validation images.
"""

import argparse
import json
from pathlib import Path

import torch

from twofold.data.preprocess import to_unit
from twofold.evaluation.classifiers import CNN, reference_classifier
from twofold.evaluation.gan_train import taught_by
from twofold.evaluation.recognition import accuracy
from twofold.evaluation.samples import classes_as_trained, sample_images
from twofold.experiments.context import open_run
from twofold.experiments.environment import describe_machine, pick_device
from twofold.experiments.run import Run
from twofold.models.base import Generative
from twofold.reproduction.collect import command_of
from twofold.training.progress import Console


def measure(run: Run, scales: list[float], epochs: float | None) -> list[dict]:
    """GAN-test of 10 000 images, GAN-train of as many as the run has learnt from, in per cent."""
    progress = Console()
    settings = {"samples": 10_000, "iwae_samples": 1, "seed": 0}
    context = open_run(run, "auto", settings, progress)
    held_out = context.dataset.split("validation")
    x, y = to_unit(torch.as_tensor(held_out.images)), torch.as_tensor(held_out.labels)
    reference = reference_classifier(context, CNN)
    model, found = context.model.capability(Generative, "sample"), []
    for scale in scales:
        model.sampling_scale = scale
        asked = classes_as_trained(context, settings["samples"])
        recognized = accuracy(
            reference.classifier.classify(sample_images(context, len(asked), asked)), asked
        )
        taught = taught_by(context, {} if epochs is None else {"epochs": epochs})
        found.append(
            {
                "scale": scale,
                "gan_test": 100 * recognized,
                "gan_train": 100 * accuracy(taught.classifier.classify(x), y),
            }
        )
        progress.say(json.dumps(found[-1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("scales", nargs="+", type=float)
    parser.add_argument("--epochs", type=float, help="of the classifier that learns from samples")
    parser.add_argument("--out", type=Path, help="a JSON file; without it figures are printed")
    arguments = parser.parse_args()
    run = Run(arguments.run)
    text = json.dumps(
        {
            "run": command_of(run.experiment),
            "gan_train_on": "validation images",
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
