"""Arguments of magics: argparse whose errors are one line in the notebook."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import NoReturn

from IPython.core.error import UsageError

from ..errors import InputError


class LineParser(argparse.ArgumentParser):
    """Parses a magic's line."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        raise UsageError(f"{self.prog}: {message}\n{self.format_usage().strip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise instead of ending the process, after ``--help``."""
        raise _HelpShownError

    def parse_line(self, line: str) -> argparse.Namespace | None:
        """Parse a line as a shell would split it.

        Returns
        -------
        argparse.Namespace or None
            None where the line asked for help, which has been printed.

        Raises
        ------
        UsageError
            The line cannot be understood.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"{self.prog}: {error}") from None
        try:
            return self.parse_args(words)
        except _HelpShownError:
            return None


class ReticentParser(LineParser):
    """Parses a line whose words may be secrets in the wrong place: no error repeats one."""

    def error(self, message: str) -> NoReturn:
        """Raise with the message, less what was typed."""
        super().error(without_words(message))


def without_words(message: str) -> str:
    """One of argparse's messages without the words that it complains about.

    Parameters
    ----------
    message : str
        The message.

    Returns
    -------
    str
        What is wrong.
    """
    if message.startswith("unrecognized arguments"):
        return "there are words too many"
    pattern = r"(argument [^:]+: )?invalid choice: .*\(choose from (.*)\)"
    choice = re.fullmatch(pattern, message, re.DOTALL)
    if choice:
        known = choice[2].replace("'", "")
        return f"{choice[1] or ''}choose from {known}"
    return re.sub(r"'.*'", "…", message, flags=re.DOTALL)


class _HelpShownError(Exception):
    """``--help`` has printed its text."""


def split_assignment(text: str) -> tuple[str, str | None]:
    """``NAME=VALUE`` as both, ``NAME`` as the name alone.

    Raises
    ------
    InputError
        There is no name.
    """
    name, equals, value = text.partition("=")
    if not name.isidentifier():
        raise InputError(f"--in needs NAME=VALUE or the name of a variable, not {text!r}.")
    return name, value if equals else None
