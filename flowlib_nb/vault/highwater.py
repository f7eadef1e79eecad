"""The highest revision of each vault that this user has seen, so that an old file is noticed.

A whole older vault file is authentic in itself; only memory outside of it tells that it is old.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path


def seen(vault_id: str) -> int:
    """The highest revision seen; 0 where none is known.

    A folder that cannot be read costs this protection, never the vault.
    """
    try:
        value = json.loads(_path(vault_id).read_text(encoding="ascii"))["revision"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return value if isinstance(value, int) else 0


def remember(vault_id: str, revision: int, *, lower: bool = False) -> None:
    """Note a revision.

    Parameters
    ----------
    vault_id : str
        The vault.
    revision : int
        Just read or written.
    lower : bool, optional
        Whether it may be lower than what is known: the user accepted a restored file.
    """
    if revision == seen(vault_id) or (not lower and revision < seen(vault_id)):
        return
    path = _path(vault_id)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"revision": revision}, file)
        os.replace(draft, path)
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def _path(vault_id: str) -> Path:
    from platformdirs import user_state_path

    return user_state_path("flowlib") / "vaults" / f"{vault_id}.json"
