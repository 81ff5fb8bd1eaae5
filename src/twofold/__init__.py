"""Twofold: variational auto-encoders, generative adversarial networks, and how to tell which is better."""

from twofold._version import __version__

__all__ = ["__version__"]
