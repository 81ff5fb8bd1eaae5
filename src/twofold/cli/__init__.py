"""The command line: functions as commands, texts as arguments, errors as messages and exit codes.

Nothing about an option is written here: `signatures` reads it from the function's source,
`options` makes it an option, `results` calls the function and hands over what it gives back.

Exit codes: 0 done, 1 a run failed, 2 something given does not fit, 130 interrupted (resumable).
"""

import sys

try:
    from twofold.cli.app import app, main
except KeyboardInterrupt:
    sys.stderr.write("interrupted\n")
    raise SystemExit(130) from None

__all__ = ["app", "main"]
