"""Reads and writes the files of bundles."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..config import expanded
from ..errors import InputError
from .atomic import NEW, read_ordinary

_MAX_BYTES = 64 << 20


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Make a bundle's file, which must not exist yet; before anyone types a passphrase in vain.

    Parameters
    ----------
    path : Path
        The file; it gets mode 0600.

    Returns
    -------
    context manager of callable
        Writes the file's content. Where nothing is written there is no file in the end.

    Raises
    ------
    InputError
        It exists, or cannot be written.
    """
    path = expanded(path)
    try:
        descriptor = os.open(path, NEW, 0o600)
    except OSError as error:
        raise InputError(f"The file {path} cannot be made: {error.strerror}.") from None
    written: list[bool] = []
    with open(descriptor, "wb") as file:

        def write(raw: bytes) -> None:
            try:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise InputError(f"The file {path} cannot be written: {error.strerror}.") from None
            written.append(True)

        try:
            yield write
        finally:
            if not written:
                path.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """Read a bundle's file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    InputError
        It cannot be read.
    """
    path = expanded(path)
    try:
        return read_ordinary(path, _MAX_BYTES)[0]
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from None
