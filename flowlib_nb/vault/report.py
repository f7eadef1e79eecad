"""Credentials and the vault's state as text. Nothing here ever has a secret to show."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..config import Workspace
from ..errors import FlowlibError
from ..models.secret import MASK
from .keys import find_key, key_state
from .repair import Examination, Finding
from .rotation import Rotation
from .vault import CredentialInfo, Vault


def credential_table(infos: Sequence[CredentialInfo]) -> str:
    """One line for each credential."""
    if not infos:
        return (
            "The vault holds no credentials. Store one with `%flowlib_secret set NAME`, or in a "
            "shell `flowlib vault set NAME`."
        )
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


def rotation_text(rotation: Rotation) -> str:
    """What a rotation did, and what is left to do."""
    count = f"{rotation.credentials} credential{'' if rotation.credentials == 1 else 's'}"
    made = f"Made a new key in {rotation.source}, and e" if rotation.made_key else "E"
    if rotation.made_key:
        advice = (
            "The old key stays behind it for your other vaults: run `flowlib vault rotate` in "
            "those too, then `flowlib vault rotate --forget-old`."
        )
    else:
        advice = f"The key is {rotation.source}. This vault needs no older one any more."
    return (
        f"{made}ncrypted {count} anew.\n{advice}\n"
        "Older copies of the file (in git, say) still open with the old key: if that one leaked, "
        "change the credentials too."
    )


def examination_text(examined: Examination) -> str:
    """What repairing a vault would accept."""
    width = max((len(finding.name) for finding in examined.findings), default=0)
    lines = [
        f"The vault {examined.path} was changed by something else: its authentication code does "
        "not match.",
        "These credentials match their own seals, if nothing else is said. Compared with what you "
        "last saw:",
        *(_finding(finding, width) for finding in examined.findings),
    ]
    return "\n".join(lines)


def _finding(finding: Finding, width: int) -> str:
    words = {
        "older": "OLDER than last seen",
        "gone": "GONE",
        "broken": "BROKEN: it does not match its seal, its value is lost",
        "replaced": "REPLACED by another one of that name",
        "different": "DIFFERENT from last seen, although of the same revision",
    }
    text = f"  {finding.name.ljust(width)}  {words.get(finding.state, finding.state)}"
    if finding.entry is None:
        return text
    entry = finding.entry
    hosts = ", ".join(entry.hosts) or "no host"
    return f"{text}  ({entry.type} for {hosts}, revision {entry.revision})"


def status_text() -> str:
    """Workspace, key and vault in three lines."""
    workspace = Workspace.find()
    try:
        key = f"found: {find_key().source}"
    except FlowlibError as error:
        key = _hanging(error)
    vault = Vault.open()
    try:
        if vault.exists() and key_state() == "available":
            vault.require_key()
        names = vault.names()
        held = f"{len(names)} credential{'' if len(names) == 1 else 's'}"
        held += f": {', '.join(names)}" if names else ""
    except FlowlibError as error:
        held = _hanging(error)
    return f"Workspace  {workspace.root}\nKey        {key}\nVault      {held}"


def _hanging(error: FlowlibError) -> str:
    return textwrap.fill(
        str(error).replace("\n", " "), 100, initial_indent="", subsequent_indent=" " * 11,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _hosts(info: CredentialInfo) -> str:
    return ", ".join(info.hosts) or "none (it can be sent nowhere)"
