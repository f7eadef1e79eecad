"""Arguments, commands and exit codes of ``flowlib``.

Exit codes: 0 fine, 1 the flow failed, 2 bad usage or input, 130 interrupted. What a script would
read goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from ..errors import FlowFailedError, FlowlibError
from . import demo, doctor, keys, run, vault

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
        sys.stdout.flush()
    except FlowFailedError as error:
        print(error, file=sys.stderr)
        return FAILED
    except FlowlibError as error:
        print(f"flowlib: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("flowlib: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`flowlib … | head`); there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flowlib", description="Workflows with encrypted credentials, results as tables."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (demo, keys, run, vault, doctor):
        module.add_to(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object, **kwargs: object) -> None:
        from .. import __version__

        print(f"flowlib-nb {__version__}")
        parser.exit()
