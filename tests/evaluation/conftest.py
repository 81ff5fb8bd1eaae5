"""Every test draws the same numbers, and some know a likelihood in closed form."""

from linear_gaussian import linear_gaussian, seeded

__all__ = ["linear_gaussian", "seeded"]
