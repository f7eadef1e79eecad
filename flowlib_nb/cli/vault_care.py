"""``flowlib vault``: what is done to the vault as a whole."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..models.secret import Secret
from ..vault.forms import add_bundle_commands
from .terminal import is_terminal, read_input


def add_to(parts: Any) -> None:
    """Add the commands to those of ``flowlib vault``."""
    rotate = parts.add_parser(
        "rotate",
        help="encrypt all credentials with a new master key",
        description="Encrypt all credentials of this workspace with a new master key. One that was "
        "interrupted is finished by running it again.",
    )
    rotate.add_argument(
        "--forget-old",
        action="store_true",
        help="instead of making another key, remove the older ones that no vault needs any more",
    )
    rotate.set_defaults(command=_rotate)
    repair = parts.add_parser("repair", help="take a vault file after a git merge, as it is")
    repair.add_argument("--yes", action="store_true", help="do not ask")
    repair.add_argument(
        "--drop", action="append", default=[], metavar="NAME", help="give up a broken credential"
    )
    repair.set_defaults(command=_repair)
    accept = parts.add_parser("accept", help="accept a vault file that was restored on purpose")
    accept.set_defaults(command=_accept)
    export, take = add_bundle_commands(parts)
    for parser in (export, take):
        parser.add_argument(
            "--stdin", action="store_true", help="read the passphrase from standard input"
        )
    export.set_defaults(command=_export)
    take.set_defaults(command=_import)


def _rotate(arguments: argparse.Namespace) -> int:
    from ..vault import Vault
    from ..vault.report import rotation_text

    vault = Vault.open()
    if arguments.forget_old:
        count = vault.forget_old_keys()
        print(f"Removed {count} older key{'' if count == 1 else 's'}.", file=sys.stderr)
    else:
        print(rotation_text(vault.rotate()), file=sys.stderr)
    return 0


def _repair(arguments: argparse.Namespace) -> int:
    from ..vault import Vault
    from ..vault.report import examination_text

    vault = Vault.open()
    examined = vault.examine()
    print(examination_text(examined), file=sys.stderr)
    if not arguments.yes:
        if not is_terminal():
            raise InputError(
                "There is no terminal to ask in; nothing was changed.",
                hint="Look at the list above, then say --yes.",
            )
        if input("Accept this? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was changed.", file=sys.stderr)
            return 2
    vault.repair(examined, drop=arguments.drop)
    print(f"The vault {vault.path} is repaired.", file=sys.stderr)
    return 0


def _accept(arguments: argparse.Namespace) -> int:
    from ..vault import Vault

    revision = Vault.open().accept()
    print(f"Accepted the vault at revision {revision}.", file=sys.stderr)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from ..vault import Vault
    from ..vault.bundle_file import new_file

    vault = Vault.open()
    vault.require_key()
    with new_file(Path(arguments.file)) as write:
        passphrase = _passphrase(arguments, twice=True)
        write(vault.export_bundle(passphrase, arguments.names or None))
    print(f"Wrote {arguments.file}.", file=sys.stderr)
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from ..vault import Vault
    from ..vault.bundle_file import read_file

    raw = read_file(Path(arguments.file))
    vault = Vault.open()
    vault.require_key()
    names = vault.import_bundle(
        raw, _passphrase(arguments, twice=False), on_conflict=arguments.on_conflict
    )
    print(f"Stored {', '.join(names) or 'nothing'}.", file=sys.stderr)
    return 0


def _passphrase(arguments: argparse.Namespace, *, twice: bool) -> str | Secret:
    if arguments.stdin:
        return read_input().partition("\n")[0].rstrip("\r")
    if not is_terminal():
        raise InputError(
            "There is no terminal to ask in; nothing was done.",
            hint="Give the passphrase on standard input, with --stdin.",
        )
    from ..vault.forms import ask_passphrase

    return ask_passphrase(getpass.getpass, twice=twice)
