"""``%flowlib_secret``: the vault's credentials, without their values ever being typed in a cell."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from ..errors import InputError
from ..vault import Vault, init_key
from ..vault.forms import ask_fields
from ..vault.report import credential_table, credential_text, status_text
from .arguments import LineParser

if TYPE_CHECKING:
    import argparse

    from IPython.core.interactiveshell import InteractiveShell

_VALUE_ON_LINE = (
    "A secret must not be typed on the line: it would stay in the notebook. Nothing was stored.\n"
    "Delete this cell, treat the value as leaked, and run `%flowlib_secret set {name}`, which asks."
)


@magics_class
class SecretMagics(Magics):
    """Manages credentials."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)

    @no_var_expand
    @line_magic
    def flowlib_secret(self, line: str) -> None:
        """Show, store and remove credentials (``%flowlib_secret --help``)."""
        _refuse_value(line)
        arguments = _parser().parse_line(line)
        if arguments is None:
            return
        command: Callable[[argparse.Namespace], None] = getattr(
            self, f"_{arguments.command or 'status'}"
        )
        command(arguments)

    def _status(self, arguments: argparse.Namespace) -> None:
        print(status_text())

    def _init(self, arguments: argparse.Namespace) -> None:
        place = init_key(where="keyring" if arguments.keyring else "file")
        print(f"Made an encryption key: {place}.\nKeep a copy of it: without it the vault is lost.")

    def _set(self, arguments: argparse.Namespace) -> None:
        vault = Vault.open()
        vault.require_key()
        hosts = arguments.hosts
        try:
            fields = ask_fields(arguments.type, arguments.name, _ask_secret, input)
            if hosts is None:
                hosts = input("Hosts that it may be sent to, with commas (none: nowhere): ")
        except StdinNotImplementedError:
            raise InputError(
                "This front end cannot ask for a password, so nothing was stored.",
                hint=f"Run `flowlib vault set {arguments.name}` in a terminal instead.",
            ) from None
        listed = [host.strip() for host in hosts.split(",") if host.strip()]
        try:
            vault.set(arguments.name, {"type": arguments.type, **fields}, hosts=listed)
        finally:
            del fields
        print(credential_text(vault.info(arguments.name)))

    def _list(self, arguments: argparse.Namespace) -> None:
        print(credential_table(Vault.open().infos()))

    def _show(self, arguments: argparse.Namespace) -> None:
        print(credential_text(Vault.open().info(arguments.name)))

    def _rename(self, arguments: argparse.Namespace) -> None:
        Vault.open().rename(arguments.name, arguments.new_name)
        print(f"Renamed {arguments.name!r} to {arguments.new_name!r}.")

    def _rm(self, arguments: argparse.Namespace) -> None:
        Vault.open().delete(arguments.name)
        print(f"Removed {arguments.name!r}.")


def _refuse_value(line: str) -> None:
    """Refuse a value on the line before argparse, whose messages would repeat it."""
    words = line.split()
    if words[:1] != ["set"]:
        return
    rest = words[1:]
    plain: list[str] = []
    while rest:
        word = rest.pop(0)
        if word in ("--type", "--hosts"):
            rest[:1] = []
        elif not word.startswith(("--type=", "--hosts=", "--help", "-h")):
            plain.append(word)
    if len(plain) > 1:
        raise UsageError(
            _VALUE_ON_LINE.format(name=plain[0] if plain[0].isidentifier() else "NAME")
        )


def _ask_secret(prompt: str) -> str:
    return getpass.getpass(prompt)


def _parser() -> LineParser:
    parser = LineParser(
        prog="%flowlib_secret",
        description="Credentials of this workspace's vault. Without a command: the status.",
    )
    commands: Any = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=LineParser
    )
    init = commands.add_parser("init", help="make an encryption key for this user")
    init.add_argument("--keyring", action="store_true", help="keep it in the OS keyring")
    put = commands.add_parser("set", help="store a credential; asks for its values")
    put.add_argument("name", metavar="NAME")
    put.add_argument("--type", default="api_key", help="api_key (default), bearer, basic, …")
    put.add_argument("--hosts", help="where it may be sent: api.example.com,*.example.org")
    commands.add_parser("list", help="names, types and hosts")
    for name, text in (("show", "one credential, masked"), ("rm", "remove a credential")):
        commands.add_parser(name, help=text).add_argument("name", metavar="NAME")
    rename = commands.add_parser("rename", help="give a credential another name")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new_name", metavar="NEW_NAME")
    return parser
