"""Reads ordinary files, and replaces them so that a crash leaves the old or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

# Not blocking, since opening a FIFO would wait for someone to write to it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# For a file that must not exist yet.
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class TooLargeError(OSError):
    """A file holds more than it may."""


def read_ordinary(path: Path, limit: int) -> tuple[bytes, os.stat_result]:
    """Read a file that is no device, FIFO or folder, and not too large.

    Parameters
    ----------
    path : Path
        The file.
    limit : int
        Bytes that it may have.

    Returns
    -------
    bytes
        Its content.
    os.stat_result
        Its state when it was read.

    Raises
    ------
    OSError
        It cannot be read; ``strerror`` says why.
    """
    descriptor = os.open(path, _READ)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not an ordinary file")
        if status.st_size > limit:
            raise TooLargeError(0, f"it is larger than {limit:,} bytes")
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return file.readall(), status
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def draft_of(path: Path, raw: bytes, *, synced: bool = True) -> Iterator[Path]:
    """Write bytes beside a file, for whoever then puts them in its place.

    Parameters
    ----------
    path : Path
        The file.
    raw : bytes
        What it shall hold.
    synced : bool, optional
        Whether they must be on the disk before they are put there.

    Returns
    -------
    context manager of Path
        A new file of mode 0600 in the same folder; gone at the end unless it was moved.

    Raises
    ------
    OSError
        It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(draft, NEW, 0o600), "wb") as file:
            file.write(raw)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        yield draft
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make what was moved into a folder survive a power cut.

    The move itself is done by then: a folder that cannot be synced costs durability, not the write.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
