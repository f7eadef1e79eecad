"""Asks a person for a credential's fields and for passphrases, in the shell and in the notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InputError
from ..models.secret import Secret
from .bundle import check_passphrase


def ask_fields(
    kind: str, name: str, ask_secret: Callable[[str], str], ask: Callable[[str], str]
) -> dict[str, Any]:
    """Ask for each field that a kind of credential needs.

    Parameters
    ----------
    kind : str
        The credential's type.
    name : str
        The credential, for the prompts.
    ask_secret, ask : callable
        Show a prompt and return what was typed; the first must not show it.

    Returns
    -------
    dict
        Secret where the field is one.

    Raises
    ------
    InputError
        Nothing was typed for a field that is required, or the kind must be stored another way.
    """
    from ..models.credential import fields_of

    if kind in ("custom", "oauth2"):
        raise InputError(
            f"A credential of type {kind!r} cannot be asked for field by field.",
            hint=f"Give it as JSON: flowlib vault set {name} --type {kind} --stdin",
        )
    fields: dict[str, Any] = {}
    for field in fields_of(kind):
        default = "" if field.is_required else f" [{field.default}]"
        prompt = f"{field.name} of {name!r}{default}: "
        # Hidden at once: an interrupt at the next prompt may show this frame.
        answer = Secret(ask_secret(prompt)) if field.is_secret else ask(prompt)
        if answer:
            fields[field.name] = answer
        elif field.is_required:
            raise InputError(f"No {field.name} was given; nothing was stored.")
    return fields


def ask_passphrase(ask_secret: Callable[[str], str], *, twice: bool) -> Secret:
    """Ask for a bundle's passphrase.

    Parameters
    ----------
    ask_secret : callable
        Shows a prompt and returns what was typed, without showing it.
    twice : bool
        Whether to ask again, so that a slip of the finger does not lock the bundle for good.

    Returns
    -------
    Secret
        What was typed.

    Raises
    ------
    InputError
        It is too short for a new bundle, or the second answer differs.
    """
    passphrase = Secret(ask_secret("Passphrase: "))
    if twice:
        check_passphrase(passphrase)
        if passphrase != Secret(ask_secret("Once more: ")):
            raise InputError("The two passphrases differ; nothing was done.")
    return passphrase


def add_bundle_commands(commands: Any) -> tuple[Any, Any]:
    """Add the commands that write and read bundles; shell and notebook have the same.

    Parameters
    ----------
    commands : argparse's subparsers
        Where to add them.

    Returns
    -------
    tuple of argparse.ArgumentParser
        Those of ``export`` and of ``import``.
    """
    export = commands.add_parser("export", help="write credentials to a file, under a passphrase")
    export.add_argument("file", metavar="FILE", help="must not exist yet")
    export.add_argument("names", nargs="*", metavar="NAME", help="which; all if none is named")
    take = commands.add_parser("import", help="store the credentials of such a file")
    take.add_argument("file", metavar="FILE")
    take.add_argument(
        "--on-conflict",
        choices=("fail", "skip", "replace"),
        default="fail",
        help="what to do with names that the vault has already (default: fail)",
    )
    return export, take
