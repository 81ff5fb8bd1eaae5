"""Pictures: sheets of images, drawings in the style of the house, and the files they end in.

`sheets.py` lays images out, `formats.py` makes PNGs and animations of what is laid out; `style.py`
and `charts.py` draw with matplotlib, which is imported when something is drawn.
"""
