"""Reads and replaces the vault file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..errors import VaultError, VaultLockedError
from .atomic import TooLargeError, draft_of, read_ordinary, sync_folder
from .parser import tampered

MAX_BYTES = 64 << 20


def read(path: Path) -> bytes | None:
    """Read a vault file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bytes or None
        None where there is no file.

    Raises
    ------
    VaultTamperedError
        It is far larger than any vault.
    VaultError
        It cannot be read.
    """
    try:
        return read_ordinary(path, MAX_BYTES)[0]
    except FileNotFoundError:
        return None
    except TooLargeError as error:
        raise tampered(path, str(error.strerror)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name cannot be one"
        raise VaultError(f"The vault {path} cannot be read: {reason}.") from None


def write(path: Path, raw: bytes, *, replacing: bytes | None) -> None:
    """Replace the vault file, whole or not at all, also through a crash or a power cut.

    Call it with the vault's lock held.

    Parameters
    ----------
    path : Path
        The file.
    raw : bytes
        What it shall hold.
    replacing : bytes or None
        What it held when it was read, None for no file. Where it holds something else by now,
        nothing is written: the lock must have been taken over while this process was stopped.

    Raises
    ------
    VaultLockedError
        Another process has written meanwhile.
    VaultError
        The file cannot be written; the old one is as it was.
    """
    if len(raw) > MAX_BYTES:
        raise VaultError(
            f"The vault {path} would be larger than {MAX_BYTES >> 20} MB; nothing was stored.",
            hint="Large values do not belong into it: store a key, and encrypt the value with it.",
        )
    try:
        _remove_drafts(path)
        with draft_of(path, raw) as draft:
            if read(path) != replacing:
                raise VaultLockedError(
                    f"Another process wrote to the vault {path} meanwhile; nothing was stored.",
                    hint="Try again.",
                )
            os.replace(draft, path)
    except OSError as error:
        raise VaultError(f"The vault {path} cannot be written: {error.strerror}.") from None
    sync_folder(path.parent)


def _remove_drafts(path: Path) -> None:
    # Left by writers that were killed. One that merely lost its lock fails without its draft.
    for other in path.parent.iterdir():
        if other.name.startswith(f".{path.name}.") and other.suffix == ".tmp":
            with contextlib.suppress(OSError):
                other.unlink()
