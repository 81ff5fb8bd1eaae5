"""What the two scripts of this folder share: a step of work in a process of its own.

Everything is imported once; each piece of work is done in a fork of the script, which may be
killed, crash or hang without ending it. The script itself computes nothing, as a fork after a
computation of several threads would wait for them forever.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from twofold.errors import TwofoldError
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import Experiment
from twofold.experiments.train import train
from twofold.training.progress import Silent

LIMIT = 60  # seconds before a piece of work counts as one that hangs
SAID = 77  # exit code: it ended with a sentence


def experiment() -> Experiment:
    """Three epochs of four steps, with a checkpoint after each step and the best one kept."""
    fields = {
        **{"limit": 80, "validation": 20, "batch_size": 15, "epochs": 3, "latent_dim": 2},
        **{"model.encoder.layers": "fc-4", "model.decoder.layers": "fc-4", "keep_best": "loss"},
        **{
            "log_every": 2,
            "checkpoint_every": 0,
            "device": "cpu",
            "sample_every": 1,
            "schedule": "constant",
        },
    }
    return resolve("digits-cvae", fields)


def finished_run(folder: Path) -> None:
    """A run of it."""
    train(experiment(), out=folder, progress=Silent())


def apart(work: Callable[[], object]) -> tuple[int, str]:
    """The exit code of a piece of work, negative for a signal, and what it said or raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(LIMIT)
        code, text = 0, ""
        try:
            text = str(work() or "")
        except TwofoldError as error:
            code, text = SAID, str(error)
        except BaseException:
            code, text = 1, traceback.format_exc()
        with os.fdopen(writing, "w") as pipe:
            pipe.write(text[-3000:])
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def report(faults: list[str], tried: int) -> None:
    """Prints what a test reads."""
    json.dump({"tried": tried, "faults": faults}, sys.stdout)


torch.set_num_threads(1)
