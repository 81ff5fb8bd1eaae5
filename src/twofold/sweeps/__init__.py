"""Sweeps: settings chosen by figures of validation images.

`space.py` says what is tried, `objective.py` what is better, `ledger.py` who tries what and how it
went, `trials.py` runs one trial, and `sweep.py` all of them, in this process or in several
(`worker.py`).
"""
