"""Takes files that the vault refuses: a merge broke the ``mac``, or a backup was put back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError, VaultError, VaultLockedError, VaultTamperedError, WrongKeyError
from . import file, highwater, trust
from .content import Content, Entry
from .highwater import SeenCredential
from .keys import FoundKey
from .parser import parse
from .store import Opened, Store

State = Literal["as last seen", "newer", "new", "replaced", "different", "older", "gone", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One credential, compared with what this user has last seen of it.

    Parameters
    ----------
    name : str
        The credential.
    state : str
        ``as last seen``, ``newer``, ``new``; ``replaced`` (another one of that name);
        ``different`` (another value or other hosts, of the same revision); ``older`` (an earlier
        revision put back); ``gone`` (no longer there); ``broken`` (it does not match
        its seal, so its value is lost).
    entry : Entry or None
        What the file says of it; None where it is gone.
    """

    name: str
    state: State
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Examination:
    """What repairing a file would accept.

    Parameters
    ----------
    path : Path
        The vault.
    raw : bytes
        Its text.
    content : Content
        What it says; its ``mac`` is wrong.
    findings : tuple of Finding
        All credentials, those that are gone included, by name.
    """

    path: Path
    raw: bytes
    content: Content
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """The credentials whose value is lost."""
        return tuple(finding.name for finding in self.findings if finding.state == "broken")


def examine(store: Store) -> Examination:
    """See what repairing the file would accept; nothing is changed.

    Parameters
    ----------
    store : Store
        The vault.

    Returns
    -------
    Examination
        For the user to look at, then for :func:`repair`.

    Raises
    ------
    VaultError
        There is no vault, or it is not one that can be repaired: its structure is broken, it holds
        a merge's conflict markers, or nothing is wrong with it.
    KeyMissingError, KeyInvalidError, WrongKeyError
        A key that the vault needs is missing.
    """
    found = store.key()
    raw = file.read(store.path)
    if raw is None:
        raise VaultError(f"There is no vault {store.path} to repair.")
    content = parse(raw, store.path)
    keys = trust.vault_keys(store.path, content, found)
    if not keys:
        raise trust.wrong_key(store.path, found)
    if _is_authentic(store.path, raw, found):
        raise VaultError(
            f"There is nothing to repair: the vault {store.path} is authentic.",
            hint="If it is refused as too old, and you restored it on purpose, run "
            "`flowlib vault accept`.",
        )
    opened = Opened(store.path, raw, content, found, keys)
    return Examination(store.path, raw, content, tuple(_findings(opened)))


def repair(store: Store, examined: Examination, *, drop: Collection[str] = ()) -> None:
    """Take the file as it is, and give it a right ``mac``.

    Parameters
    ----------
    store : Store
        The vault.
    examined : Examination
        What the user has looked at; the file must still be that one.
    drop : collection of str, optional
        The broken credentials, which are removed.

    Raises
    ------
    InputError
        A broken credential is not named in ``drop``, or another one is.
    VaultLockedError, VaultError
        The file has changed since, or cannot be written.
    """
    if unnamed := [name for name in examined.broken if name not in drop]:
        raise InputError(
            f"The value of {', '.join(map(repr, unnamed))} is lost: it does not match its seal.",
            hint="Restore it from git or a backup, or give it up: "
            f"flowlib vault repair {' '.join(f'--drop {name}' for name in unnamed)}",
        )
    if unbroken := [name for name in drop if name not in examined.broken]:
        raise InputError(f"{unbroken[0]!r} is not broken; nothing was changed.")
    found = store.key()
    with store.locked():
        if file.read(store.path) != examined.raw:
            raise VaultLockedError(
                f"The vault {store.path} has changed meanwhile; nothing was changed.",
                hint="Look at it again.",
            )
        content = examined.content
        keys = trust.vault_keys(store.path, content, found)
        opened = Opened(store.path, examined.raw, content, found, keys)
        kept = {name: e for name, e in content.credentials.items() if name not in drop}
        # Later than all that was ever seen, so that neither side of a merge passes for the newest.
        revision = max(content.revision, highwater.seen(content.vault_id).revision) + 1
        checks = {key_id: content.keys[key_id] for key_id in keys}
        opened.write(kept, revision=revision, keys=checks)


def accept(store: Store) -> int:
    """Accept the file although a later revision was seen: it was restored on purpose.

    Parameters
    ----------
    store : Store
        The vault.

    Returns
    -------
    int
        Its revision.

    Raises
    ------
    VaultError
        There is no file, or it is not authentic.
    KeyMissingError, KeyInvalidError, WrongKeyError
        There is no key to tell.
    """
    raw = file.read(store.path)
    if raw is None:
        raise VaultError(f"There is no vault {store.path} to accept.")
    content, _ = trust.authenticated(store.path, raw, store.key())
    highwater.remember(store.path, content)
    return content.revision


def _is_authentic(path: Path, raw: bytes, found: FoundKey) -> bool:
    try:
        trust.authenticated(path, raw, found)
    except (VaultTamperedError, WrongKeyError):
        return False
    return True


def _findings(opened: Opened) -> list[Finding]:
    entries = opened.content.credentials
    seen = highwater.seen_credentials(opened.content.vault_id)
    return [
        Finding(name, _state(opened, name, seen), entries.get(name))
        for name in sorted(entries.keys() | seen.keys())
    ]


def _state(opened: Opened, name: str, seen: Mapping[str, SeenCredential]) -> State:
    entry = opened.content.credentials.get(name)
    if entry is None:
        return "gone"
    try:
        opened.unsealed(name, entry)
    except VaultTamperedError:
        return "broken"
    if name not in seen:
        return "new"
    known = seen[name]
    if entry.id != known.id:
        return "replaced"
    if entry.revision != known.revision:
        return "newer" if entry.revision > known.revision else "older"
    return "as last seen" if entry.tag == known.tag else "different"
