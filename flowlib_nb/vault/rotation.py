"""Changes the master key of a vault."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from ..errors import VaultError
from .content import Entry
from .keys import FoundKey, MasterKey, renew_key
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


def _write_with(opened: Opened, found: FoundKey) -> None:
    later = replace(opened, found=found)
    entries = opened.content.credentials
    later.write(
        {
            name: later.sealed(name, _next(entry), opened.unsealed(name, entry))
            for name, entry in entries.items()
        },
        keys={},
    )


def _next(entry: Entry) -> Entry:
    # Its value is the same, so the date of its last change stays.
    return msgspec.structs.replace(entry, revision=entry.revision + 1)
