"""``flowlib doctor``: checks whether everything is in place."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from typing import Any

from ..errors import FlowlibError


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", help="check this installation")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    results = dict(_checks())
    if arguments.json:
        print(json.dumps(results, indent=2))
    else:
        width = max(map(len, results))
        for name, result in results.items():
            print(f"{name.ljust(width)}  {result}")
    return 0 if results["sandbox"] == "works" else 2


def _checks() -> Iterator[tuple[str, str]]:
    from .. import __version__
    from ..config import Workspace
    from ..vault.keys import find_key

    yield "version", f"flowlib-nb {__version__}, Python {platform.python_version()}"
    yield "workspace", str(Workspace.find().root)
    try:
        yield "encryption key", find_key().source
    except FlowlibError as error:
        yield "encryption key", " ".join(str(error).split())
    yield "sandbox", _sandbox()


def _sandbox() -> str:
    from ..templates.render import render

    try:
        return "works" if render("{{ 6 * 7 }}") == 42 else "gives wrong results"
    except FlowlibError as error:
        return " ".join(str(error).split())
