"""The self-contained HTML report that lays runs side by side.

`compare.py` is the front door; `reading.py` and `cautions.py` turn numbers into sentences,
`tables.py` into rows, `curves.py` and `figures.py` into pictures.
"""
