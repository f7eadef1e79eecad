"""What this user has last seen of each vault, so that an old file is noticed.

A whole older vault file is authentic in itself; only memory outside of it tells that it is old.
A state folder that cannot be read or written costs this protection, never the vault.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from .atomic import draft_of
from .content import Content

Revisions = Mapping[str, tuple[str, int]]


class _Revision(msgspec.Struct):
    revision: int


class _Note(msgspec.Struct):
    revision: int
    credentials: dict[str, tuple[str, int]]


_T = TypeVar("_T", _Revision, _Note)


def seen(vault_id: str) -> int:
    """Look up the highest revision seen.

    Parameters
    ----------
    vault_id : str
        The vault.

    Returns
    -------
    int
        0 where none is known.
    """
    note = _read(vault_id, _Revision)
    return note.revision if note else 0


def seen_credentials(vault_id: str) -> Revisions:
    """Look up the credentials that stood in that revision.

    Parameters
    ----------
    vault_id : str
        The vault.

    Returns
    -------
    mapping of (str, int)
        By name, the id and the revision of each; empty where none is known.
    """
    note = _read(vault_id, _Note)
    return note.credentials if note else {}


def remember(content: Content) -> None:
    """Note what was just read or written, whatever was noted before.

    Two processes that note different revisions at once may leave the lower one; the next one who
    reads the vault notes the higher again.

    Parameters
    ----------
    content : Content
        Authentic, and in place.
    """
    path = _path(content.vault_id)
    if path is None:
        return
    entries = {name: (entry.id, entry.revision) for name, entry in content.credentials.items()}
    note = msgspec.json.encode(_Note(content.revision, entries))
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Losing the newest note in a power cut costs nothing: the next reader makes it again.
        with draft_of(path, note, synced=False) as draft:
            os.replace(draft, path)


def _read(vault_id: str, kind: type[_T]) -> _T | None:
    path = _path(vault_id)
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None


def _path(vault_id: str) -> Path | None:
    from platformdirs import user_state_path

    folder = user_state_path("flowlib")
    # Without a home the folder is relative (`~/…`) and would be made in the working directory.
    return folder / "vaults" / f"{vault_id}.json" if folder.is_absolute() else None
