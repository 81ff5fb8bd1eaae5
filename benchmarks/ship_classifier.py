"""Puts a trained classifier into the package: its weights, their hash, and the recipe.

    twofold train classifier-cnn --out runs/classifier
    python benchmarks/ship_classifier.py runs/classifier

The weights are those of the run; optimizer state is left out. Beside them lie the checksums of its
validation images, from which it has not learnt: a run that holds out others is measured by another
classifier. The facts say on which test images it may be used, by their fingerprint, and how many of
them it recognizes.
"""

import argparse
from pathlib import Path

import torch

from twofold.data.preprocess import to_unit
from twofold.evaluation.classifiers import HELD_OUT, SHIPPED, checksums
from twofold.evaluation.recognition import accuracy
from twofold.experiments.run import Run
from twofold.training.checkpoint import module_tensors, save_checkpoint


def ship(run: Run) -> Path:
    """Writes the shipped pair of a finished run of a classifier."""
    if not run.finished or "validation" not in run.dataset().splits:
        raise SystemExit(f"{run.path} is not finished, or holds out no validation images")
    dataset, model = run.dataset(), run.model()
    test, held_out = dataset.split("test"), dataset.split("validation")
    log_probs = model.classify(to_unit(torch.as_tensor(test.images)))
    facts = {
        "experiment": run.experiment.model_dump(mode="json"),
        "trained_on": f"{len(dataset.split('train'))} training images of {dataset.name}",
        "train_fingerprint": dataset.split("train").fingerprint,
        "validation_fingerprint": held_out.fingerprint,
        "test_fingerprint": test.fingerprint,
        "test_accuracy": round(accuracy(log_probs, torch.as_tensor(test.labels)), 5),
        "environment": {key: run.environment[key] for key in ("twofold", "python", "torch")},
    }
    folder = SHIPPED / "new"
    tensors = {**module_tensors(model, "model/"), HELD_OUT: checksums(held_out)}
    made = save_checkpoint(folder, run.progress[0], tensors, facts)
    name = SHIPPED / f"{run.experiment.name}-{dataset.name}.json"
    for suffix in (".safetensors", ".json"):
        made.with_suffix(suffix).replace(name.with_suffix(suffix))
    folder.rmdir()
    return name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    print(ship(Run(parser.parse_args().run)))
