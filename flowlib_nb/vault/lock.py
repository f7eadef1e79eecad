"""Locks of files: one writer at a time, over processes, kernels, the server and machines."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import VaultError, VaultLockedError

if TYPE_CHECKING:
    from filelock import SoftFileLease

LOCK_SECONDS = 15.0
# Without a heartbeat for so long, the holder's machine counts as dead. Below LOCK_SECONDS, because
# a waiting process must watch the lock for that long itself: clocks of two machines differ.
LEASE_SECONDS = 10.0
_EMPTY_SECONDS = 2.0


@contextlib.contextmanager
def locked(path: Path, *, what: str = "the vault", seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a file.

    The lock is a file of its own beside it, made with ``O_EXCL`` and kept alive by a
    heartbeat, so that it works where byte-range locks do not (NFS homes). That of a dead process on
    this machine is taken over at once, that of a dead machine when its heartbeat has been missing
    for ten seconds. A writer that was stopped for so long and wakes up without its lock is caught
    by :func:`flowlib_nb.vault.file.write`, which replaces only the file that it was read from.

    Parameters
    ----------
    path : Path
        The file, which need not exist; its folder must.
    what : str, optional
        What to call it in an error.
    seconds : float, optional
        How long to wait.

    Raises
    ------
    VaultLockedError
        Another process held it for too long.
    VaultError
        The folder cannot be written to.
    """
    from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

    marker = path.with_name(f"{path.name}.lock")
    lock = SoftFileLease(marker, lease_duration=LEASE_SECONDS, mode=0o600)
    try:
        _acquire(lock, marker, seconds)
    except (Timeout, LeaseSettingsMismatch):
        raise VaultLockedError(
            f"Another process has been writing to {what} {path} for {seconds:g} s.",
            hint=f"Try again; if nothing is writing, delete {marker}.",
        ) from None
    except OSError as error:
        raise VaultError(f"The file {path} cannot be locked: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: SoftFileLease, marker: Path, seconds: float) -> None:
    from filelock import Timeout

    deadline = time.monotonic() + seconds
    while True:
        empty = _empty(marker)
        left = max(0.0, deadline - time.monotonic())
        try:
            lock.acquire(timeout=min(_EMPTY_SECONDS, left))
            return
        except Timeout:
            if empty is not None and _empty(marker) == empty:
                _discard(marker, empty)
            elif time.monotonic() >= deadline:
                raise


def _empty(marker: Path) -> tuple[int, int] | None:
    """Tell an empty lock file by its identity.

    A process killed between making the file and signing it leaves one, and filelock never breaks
    it, as its older releases signed nothing. Ours always sign, within microseconds.
    """
    try:
        status = marker.lstat()
    except OSError:
        return None
    return None if status.st_size else (status.st_ino, status.st_ctime_ns)


def _discard(marker: Path, judged: tuple[int, int]) -> None:
    # Moved before it is deleted: between the look and the move another process may have discarded
    # it too and made its own, which is then put back.
    aside = marker.with_name(f".{secrets.token_hex(8)}.{marker.name}")
    with contextlib.suppress(OSError):
        marker.rename(aside)
        if aside.lstat().st_ino != judged[0]:
            os.link(aside, marker)
    with contextlib.suppress(OSError):
        aside.unlink(missing_ok=True)
