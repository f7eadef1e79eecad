"""``flowlib vault``: the workspace's credentials."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from dataclasses import asdict
from typing import Any

from ..errors import InputError
from ..models.names import TYPES_HELP
from . import vault_care
from .terminal import is_terminal, read_input


def add_to(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser("vault", help="credentials of this workspace")
    parts = parser.add_subparsers(metavar="COMMAND", required=True)
    shown = parts.add_parser("list", help="names, types and hosts")
    shown.add_argument("--json", action="store_true", help="as JSON")
    shown.set_defaults(command=_list)
    put = parts.add_parser("set", help="store a credential; asks for its values")
    put.add_argument("name", metavar="NAME")
    put.add_argument("--type", help=TYPES_HELP)
    put.add_argument("--hosts", default="", help="where it may be sent, with commas")
    put.add_argument(
        "--stdin", action="store_true", help="read the fields as a JSON object from standard input"
    )
    put.set_defaults(command=_set)
    remove = parts.add_parser("rm", help="remove a credential")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(command=_remove)
    show = parts.add_parser("show", help="one credential, masked")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(command=_show)
    tried = parts.add_parser("test", help="send it to its server and see whether it is taken")
    tried.add_argument("name", metavar="NAME")
    tried.add_argument("url", nargs="?", metavar="URL", help="an address of the API")
    tried.set_defaults(command=_test)
    rename = parts.add_parser("rename", help="give a credential another name")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new_name", metavar="NEW_NAME")
    rename.set_defaults(command=_rename)
    vault_care.add_to(parts)


def _list(arguments: argparse.Namespace) -> int:
    from ..vault import Vault
    from ..vault.report import credential_table

    vault = Vault.open()
    infos = vault.infos()
    if arguments.json:
        print(json.dumps([asdict(info) for info in infos], indent=2))
    else:
        print(credential_table(infos))
    if doubt := vault.doubt():
        print(f"flowlib: {doubt}", file=sys.stderr)
    return 0


def _set(arguments: argparse.Namespace) -> int:
    from ..models.hosts import parse_hosts, split_hosts
    from ..models.names import check_name
    from ..vault import Vault
    from ..vault.forms import ask_fields
    from ..vault.report import credential_text

    vault = Vault.open()
    vault.require_key()
    check_name(arguments.name)
    hosts = split_hosts(arguments.hosts)
    parse_hosts(hosts)  # before anything is typed in vain
    kind = arguments.type or "api_key"
    if arguments.stdin:
        fields = _fields_from_stdin()
        given = fields.pop("type", arguments.type)
        if arguments.type not in (None, given):
            raise InputError("The type on the line and the one in the JSON object differ.")
        kind = given or kind
    elif is_terminal():
        fields = ask_fields(kind, arguments.name, getpass.getpass, input)
    else:
        raise InputError(
            "There is no terminal to ask in; nothing was stored.",
            hint="Give the fields as a JSON object on standard input, with --stdin.",
        )
    info = vault.set(arguments.name, {"type": kind, **fields}, hosts=hosts)
    print(credential_text(info), file=sys.stderr)
    return 0


def _fields_from_stdin() -> dict[str, Any]:
    try:
        fields = json.loads(read_input())
    except (ValueError, RecursionError):
        fields = None  # the error's own text would repeat what was read
    if not isinstance(fields, dict):
        raise InputError('Standard input must be one JSON object, such as {"token": "…"}.')
    return fields


def _show(arguments: argparse.Namespace) -> int:
    from ..vault import Vault
    from ..vault.report import credential_text

    print(credential_text(Vault.open().info(arguments.name)))
    return 0


def _test(arguments: argparse.Namespace) -> int:
    from ..engine.credential_trial import try_stored

    trial = try_stored(arguments.name, arguments.url)
    print(trial.text)
    return 0 if trial.is_taken else 1


def _remove(arguments: argparse.Namespace) -> int:
    from ..vault import Vault

    Vault.open().delete(arguments.name)
    print(f"Removed {arguments.name!r}.", file=sys.stderr)
    return 0


def _rename(arguments: argparse.Namespace) -> int:
    from ..vault import Vault

    Vault.open().rename(arguments.name, arguments.new_name)
    print(f"Renamed {arguments.name!r} to {arguments.new_name!r}.", file=sys.stderr)
    return 0
