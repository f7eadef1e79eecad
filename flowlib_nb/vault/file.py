"""Reads and writes the vault file, so that a crash leaves the old one or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from ..errors import VaultError, VaultLockedError
from .content import Content
from .parser import parse, tampered

_MAX_BYTES = 64 << 20


def read(path: Path) -> Content | None:
    """Read a vault file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Content or None
        None where there is no file.

    Raises
    ------
    VaultError
        It cannot be read, or :func:`parse` refuses it.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise tampered(path, "it is far too large")
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise tampered(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise VaultError(f"The vault {path} cannot be read: {error.strerror}.") from None
    return parse(text, path)


def write(path: Path, content: Content, *, replacing: Content) -> None:
    """Replace the file, whole or not at all, also through a crash or a power cut.

    Call it with the vault's lock held.

    Parameters
    ----------
    path : Path
        The file.
    content : Content
        What it shall hold.
    replacing : Content
        What it held when it was read. Where it holds something else by now, nothing is written:
        the lock must have been taken over while this process was stopped.

    Raises
    ------
    VaultLockedError
        Another process has written meanwhile.
    VaultError
        The file cannot be written; the old one is as it was.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        # Left by writers that were killed. One that merely lost its lock fails without its draft.
        for other in path.parent.iterdir():
            if other.name.startswith(f".{path.name}.") and other.suffix == ".tmp":
                other.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content.to_text().encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        current = read(path)
        if (current.mac if current else b"") != replacing.mac:
            raise VaultLockedError(
                f"Another process wrote to the vault {path} meanwhile; nothing was stored.",
                hint="Try again.",
            )
        os.replace(draft, path)
    except OSError as error:
        raise VaultError(f"The vault {path} cannot be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    # The file is replaced by now: a folder that cannot be synced costs durability, not the write.
    with contextlib.suppress(OSError):
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
