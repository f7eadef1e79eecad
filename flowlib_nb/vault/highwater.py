"""The highest revision of each vault that this user has seen, so that an old file is noticed.

A whole older vault file is authentic in itself; only memory outside of it tells that it is old.
A state folder that cannot be read or written costs this protection, never the vault.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path


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
    path = _path(vault_id)
    if path is None:
        return 0
    try:
        value = json.loads(path.read_text(encoding="ascii"))["revision"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return value if type(value) is int else 0


def remember(vault_id: str, revision: int, *, lower: bool = False) -> None:
    """Note a revision.

    Two processes that note different revisions at once may leave the lower one; the next one who
    reads the vault notes the higher again.

    Parameters
    ----------
    vault_id : str
        The vault.
    revision : int
        Just read or written.
    lower : bool, optional
        Whether it may be lower than what is known: the user accepted a restored file.
    """
    known = seen(vault_id)
    path = _path(vault_id)
    if path is None or revision == known or (revision < known and not lower):
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"revision": revision}, file)
        os.replace(draft, path)
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def _path(vault_id: str) -> Path | None:
    from platformdirs import user_state_path

    folder = user_state_path("flowlib")
    # Without a home the folder is relative (`~/…`) and would be made in the working directory.
    return folder / "vaults" / f"{vault_id}.json" if folder.is_absolute() else None
