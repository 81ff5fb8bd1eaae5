"""The self-contained HTML report that lays runs side by side.

`compare.py` is the front door. `lead.py` says what comes first: what was compared, went wrong, was
found and limits it; `tables.py` and `cost.py` make rows, `curves.py` the pictures of training,
`samples.py` the sheets, `settings.py` what differs and the commands. What measures say and draw is
in their own files of `evaluation`.
"""
