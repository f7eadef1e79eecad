"""Reads and writes files that hold keys; such a file is its owner's alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ...errors import ConfigError, KeyInvalidError
from ..atomic import draft_of, read_ordinary, sync_folder
from .form import sentence

# Room for twenty thousand older keys.
_MAX_BYTES = 1 << 20


def read(path: Path, source: str) -> str | None:
    """Read a key file.

    Parameters
    ----------
    path : Path
        The file.
    source : str
        What to call it in an error.

    Returns
    -------
    str or None
        Its text; None where there is no such file.

    Raises
    ------
    KeyInvalidError
        Others can read it, or it cannot be read.
    """
    try:
        raw, status = read_ordinary(path, _MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise KeyInvalidError(f"{sentence(source)} cannot be read: {error.strerror}.") from None
    if _exposed(status):
        raise KeyInvalidError(
            f"{sentence(source)} can be read by other users "
            f"(mode {stat.S_IMODE(status.st_mode):04o}), so it is not used.",
            hint=f"Run `chmod 600 {path}`, and rotate the key if others may have seen it. "
            "For a file mounted by a container platform, set its mode to 0400.",
        )
    return raw.decode("ascii", "replace")


def create(path: Path, text: str) -> None:
    """Write a key to a file that did not exist, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; it gets mode 0600, its folder 0700.
    text : str
        A key's text.

    Raises
    ------
    ConfigError
        The file exists already, or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with draft_of(path, _raw(text)) as draft:
            _publish(draft, path)
    except FileExistsError:
        raise ConfigError(
            f"The key file {path} exists already; it was made this moment, or is not readable."
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    sync_folder(path.parent)


def replace(path: Path, text: str) -> None:
    """Write a key file anew, whole or not at all. Call it with the file's lock held.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        The texts of one or more keys.

    Raises
    ------
    ConfigError
        The file cannot be written; the old one is as it was.
    """
    try:
        with draft_of(path, _raw(text)) as draft:
            os.replace(draft, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    sync_folder(path.parent)


def _raw(text: str) -> bytes:
    return f"{text}\n".encode("ascii")


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"The key file {path} cannot be written: {error.strerror}.")


def _publish(draft: Path, path: Path) -> None:
    # A link appears whole and never replaces a file, where a rename would.
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # No hard links on this file system: less safe against a crash, just as unable to replace.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(draft.read_bytes())
            file.flush()
            os.fsync(file.fileno())


def _exposed(status: os.stat_result) -> bool:
    if os.name != "posix":
        return False  # Windows keeps a user's data folder to the user by its access lists
    if status.st_uid == 0 and os.geteuid() != 0:
        # Container platforms mount secrets as root's and let a process in through its group.
        return bool(status.st_mode & 0o007)
    return bool(status.st_mode & 0o077)
