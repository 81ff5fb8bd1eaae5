"""What this package adds to Twofold: importing a module registers the names in it."""

from twofold_examples import (  # noqa: F401
    capacity,
    gmmn,
    gratings,
    laplace,
    pearson,
    resmlp,
    sharpness,
    student_t,
)
