"""The self-contained HTML report that lays runs side by side.

`compare.py` is the front door and `facts.py` reads each run once; `reading.py`, `cautions.py` and
`introduction.py` turn numbers into sentences, `tables.py` into rows, `pictures.py` and what it
draws with into pictures. `noise.py` and `seeds.py` say what a difference is worth.
"""
