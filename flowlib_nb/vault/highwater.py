"""What this user has last seen of each vault, so that an old file is noticed.

A whole older vault file is authentic in itself; only memory outside of it tells that it is old.
A state folder that cannot be read or written costs this protection, never the vault.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from .atomic import draft_of
from .content import Content


class Seen(msgspec.Struct, frozen=True):
    """What was last seen of a vault.

    Parameters
    ----------
    revision : int
        Of the file; 0 where nothing is known.
    mac : str
        Of the file: another one of the same revision is another file.
    keys : tuple of str
        The ids of its master keys.
    """

    revision: int = 0
    mac: str = ""
    keys: tuple[str, ...] = ()


class SeenCredential(msgspec.Struct, frozen=True, array_like=True):
    """What was last seen of a credential.

    Parameters
    ----------
    id : str
        Its UUID.
    revision : int
        Its own.
    tag : str
        Of its ciphertext; it stands for the whole entry, since no two encryptions have the same.
    """

    id: str
    revision: int
    tag: str


class _Note(Seen, frozen=True, kw_only=True):
    path: str
    credentials: dict[str, SeenCredential]


_T = TypeVar("_T", bound=Seen)


def seen(vault_id: str) -> Seen:
    """Look up what was last seen of a vault.

    Parameters
    ----------
    vault_id : str
        The vault.

    Returns
    -------
    Seen
        All empty where nothing is known.
    """
    path = _path(vault_id)
    return (_read(path, Seen) if path else None) or Seen()


def seen_credentials(vault_id: str) -> Mapping[str, SeenCredential]:
    """Look up the credentials that stood in it then.

    Parameters
    ----------
    vault_id : str
        The vault.

    Returns
    -------
    mapping of SeenCredential
        By name; empty where nothing is known.
    """
    path = _path(vault_id)
    note = _read(path, _Note) if path else None
    return note.credentials if note else {}


def vaults_with(keys: Collection[str], *, but: str) -> list[str]:
    """Find the vaults of this user that, when last seen, named one of some master keys.

    Parameters
    ----------
    keys : collection of str
        Ids.
    but : str
        The id of a vault that does not count.

    Returns
    -------
    list of str
        The paths of those that are still there.
    """
    own = _path(but)
    if own is None or not own.parent.is_dir():
        return []
    notes = [_read(path, _Note) for path in own.parent.glob("*.json") if path != own]
    found = [note.path for note in notes if note and set(keys) & set(note.keys)]
    return sorted(path for path in found if Path(path).exists())


def remember(path: Path, content: Content) -> None:
    """Note what was just read or written, whatever was noted before.

    Two processes that note different revisions at once may leave the lower one; the next one who
    reads the vault notes the higher again.

    Parameters
    ----------
    path : Path
        The vault.
    content : Content
        Authentic, and in place.
    """
    target = _path(content.vault_id)
    if target is None:
        return
    entries = {
        name: SeenCredential(entry.id, entry.revision, entry.tag)
        for name, entry in content.credentials.items()
    }
    note = _Note(
        content.revision, content.mac, tuple(content.keys), path=str(path), credentials=entries
    )
    with contextlib.suppress(OSError):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Losing the newest note in a power cut costs nothing: the next reader makes it again.
        with draft_of(target, msgspec.json.encode(note), synced=False) as draft:
            os.replace(draft, target)


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None


def _path(vault_id: str) -> Path | None:
    from platformdirs import user_state_path

    folder = user_state_path("flowlib")
    # Without a home the folder is relative (`~/…`) and would be made in the working directory.
    return folder / "vaults" / f"{vault_id}.json" if folder.is_absolute() else None
