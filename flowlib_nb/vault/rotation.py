"""Changes the master key of a vault."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import msgspec

from ..errors import InputError, VaultError
from . import highwater
from .content import Entry
from .keys import FoundKey, MasterKey, forget_keys_before, renew_key
from .store import Opened, Store


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Parameters
    ----------
    credentials : int
        How many were encrypted anew.
    made_key : bool
        Whether it made the new key; else it used one that was there.
    source : str
        Where the new key lies, for people.
    """

    credentials: int
    made_key: bool
    source: str


def rotate(store: Store, key: MasterKey | None = None) -> Rotation:
    """Encrypt all credentials anew with a new master key, in one write.

    The new key is in its place before the file is written, and the old one stays in its own, so
    that whatever moment a process is killed at, both the old file and the new one can be read.
    Rotating again then finishes: where the file is not yet under the current key alone, that key is
    used, and only otherwise another one is made.

    Parameters
    ----------
    store : Store
        The vault.
    key : MasterKey, optional
        The new key; the current one or, where nothing is left of an older one, a fresh one if left
        out.

    Returns
    -------
    Rotation
        What was done.

    Raises
    ------
    ConfigError
        A new key would have to be put where only the user can.
    KeyMissingError, KeyInvalidError, WrongKeyError
        A key is missing; nothing was changed.
    VaultError
        There is no vault, or it cannot be written; the old one is as it was.
    """
    with store.writing() as opened:
        if opened.content.is_new:
            raise VaultError(f"There is no vault {store.path}, so there is nothing to rotate.")
        is_settled = opened.content.keys.keys() == {opened.found.key.id}
        if key is not None:
            found = FoundKey(key, "the key given to rotate", "argument")
        elif is_settled:
            found = renew_key(opened.found)
        else:
            found = opened.found
        _write_with(opened, found)
        return Rotation(len(opened.content.credentials), is_settled and key is None, found.source)


def forget_old_keys(store: Store) -> int:
    """Remove the older keys from where the current one lies, once no vault needs them.

    Parameters
    ----------
    store : Store
        A vault, which must be under the current key alone.

    Returns
    -------
    int
        How many keys were removed.

    Raises
    ------
    InputError
        This vault, or another one that this user has opened, still needs one of them.
    ConfigError
        The place is not ours to write to, or cannot be written.
    KeyMissingError, KeyInvalidError, VaultError
        The vault cannot be read.
    """
    with store.writing() as opened:
        found = opened.found
        old = {key.id for key in found.previous}
        if opened.content.keys.keys() & old:
            raise InputError(
                f"The vault {store.path} still needs an older key; nothing was changed.",
                hint="Run `flowlib vault rotate` first.",
            )
        if others := highwater.vaults_with(old, but=opened.content.vault_id):
            raise InputError(
                f"Older keys are still needed by: {', '.join(others)}. Nothing was changed.",
                hint="Run `flowlib vault rotate` in those workspaces first; of what no longer "
                "matters, delete the file.",
            )
        return len(found.previous) - len(forget_keys_before(found).previous)


def _write_with(opened: Opened, found: FoundKey) -> None:
    later = replace(opened, found=found)
    entries = opened.content.credentials
    later.write(
        {
            name: later.sealed(name, _next(entry), partial(opened.unsealed, name, entry))
            for name, entry in entries.items()
        },
        keys={},
    )


def _next(entry: Entry) -> Entry:
    # Its value is the same, so the date of its last change stays.
    return msgspec.structs.replace(entry, revision=entry.revision + 1)
