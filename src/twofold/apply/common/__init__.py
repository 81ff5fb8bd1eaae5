"""What the verbs share, and what the larger of them are made of.

How images come in (`inputs.py`) and results go out (`result.py`, `per_image.py`); codes of images
and what lies between them (`codes.py`, `paths.py`); what completes an image (`visible.py`,
`inpainters.py`); what an anomaly is scored by (`scores.py`) and what that is worth (`verdict.py`).
"""
