"""The reproduction of published reports: what to run, how ours compares, and the page that says so.

`book.py` says what belongs to a report, `plan.py` what is still to do and how long it takes,
`reproduce.py` does it, `collect.py` brings the figures of finished runs together, `verdict.py`
compares them with what was printed, and `page.py` writes it down.
"""
