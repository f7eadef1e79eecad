"""Reads a vault file's text, and refuses whatever the vault would not have written."""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

from ..errors import InputError, VaultConflictError, VaultError, VaultTamperedError
from ..models.hosts import HostPattern
from ..models.names import is_name
from .content import Content, Entry, encode
from .envelope import FORMAT, NONCE_BYTES, TAG_BYTES, VERSION, Sealed

_MAX_REVISION = 2**53 - 1  # the largest that every JSON reader keeps exact
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", re.ASCII)
_CONFLICT = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( |$)", re.MULTILINE)


def parse(text: str, path: Path) -> Content:
    """Read a vault file's text.

    Parameters
    ----------
    text : str
        The file.
    path : Path
        For messages.

    Returns
    -------
    Content
        Of the right form; whether it is authentic is another question.

    Raises
    ------
    VaultConflictError
        It holds git's conflict markers.
    VaultTamperedError
        It is not a vault, or not one that the vault would have written.
    VaultError
        It was written by a later version.
    """
    try:
        data = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        if _CONFLICT.search(text):
            raise VaultConflictError(
                f"The vault {path} holds the conflict markers of a git merge.",
                hint="Resolve the merge in git: keep each credential's object whole.",
            ) from None
        raise tampered(path, "it is not JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise tampered(path, f"its format is not {FORMAT!r}")
    version = data.get("version")
    if type(version) is int and version > VERSION:
        raise VaultError(
            f"The vault {path} has version {version}; this program reads up to {VERSION}.",
            hint="Upgrade flowlib-nb.",
        )
    try:
        return _content(data)
    except (TypeError, ValueError) as error:
        raise tampered(path, f"a part is missing or malformed ({_part(error)})") from None


def tampered(path: Path, reason: str) -> VaultTamperedError:
    """Make the error for a file that the vault did not write as it is.

    Parameters
    ----------
    path : Path
        The file.
    reason : str
        What shows it, as the rest of a sentence.

    Returns
    -------
    VaultTamperedError
        To be raised.
    """
    return VaultTamperedError(
        f"The vault {path} was changed by something else: {reason}.",
        hint="Put back a copy that was not changed, from git or a backup.",
    )


def _decode(text: str, size: int | None = None) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("base64") from None
    if encode(value) != text or (size is not None and len(value) != size):
        raise ValueError("base64")
    return value


def _content(data: dict[str, Any]) -> Content:
    _exactly(data, {"format", "version", "vault_id", "revision", "keys", "credentials", "mac"})
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise ValueError("version")
    if not isinstance(data["keys"], dict) or not data["keys"]:
        raise ValueError("keys")
    if not isinstance(data["credentials"], dict) or not all(map(is_name, data["credentials"])):
        raise ValueError("credentials")
    keys = {_text(id, _KEY_ID, "keys"): _check(key) for id, key in data["keys"].items()}
    credentials = {name: _entry(entry) for name, entry in data["credentials"].items()}
    if any(entry.key not in keys for entry in credentials.values()):
        raise ValueError("keys")
    return Content(
        _uuid(data["vault_id"]),
        _count(data["revision"]),
        keys,
        credentials,
        _decode(data["mac"], 32),
    )


def _check(data: Any) -> bytes:
    _exactly(data, {"check"})
    return _decode(data["check"], 32)


def _entry(data: Any) -> Entry:
    _exactly(
        data,
        {"id", "type", "key", "revision", "created_at", "updated_at", "hosts", "nonce",
         "ciphertext", "tag"},
    )  # fmt: skip
    return Entry(
        _uuid(data["id"]),
        _text(data["type"], _TYPE, "type"),
        _text(data["key"], _KEY_ID, "key"),
        _count(data["revision"]),
        _text(data["created_at"], _MOMENT, "created_at"),
        _text(data["updated_at"], _MOMENT, "updated_at"),
        _hosts(data["hosts"]),
        Sealed(
            _decode(data["nonce"], NONCE_BYTES),
            _decode(data["ciphertext"]),
            _decode(data["tag"], TAG_BYTES),
        ),
    )


def _hosts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(host, str) for host in value):
        raise TypeError("hosts")
    try:
        if [str(HostPattern.parse(host)) for host in value] != value:
            raise ValueError("hosts")
    except InputError:
        raise ValueError("hosts") from None
    return tuple(value)


def _exactly(data: Any, names: set[str]) -> None:
    if not isinstance(data, dict):
        raise TypeError("object")
    if odd := sorted(data.keys() ^ names):
        raise ValueError(odd[0])


# Strict, since without a key these texts are shown as they stand.
def _text(value: Any, form: re.Pattern[str], part: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(part)
    return value


def _uuid(value: Any) -> str:
    if not isinstance(value, str) or str(UUID(value)) != value:
        raise ValueError("uuid")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _MAX_REVISION:
        raise ValueError("revision")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate names")
    return result


def _part(error: Exception) -> str:
    text = str(error).strip("'")
    return text if re.fullmatch(r"[a-z_]{1,20}", text) else "unreadable"
