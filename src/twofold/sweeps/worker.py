"""A process that takes trials of a sweep, beside others, until none is left."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twofold.experiments.processes import work
from twofold.sweeps.ledger import Ledger
from twofold.sweeps.objective import Objective
from twofold.sweeps.trials import take_trial
from twofold.training.progress import Silent


def take_trials(folder: Path, task: Mapping[str, Any]) -> bool:  # noqa: ARG001
    """Takes trials; False where it was interrupted."""
    ledger = Ledger(folder)
    objective = Objective(ledger.plan["objective"], ledger.plan["num_samples"])
    try:
        while take_trial(ledger, objective, Silent()):
            pass
    except KeyboardInterrupt:
        return False
    return True


if __name__ == "__main__":
    sys.exit(work(take_trials))
