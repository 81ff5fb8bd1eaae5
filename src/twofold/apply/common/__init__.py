"""What the verbs share, and what the larger of them are made of.

How a run is opened (`context.py`), images come in (`inputs.py`) and results go out (`result.py`,
`sheet.py`, `folder.py`, `per_image.py`); codes of images and what lies between them (`codes.py`,
`classes.py`, `paths.py`); what completes an image (`visible.py`, `inpainters.py`); what an anomaly
is scored by (`scores.py`, `components.py`) and what the scores are worth (`verdict.py`).
"""
