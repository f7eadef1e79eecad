"""The command ``flowlib``."""

from .main import main

__all__ = ["main"]
