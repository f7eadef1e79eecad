"""Checks and runs flows."""

from .flow import Flow
from .run import Run

__all__ = ["Flow", "Run"]
