"""Standard input, which may be a terminal, a pipe or nothing."""

from __future__ import annotations

import sys

from ..errors import InputError


def is_terminal() -> bool:
    """Whether there is someone to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def read_input() -> str:
    """Read all of standard input.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    InputError
        There is none, or it is not text.
    """
    if sys.stdin is None:
        raise InputError("There is no standard input.")
    try:
        return sys.stdin.read()
    except UnicodeError:  # which carries what was read, so it ends here
        pass
    raise InputError("Standard input is not UTF-8 text.")
