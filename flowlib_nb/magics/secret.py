"""``%flowlib_secret``: the vault's credentials, without their values ever being typed in a cell."""

from __future__ import annotations

import contextlib
import getpass
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from ..errors import CredentialNotFoundError, InputError
from ..models.hosts import parse_hosts, split_hosts
from ..models.names import TYPES_HELP, check_name
from ..vault import Vault, init_key
from ..vault.bundle_file import new_file, read_file
from ..vault.forms import add_bundle_commands, ask_fields, ask_passphrase
from ..vault.report import credential_table, credential_text, rotation_text, status_text
from .arguments import LineParser, ReticentParser
from .history import forget_current_cell

if TYPE_CHECKING:
    import argparse

    from IPython.core.interactiveshell import InteractiveShell

_VALUE_ON_LINE = (
    "A secret must not be typed on the line: it would stay in the notebook. Nothing was stored.\n"
    "Delete this cell, treat the value as leaked, and run `%flowlib_secret set NAME`, which asks."
)


@magics_class
class SecretMagics(Magics):
    """Manages credentials."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._shell = shell

    @no_var_expand
    @line_magic
    def flowlib_secret(self, line: str) -> None:
        """Show, store and remove credentials (``%flowlib_secret --help``)."""
        try:
            self._run(line)
        except (UsageError, InputError, CredentialNotFoundError):
            # A value may have been typed in the wrong place.
            forget_current_cell(self._shell, line)
            raise

    def _run(self, line: str) -> None:
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
        check_name(arguments.name)
        parse_hosts(split_hosts(hosts or ""))  # before anything is typed in vain
        with _asking(f"flowlib vault set {arguments.name}"):
            fields = ask_fields(arguments.type, arguments.name, _ask_secret, input)
            if hosts is None:
                hosts = input("Hosts that it may be sent to, with commas (none: nowhere): ")
        try:
            vault.set(arguments.name, {"type": arguments.type, **fields}, hosts=split_hosts(hosts))
        finally:
            del fields
        print(credential_text(vault.info(arguments.name)))

    def _list(self, arguments: argparse.Namespace) -> None:
        vault = Vault.open()
        print(credential_table(vault.infos()))
        if doubt := vault.doubt():
            print(f"\n{doubt}")

    def _show(self, arguments: argparse.Namespace) -> None:
        print(credential_text(Vault.open().info(arguments.name)))

    def _rename(self, arguments: argparse.Namespace) -> None:
        Vault.open().rename(arguments.name, arguments.new_name)
        print(f"Renamed {arguments.name!r} to {arguments.new_name!r}.")

    def _rm(self, arguments: argparse.Namespace) -> None:
        Vault.open().delete(arguments.name)
        print(f"Removed {arguments.name!r}.")

    def _test(self, arguments: argparse.Namespace) -> None:
        from ..engine.credential_trial import try_stored

        print(try_stored(arguments.name, arguments.url).text)

    def _rotate(self, arguments: argparse.Namespace) -> None:
        print(rotation_text(Vault.open().rotate()))

    def _export(self, arguments: argparse.Namespace) -> None:
        vault = Vault.open()
        vault.require_key()
        with new_file(Path(arguments.file)) as write, _asking("flowlib vault export"):
            passphrase = ask_passphrase(_ask_secret, twice=True)
            write(vault.export_bundle(passphrase, arguments.names or None))
        print(f"Wrote {arguments.file}.")

    def _import(self, arguments: argparse.Namespace) -> None:
        raw = read_file(Path(arguments.file))
        vault = Vault.open()
        vault.require_key()
        with _asking("flowlib vault import"):
            passphrase = ask_passphrase(_ask_secret, twice=False)
        names = vault.import_bundle(raw, passphrase, on_conflict=arguments.on_conflict)
        print(f"Stored {', '.join(names) or 'nothing'}.")


def _refuse_value(line: str) -> None:
    """Refuse a value on the line before argparse, whose messages would repeat it."""
    try:
        words = shlex.split(line)
    except ValueError:
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
        raise UsageError(_VALUE_ON_LINE)


def _ask_secret(prompt: str) -> str:
    return getpass.getpass(prompt)


@contextlib.contextmanager
def _asking(command: str) -> Iterator[None]:
    """Where there is no way to ask (nbclient, papermill), say what to run in a terminal."""
    try:
        yield
    except StdinNotImplementedError:
        raise InputError(
            "This front end cannot ask for a password, so nothing was done.",
            hint=f"Run `{command}` in a terminal instead.",
        ) from None
    except (EOFError, UnicodeError):
        raise InputError("What was typed could not be read; nothing was done.") from None


def _parser() -> LineParser:
    parser = ReticentParser(
        prog="%flowlib_secret",
        description="Credentials of this workspace's vault. Without a command: the status.",
    )
    commands: Any = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=ReticentParser
    )
    init = commands.add_parser("init", help="make an encryption key for this user")
    init.add_argument("--keyring", action="store_true", help="keep it in the OS keyring")
    put = commands.add_parser("set", help="store a credential; asks for its values")
    put.add_argument("name", metavar="NAME")
    put.add_argument("--type", default="api_key", help=TYPES_HELP)
    put.add_argument("--hosts", help="where it may be sent: api.example.com,*.example.org")
    commands.add_parser("list", help="names, types and hosts")
    for name, text in (("show", "one credential, masked"), ("rm", "remove a credential")):
        commands.add_parser(name, help=text).add_argument("name", metavar="NAME")
    tried = commands.add_parser("test", help="send it to its server and see whether it is taken")
    tried.add_argument("name", metavar="NAME")
    tried.add_argument("url", nargs="?", metavar="URL", help="an address of the API")
    commands.add_parser("rotate", help="encrypt all credentials with a new master key")
    add_bundle_commands(commands)
    rename = commands.add_parser("rename", help="give a credential another name")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new_name", metavar="NEW_NAME")
    return parser
