"""Pictures: sheets of images, drawings in the style of the house, and the files they end in.

`sheets.py` lays images out, `formats.py` makes PNGs and animations of what is laid out; all others
draw with matplotlib, in the style of `style.py`, which imports it when something is drawn.
"""
