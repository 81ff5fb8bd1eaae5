"""The command line: turns text into keyword arguments, and errors into messages and exit codes.

Exit codes: 0 done, 1 a run failed, 2 something given does not fit, 130 interrupted (resumable).
Everything heavy is imported inside the command that needs it, so that `--help` is quick.
"""

# In the order of the help.
from twofold.cli import training, measuring, reproducing, listing  # noqa: F401, I001
from twofold.cli import looking, maps, filling, labels, anomalies  # noqa: F401
from twofold.cli.app import app, main

__all__ = ["app", "main"]
