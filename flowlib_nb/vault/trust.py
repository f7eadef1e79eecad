"""Whether a vault file can be trusted: whose key wrote it, and whether it was changed since."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from ..errors import VaultTamperedError, WrongKeyError
from .content import Content, decode, encode, signed_parts
from .envelope import file_mac, key_check
from .highwater import Seen
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


def why_stale(content: Content, known: Seen, found: FoundKey) -> str | None:
    """Say why an authentic file is not the one that should be there.

    Parameters
    ----------
    content : Content
        The file.
    known : Seen
        What this user has last seen of the vault.
    found : FoundKey
        The keys at hand, the newest first.

    Returns
    -------
    str or None
        The rest of a sentence about the vault, or None.
    """
    if content.revision < known.revision:
        return (
            f"is older than it was: revision {content.revision}, but revision {known.revision} "
            "has been seen"
        )
    if content.revision == known.revision and content.mac != known.mac:
        return f"is another one than was seen, although its revision {known.revision} is the same"
    if found.key.id in known.keys and found.key.id not in content.keys:
        return "was under the current key when it was last seen, and is under an older one now"
    return None


def stale(path: Path, reason: str) -> VaultTamperedError:
    """Make the error for a whole other file that was put in the vault's place.

    Parameters
    ----------
    path : Path
        The vault.
    reason : str
        What :func:`why_stale` said.

    Returns
    -------
    VaultTamperedError
        To be raised.
    """
    return VaultTamperedError(
        f"The vault {path} {reason}.",
        hint="If you put it there on purpose (a restore, another branch), run "
        "`flowlib vault accept`.",
    )
