"""Where the master key is looked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ...config import expanded, is_production
from ...errors import FlowlibError, KeyMissingError
from . import file, os_keyring
from .form import FoundKey, KeyKind, MasterKey, parse_key, parse_keys

KEY_VARIABLE = "FLOWLIB_ENCRYPTION_KEY"
FILE_VARIABLE = "FLOWLIB_ENCRYPTION_KEY_FILE"
PREVIOUS_VARIABLE = "FLOWLIB_ENCRYPTION_KEY_PREVIOUS"

KeyState = Literal["available", "missing", "invalid"]


def find_key() -> FoundKey:
    """Find the key in the first place that has one.

    Looked at in order: ``FLOWLIB_ENCRYPTION_KEY``, ``FLOWLIB_ENCRYPTION_KEY_FILE``, the OS
    keyring, the key file in the user's data folder. With ``FLOWLIB_ENV=production`` only the
    first two count. A place that holds a bad key is an error, not a reason to look further.

    Returns
    -------
    FoundKey
        The key and its source.

    Raises
    ------
    KeyMissingError
        No key anywhere; the hint says how to come by one.
    KeyInvalidError
        The key found is malformed, or lies in a file that others can read.
    """
    found = _from_environment()
    if found is None and not is_production():
        found = _from_keyring() or _from_user_file()
    if found is not None:
        return found
    if is_production():
        hint = (
            f"Set {KEY_VARIABLE} or {FILE_VARIABLE} (with FLOWLIB_ENV=production only these two "
            "count, and no key is ever made). `flowlib secret` prints a fresh key."
        )
    else:
        hint = (
            "Run `%flowlib_secret init` or `flowlib init` to make one for this user, or set "
            f"{KEY_VARIABLE} to a key that `flowlib secret` prints."
        )
    raise KeyMissingError(
        "There is no encryption key, so credentials can be neither stored nor read.", hint=hint
    )


def key_state() -> KeyState:
    """Say whether a key is at hand, without ever raising.

    Returns
    -------
    str
        ``"available"``, ``"missing"``, or ``"invalid"`` (malformed, or readable by others).
    """
    try:
        find_key()
    except KeyMissingError:
        return "missing"
    except (FlowlibError, OSError):
        return "invalid"
    return "available"


def previous_keys() -> tuple[MasterKey, ...]:
    """Read the keys that may still be needed for old entries during a rotation.

    Returns
    -------
    tuple of MasterKey
        From ``FLOWLIB_ENCRYPTION_KEY_PREVIOUS``, comma-separated; usually empty.

    Raises
    ------
    KeyInvalidError
        One of them is malformed; the message says which, by its place.
    """
    text = os.environ.get(PREVIOUS_VARIABLE, "")
    return parse_keys(text, source=PREVIOUS_VARIABLE) if text.strip(", \t\n") else ()


def key_file_path() -> Path:
    """Say where the user's key file lies, whether or not it exists.

    Returns
    -------
    Path
        ``encryption.key`` in the user's data folder; never inside a workspace.
    """
    from platformdirs import user_data_path

    return user_data_path("flowlib") / "encryption.key"


def _from_environment() -> FoundKey | None:
    if text := os.environ.get(KEY_VARIABLE, "").strip():
        source = f"the environment variable {KEY_VARIABLE}"
        return FoundKey(parse_key(text, source=source), source, "environment", previous_keys())
    if name := os.environ.get(FILE_VARIABLE, "").strip():
        path = expanded(name)
        source = f"the file {path} that {FILE_VARIABLE} names"
        content = file.read(path, source)
        if content is None:
            raise KeyMissingError(
                f"{FILE_VARIABLE} names {path}, which does not exist.",
                hint="Create the file with a key that `flowlib secret` prints, mode 0600.",
            )
        return _found(content, source, "environment_file")
    return None


def _from_keyring() -> FoundKey | None:
    text = os_keyring.load()
    return _found(text, "the OS keyring", "keyring") if text else None


def _from_user_file() -> FoundKey | None:
    path = key_file_path()
    source = f"the key file {path}"
    text = file.read(path, source)
    return None if text is None else _found(text, source, "file")


def _found(text: str, source: str, kind: KeyKind) -> FoundKey:
    key, *older = parse_keys(text, source=source)
    return FoundKey(key, source, kind, (*older, *previous_keys()))
