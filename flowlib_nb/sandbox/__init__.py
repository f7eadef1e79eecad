"""Runs templates in worker processes that have no I/O, little memory and little time."""

from .pool import Sandbox

__all__ = ["Sandbox"]
