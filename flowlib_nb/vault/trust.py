"""Whether a vault file can be trusted: whose key wrote it, and whether it was changed since."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from ..errors import VaultTamperedError, WrongKeyError
from .content import Content, decode, encode, signed_parts
from .envelope import file_mac, key_check
from .keys import FoundKey, MasterKey
from .parser import decode_quickly, parse, tampered

Keys = Mapping[str, MasterKey]


def authenticated(path: Path, raw: bytes, found: FoundKey) -> tuple[Content, Keys]:
    """Read a vault file and make sure that one of its keys wrote it as it is.

    Parameters
    ----------
    path : Path
        For messages.
    raw : bytes
        The file.
    found : FoundKey
        The keys at hand.

    Returns
    -------
    Content
        Authentic.
    mapping of MasterKey
        The keys at hand that are the vault's, by id; never empty.

    Raises
    ------
    WrongKeyError
        No key at hand is the vault's, or none of them wrote it last.
    VaultError
        The file was changed by something else, or is no vault.
    """
    content = decode_quickly(raw, path)
    keys = vault_keys(path, content, found)
    if keys and _is_signed(content, raw, keys):
        return content, keys
    # What is left is a file of another layout (line ends, indentation), or a file that was changed.
    content = parse(raw, path)
    if not keys:
        raise wrong_key(path, found)
    if not _is_signed(content, content.to_text(), keys):
        if content.keys.keys() - keys.keys():
            # In the midst of a rotation: the file may be fine, but these keys cannot tell.
            raise WrongKeyError(
                f"The vault {path} was last written with another key than the one from "
                f"{found.source}, or was changed by something else.",
                hint="Use the newest key; older ones go into FLOWLIB_ENCRYPTION_KEY_PREVIOUS.",
            )
        raise tampered(path, "its authentication code does not match")
    return content, keys


def vault_keys(path: Path, content: Content, found: FoundKey) -> Keys:
    """Those of the keys at hand that are the vault's.

    Parameters
    ----------
    path : Path
        For messages.
    content : Content
        The file.
    found : FoundKey
        The keys at hand.

    Returns
    -------
    mapping of MasterKey
        By id; empty where none is.

    Raises
    ------
    VaultTamperedError
        The file names a key, but what it says of it is wrong.
    """
    keys: dict[str, MasterKey] = {}
    for key in (found.key, *found.previous):
        entry = content.keys.get(key.id)
        if entry is None:
            continue
        expected = encode(key_check(key, content.vault_id)).encode()
        if not hmac.compare_digest(entry.check.encode(), expected):
            raise tampered(path, "the check of its key does not match")
        keys[key.id] = key
    return keys


def _is_signed(content: Content, text: bytes, keys: Keys) -> bool:
    try:
        code = decode(content.mac)
    except ValueError:
        return False
    parts = signed_parts(text)
    return any(
        hmac.compare_digest(file_mac(key, content.vault_id, parts), code) for key in keys.values()
    )


def wrong_key(path: Path, found: FoundKey) -> WrongKeyError:
    """Make the error for a key that is not the vault's.

    Parameters
    ----------
    path : Path
        The vault.
    found : FoundKey
        The key; only its source is named.

    Returns
    -------
    WrongKeyError
        To be raised.
    """
    return WrongKeyError(
        f"The key is not the one that the vault {path} was written with; it came from "
        f"{found.source}.",
        hint="Use the key that the vault was made with; `%flowlib_secret` or `flowlib doctor` "
        "shows where this one came from. During a rotation, older keys go into "
        "FLOWLIB_ENCRYPTION_KEY_PREVIOUS.",
    )


def too_old(path: Path, revision: int, known: int) -> VaultTamperedError:
    """Make the error for a whole older file that was put back.

    Parameters
    ----------
    path : Path
        The vault.
    revision, known : int
        The file's, and the highest seen.

    Returns
    -------
    VaultTamperedError
        To be raised.
    """
    return VaultTamperedError(
        f"The vault {path} is older than it was: revision {revision}, but revision {known} has "
        "been seen.",
        hint="If you restored it on purpose, run `flowlib vault accept`.",
    )
