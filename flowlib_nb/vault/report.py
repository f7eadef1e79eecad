"""Credentials and the vault's state as text. Nothing here ever has a secret to show."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import Workspace
from ..errors import FlowlibError
from ..models.secret import MASK
from .keys import find_key
from .vault import CredentialInfo, Vault


def credential_table(infos: Sequence[CredentialInfo]) -> str:
    """One line for each credential."""
    if not infos:
        return "The vault holds no credentials. Store one with `%flowlib_secret set NAME`."
    rows = [("NAME", "TYPE", "HOSTS", "CHANGED")]
    rows += [(i.name, i.type, _hosts(i), i.updated_at[:10]) for i in infos]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def credential_text(info: CredentialInfo) -> str:
    """One credential, masked."""
    return "\n".join(
        [
            f"{info.name}: {info.type} {MASK}",
            f"  hosts    {_hosts(info)}",
            f"  revision {info.revision}, created {info.created_at}, changed {info.updated_at}",
        ]
    )


def status_text() -> str:
    """Workspace, key and vault in three lines."""
    workspace = Workspace.find()
    try:
        key = f"found: {find_key().source}"
    except FlowlibError as error:
        key = str(error).replace("\n", " ")
    vault = Vault.open()
    try:
        names = vault.names()
        held = f"{len(names)} credential{'' if len(names) == 1 else 's'}"
        held += f": {', '.join(names)}" if names else ""
    except FlowlibError as error:
        held = str(error).replace("\n", " ")
    return f"Workspace  {workspace.root}\nKey        {key}\nVault      {held}"


def _hosts(info: CredentialInfo) -> str:
    return ", ".join(info.hosts) or "none (it can be sent nowhere)"
