"""What this package adds to Twofold: importing a module registers the names in it."""

from twofold_examples import gmmn, gratings, laplace, resmlp  # noqa: F401
