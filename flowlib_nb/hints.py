"""Hints for names that do not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint with the closest known name, or with all of them where they are few.

    Parameters
    ----------
    name : str
        What was written.
    known : iterable of str
        What could have been meant.
    """
    names = sorted(known)
    same = [other for other in names if other.casefold() == name.casefold()]
    if close := same or get_close_matches(name, names, n=1, cutoff=0.6):
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(names)}." if 0 < len(names) <= 12 else None
