"""Makes the user's master key, and makes a new one in its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from ...config import is_production, resolved
from ...errors import ConfigError, KeyMissingError
from ..lock import locked
from . import file, os_keyring
from .form import FoundKey, generate_key, parse_key
from .sources import FILE_VARIABLE, KEY_VARIABLE, PREVIOUS_VARIABLE, find_key, key_file_path


def init_key(*, where: Literal["file", "keyring"] = "file") -> str:
    """Make a key for this user where none exists.

    Parameters
    ----------
    where : str, optional
        ``"file"`` for the key file, ``"keyring"`` for the OS keyring.

    Returns
    -------
    str
        Where the key now lies, for people.

    Raises
    ------
    ConfigError
        A key exists already (it is never overwritten), this is production, there is no OS
        keyring, or the file cannot be written.
    """
    if is_production():
        raise ConfigError(
            "With FLOWLIB_ENV=production no key is ever made.",
            hint=f"Make one with `flowlib secret`, keep it safe, and set {KEY_VARIABLE}.",
        )
    try:
        found = find_key()
    except KeyMissingError as error:
        if os.environ.get(FILE_VARIABLE, "").strip():
            raise  # a file is named but absent: a key made elsewhere would never be looked at
        del error
    else:
        raise ConfigError(
            f"There is a key already: {found.source}. Nothing was changed.",
            hint="A new key cannot read what the old one encrypted; to change it, rotate.",
        )
    if where == "keyring":
        if not os_keyring.store(generate_key()):
            raise ConfigError(
                "No OS keyring is at hand here.", hint="Use the key file: `flowlib init`."
            )
        return "the OS keyring"
    path = key_file_path()
    file.create(path, generate_key())
    return f"the key file {path}"


def renew_key(found: FoundKey) -> FoundKey:
    """Put a new key before the current one, in the place where that one lies.

    The old key stays behind the new one, since other vaults of this user may need it.

    Parameters
    ----------
    found : FoundKey
        The current key.

    Returns
    -------
    FoundKey
        The new one. Where another process has put one there meanwhile, that one.

    Raises
    ------
    ConfigError
        The place is not ours to write to, or cannot be written.
    """
    return _rewritten(found, lambda texts: [generate_key(), *texts])


def forget_keys_before(found: FoundKey) -> FoundKey:
    """Remove the keys that are older than one, from the place where it lies.

    Parameters
    ----------
    found : FoundKey
        The key; it stays, and so do newer ones.

    Returns
    -------
    FoundKey
        What is in that place now.

    Raises
    ------
    ConfigError
        The place is not ours to write to, or cannot be written.
    """

    def kept(texts: list[str]) -> list[str]:
        keys = [parse_key(text) for text in texts]
        return texts[: keys.index(found.key) + 1] if found.key in keys else texts

    return _rewritten(found, kept, any_current=True)


def _rewritten(
    found: FoundKey, change: Callable[[list[str]], list[str]], *, any_current: bool = False
) -> FoundKey:
    if found.kind not in ("file", "keyring"):
        raise ConfigError(
            f"The key comes from {found.source}, which only you can change.",
            hint=f"Make a new key with `flowlib secret`, put it there and the current one into "
            f"{PREVIOUS_VARIABLE}, then rotate again.",
        )
    # Through a link, so that it stays one.
    path = resolved(key_file_path())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(path, what="the keys"):
        current = find_key()
        if current.key != found.key and not any_current:
            return current
        if found.kind == "file":
            texts = (file.read(path, found.source) or "").split()
            file.replace(path, "\n".join(change(texts)))
        elif not os_keyring.store("\n".join(change((os_keyring.load() or "").split()))):
            raise ConfigError("The OS keyring did not take the new key; nothing was changed.")
        return find_key()
