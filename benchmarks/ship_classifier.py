"""Puts a trained classifier into the package: its weights, their hash, and the recipe.

    twofold train classifier-cnn validation=0 --out runs/classifier
    python benchmarks/ship_classifier.py runs/classifier

The weights are those of the run; optimizer state is left out. The file beside them says on which
test images it may be used, by their fingerprint, and how many of them it recognizes.
"""

import argparse
from pathlib import Path

import torch

from twofold.data.preprocess import to_unit
from twofold.evaluation.classifiers import SHIPPED
from twofold.evaluation.recognition import accuracy
from twofold.experiments.run import Run
from twofold.training.checkpoint import module_tensors, save_checkpoint


def ship(run: Run) -> Path:
    """Writes the shipped pair of a finished run of a classifier."""
    if not run.finished or "validation" in run.dataset().splits:
        raise SystemExit(f"{run.path} is not finished, or has not seen all training images")
    dataset, model = run.dataset(), run.model()
    test = dataset.split("test")
    log_probs = model.classify(to_unit(torch.as_tensor(test.images)))
    facts = {
        "experiment": run.experiment.model_dump(mode="json"),
        "trained_on": f"{len(dataset.split('train'))} training images of {dataset.name}",
        "train_fingerprint": dataset.split("train").fingerprint,
        "test_fingerprint": test.fingerprint,
        "test_accuracy": round(accuracy(log_probs, torch.as_tensor(test.labels)), 5),
        "environment": {key: run.environment[key] for key in ("twofold", "python", "torch")},
    }
    folder = SHIPPED / "new"
    made = save_checkpoint(folder, run.progress[0], module_tensors(model, "model/"), facts)
    name = SHIPPED / f"{run.experiment.name}-{dataset.name}.json"
    for suffix in (".safetensors", ".json"):
        made.with_suffix(suffix).replace(name.with_suffix(suffix))
    folder.rmdir()
    return name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    print(ship(Run(parser.parse_args().run)))
