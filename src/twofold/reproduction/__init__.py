"""The reproduction of published reports: what to run, how ours compares, and the page that says so.

`reports.py` says what belongs to a report, `plan.py` what is still to do and how long it takes, and
`reproduce.py` does it. Of finished runs `collect.py` brings the figures together and `figures.py`
draws the pictures; `results.py` reads the figures back and compares them with what was printed,
`finding.py` says what several experiments tell together, and `page.py` puts all of it into words.
"""
