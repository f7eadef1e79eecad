"""Whether a vault file can be trusted: whose key wrote it, and whether it was changed since."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from ..errors import VaultTamperedError, WrongKeyError
from .content import Content
from .envelope import any_matches, key_check
from .keys import FoundKey, MasterKey, previous_keys
from .parser import tampered


def usable_keys(path: Path, content: Content, found: FoundKey) -> Mapping[str, MasterKey]:
    """Authenticate a whole vault file.

    Parameters
    ----------
    path : Path
        For messages.
    content : Content
        The file.
    found : FoundKey
        The key at hand; those in ``FLOWLIB_ENCRYPTION_KEY_PREVIOUS`` count as well.

    Returns
    -------
    mapping of MasterKey
        The keys at hand that are the vault's, by id; never empty.

    Raises
    ------
    WrongKeyError
        No key at hand is the vault's, or none of them wrote it last.
    VaultTamperedError
        The file was changed by something else.
    KeyInvalidError
        A previous key is malformed.
    """
    if content.is_new:
        return {found.key.id: found.key}
    usable: dict[str, MasterKey] = {}
    for key in (found.key, *previous_keys()):
        check = content.keys.get(key.id)
        if check is None:
            continue
        if not hmac.compare_digest(check, key_check(key, content.vault_id)):
            raise tampered(path, "the check of its key does not match")
        usable[key.id] = key
    if not usable:
        raise wrong_key(path, found)
    if not any_matches(usable.values(), content.vault_id, content.mac, content.authenticated()):
        if content.keys.keys() - usable.keys():
            # In the midst of a rotation: the file may be fine, but this key cannot tell.
            raise WrongKeyError(
                f"The vault {path} was last written with another key than the one from "
                f"{found.source}, or was changed by something else.",
                hint="Use the newest key; older ones go into FLOWLIB_ENCRYPTION_KEY_PREVIOUS.",
            )
        raise tampered(path, "its authentication code does not match")
    return usable


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
        hint="Use the key that the vault was made with; `%flowlib_secret` shows where this one "
        "came from. During a rotation, older keys go into FLOWLIB_ENCRYPTION_KEY_PREVIOUS.",
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
