"""Where flows may read and write files, and how that is done whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from ....config import FOLDER, Workspace, resolved
from ....errors import InputError, NodeError
from ....hints import did_you_mean
from ...options.files import FileOptions

# Not blocking, since opening a FIFO would wait for someone to write to it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def workspace_path(text: str) -> Path:
    """The file that a path names, with links and ``..`` resolved, if flows may use it.

    Parameters
    ----------
    text : str
        Absolute, or relative to the working directory.

    Returns
    -------
    Path
        Absolute, without links.

    Raises
    ------
    InputError
        It lies outside the workspace, or in the folder that holds the vault.
    ConfigError
        It leads nowhere.
    """
    if not text or "\0" in text:
        raise InputError("The path is empty or holds a NUL character.")
    path = resolved(text)
    root = Workspace.find().root.resolve()
    if FOLDER in (part.casefold() for part in path.parts):
        raise InputError(f"The path {text!r} leads into {FOLDER}, which flows cannot use.")
    if not path.is_relative_to(root) and not FileOptions.instance().allow_outside:
        raise InputError(
            f"The path {text!r} leads out of the workspace, the folder {root.name!r}.",
            hint="Use a file in it, or allow others: c.FileOptions.allow_outside = True.",
        )
    return path


def read_file(text: str, limit: int) -> bytes:
    """The content of a file of the workspace.

    Parameters
    ----------
    text : str
        Its path.
    limit : int
        Bytes that it may have.

    Raises
    ------
    InputError
        Flows may not use it.
    NodeError
        It cannot be read, or is too large.
    """
    path = workspace_path(text)
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        raise NodeError(f"The file {text!r} does not exist.", hint=_similar(path)) from None
    except OSError as error:
        raise NodeError(f"The file {text!r} cannot be read: {error.strerror}.") from None
    try:
        return _content(descriptor, text, limit)
    finally:
        os.close(descriptor)


def _content(descriptor: int, text: str, limit: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise NodeError(f"{text!r} is not an ordinary file.")
    raw = b""
    if status.st_size <= limit:
        with open(descriptor, "rb", closefd=False) as file:
            raw = file.read(limit + 1)  # one more than allowed: the file may be growing
    if max(status.st_size, len(raw)) > limit:
        raise NodeError(
            f"The file {text!r} is larger than {limit:,} bytes.", hint="Raise max_bytes."
        )
    return raw


def write_file(text: str, raw: bytes) -> None:
    """Write a file of the workspace so that a crash leaves the old or the new one, whole.

    Parameters
    ----------
    text : str
        Its path; missing folders are made.
    raw : bytes
        The content.

    Raises
    ------
    InputError
        Flows may not use it.
    NodeError
        It cannot be written.
    """
    path = workspace_path(text)
    draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        if path.exists() and not path.is_file():
            raise NodeError(f"{text!r} is not an ordinary file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(draft, _NEW, 0o666), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            draft.chmod(stat.S_IMODE(path.stat().st_mode))
        draft.replace(path)
    except OSError as error:
        raise NodeError(f"The file {text!r} cannot be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _similar(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        return did_you_mean(path.name, (other.name for other in path.parent.iterdir()))
    return None
