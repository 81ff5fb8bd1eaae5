"""The self-contained HTML report that lays runs side by side.

`compare.py` is the front door; `reading.py`, `verdicts.py` and `cautions.py` turn numbers into
sentences, `measure_table.py` and `tables.py` into rows, `pictures.py` and what it draws with into
pictures.
"""
