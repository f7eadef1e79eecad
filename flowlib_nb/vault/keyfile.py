"""Makes the user's key file."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError


def create(path: Path, key: str) -> None:
    """Write a key to a file that did not exist, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; it gets mode 0600, its folder 0700.
    key : str
        As ``generate_key`` makes it.

    Raises
    ------
    ConfigError
        The file exists already, or cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key + "\n")
            file.flush()
            os.fsync(file.fileno())
        _publish(draft, path)
    except FileExistsError:
        raise ConfigError(
            f"The key file {path} exists already; it was made this moment, or is not readable."
        ) from None
    except OSError as error:
        raise ConfigError(f"The key file {path} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)


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
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
