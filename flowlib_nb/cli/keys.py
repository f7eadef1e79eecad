"""``flowlib secret`` and ``flowlib init``: making encryption keys."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..vault.keys import generate_key, init_key


def add_to(commands: Any) -> None:
    """Add the commands."""
    secret = commands.add_parser(
        "secret",
        help="print a fresh encryption key",
        description="Print one fresh key and nothing else; keep it in FLOWLIB_ENCRYPTION_KEY.",
    )
    secret.set_defaults(command=_secret)
    init = commands.add_parser(
        "init",
        help="make an encryption key for this user",
        description="Make a key where none is, in the user's data folder.",
    )
    init.add_argument("--keyring", action="store_true", help="keep it in the OS keyring")
    init.set_defaults(command=_init)


def _secret(arguments: argparse.Namespace) -> int:
    print(generate_key())
    return 0


def _init(arguments: argparse.Namespace) -> int:
    place = init_key(where="keyring" if arguments.keyring else "file")
    print(f"Made an encryption key: {place}.", file=sys.stderr)
    print("Keep a copy of it: without it the vault is lost.", file=sys.stderr)
    return 0
