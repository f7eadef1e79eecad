"""Arguments, commands and exit codes of ``flowlib``.

Exit codes: 0 fine, 1 the flow failed, 2 bad usage or input, 130 interrupted. What a script would
read goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from ..errors import FlowFailedError, FlowlibError
from . import actions, demo, doctor, keys, run, runs, schema, vault

FINE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process if left out.

    Returns
    -------
    int
        The exit code.
    """
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        code = command(parsed)
        if sys.stdout is not None:
            sys.stdout.flush()
    except FlowFailedError as error:
        print(error, file=sys.stderr)
        return FAILED
    except FlowlibError as error:
        print(f"flowlib: {error}", file=sys.stderr)
        return BAD_INPUT
    except (EOFError, UnicodeError):
        # Without their text, which may hold what was typed.
        reason = "a text could not be read or written in this terminal's encoding"
        print(f"flowlib: the input ended, or {reason}; nothing was done", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("flowlib: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`flowlib … | head`); there is nobody left to tell.
        _discard_output()
        return FINE
    except OSError as error:
        print(f"flowlib: {error.strerror or error}", file=sys.stderr)
        _discard_output()
        return BAD_INPUT
    return code


def _discard_output() -> None:
    # What is still buffered would fail again when the process ends.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Does not repeat words that it knows nothing to do with: one may be a secret."""

    def error(self, message: str) -> NoReturn:
        """End with the usage and the message."""
        if message.startswith("unrecognized arguments"):
            message = "there are words too many"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="flowlib", description="Workflows with encrypted credentials, results as tables."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (demo, keys, run, vault, runs, actions, schema, doctor):
        module.add_to(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object, **kwargs: object) -> None:
        from .. import __version__

        print(f"flowlib-nb {__version__}")
        parser.exit()
