"""``flowlib doctor``: checks whether everything is in place."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ..errors import FlowlibError, KeyMissingError

State = Literal["ok", "absent", "broken"]
_SYMBOLS: dict[State, str] = {"ok": "✓", "absent": "–", "broken": "✗"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What.
    state : str
        ``ok``; ``absent`` (not there, and not always needed); ``broken``.
    text : str
        How it is.
    """

    name: str
    state: State
    text: str


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="check this installation",
        description="Look at this installation and workspace. The exit code is 2 if something is "
        "broken.",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    checks = list(_checks())
    if arguments.json:
        shown = {check.name: {"state": check.state, "text": check.text} for check in checks}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(f"{_SYMBOLS[check.state]} {check.name.ljust(width)}  {check.text}")
    return 2 if any(check.state == "broken" for check in checks) else 0


def _checks() -> Iterator[Check]:
    from .. import __version__

    version = f"flowlib-nb {__version__}, Python {platform.python_version()}"
    yield Check("version", "ok", version)
    yield _environment()
    for name, look in (
        ("workspace", _workspace),
        ("encryption key", _key),
        ("vault", _vault),
        ("sandbox", _sandbox),
    ):
        yield _looked_at(name, look)
    yield _part("server extension", "jupyter_server", "etc/jupyter/jupyter_server_config.d")
    yield _part("lab extension", "jupyterlab", "share/jupyter/labextensions")


def _looked_at(name: str, look: Callable[[], tuple[State, str]]) -> Check:
    try:
        return Check(name, *look())
    except FlowlibError as error:
        text = " ".join(str(error).split())
        return Check(name, "absent" if isinstance(error, KeyMissingError) else "broken", text)


def _environment() -> Check:
    from ..config import ENVIRONMENT_VARIABLE, is_production

    value = os.environ.get(ENVIRONMENT_VARIABLE, "").strip()
    if is_production():
        return Check("environment", "ok", "production: the key comes from the environment only")
    if value:
        text = f"{ENVIRONMENT_VARIABLE} is {value!r}, which counts for nothing; is it production?"
        return Check("environment", "broken", text)
    return Check("environment", "ok", f"{ENVIRONMENT_VARIABLE} is not set")


def _workspace() -> tuple[State, str]:
    from ..config import Workspace

    return "ok", str(Workspace.find().root)


def _key() -> tuple[State, str]:
    from ..config import is_production
    from ..vault.keys import find_key

    try:
        found = find_key()
    except KeyMissingError as error:
        if is_production():
            return "broken", " ".join(str(error).split())
        raise
    older = f", and {len(found.previous)} older" if found.previous else ""
    return "ok", f"{found.source}{older}"


def _vault() -> tuple[State, str]:
    from ..vault import Vault

    vault = Vault.open()
    if not vault.exists():
        return "absent", "no credential has been stored yet"
    vault.require_key()
    count = len(vault.names())
    return "ok", f"{vault.path}, {count} credential{'' if count == 1 else 's'}"


def _sandbox() -> tuple[State, str]:
    from ..sandbox.pool import sandbox
    from ..templates.render import render

    if render("{{ 6 * 7 }}") != 42:
        return "broken", "gives wrong results"
    contained = [f"{name} {state}" for name, state in sandbox().confinement().items()]
    return "ok", f"works ({sandbox().engine}); {', '.join(contained)}"


def _part(name: str, package: str, folder: str) -> Check:
    from importlib.metadata import files

    if find_spec(package) is None:
        return Check(name, "absent", f"{package} is not installed")
    installed = any(folder in Path(str(file)).as_posix() for file in files("flowlib-nb") or ())
    return Check(name, "ok", "installed") if installed else Check(name, "broken", "not installed")
