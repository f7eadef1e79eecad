"""Reads a vault file's text, and refuses whatever the vault would not have written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from ..errors import InputError, VaultConflictError, VaultError, VaultTamperedError
from ..models.hosts import HostPattern
from ..models.names import is_name
from .content import Content, Entry, decode
from .envelope import FORMAT, NONCE_BYTES, TAG_BYTES, VERSION

MAX_REVISION = 2**53 - 1  # the largest that every JSON reader keeps exact
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", re.ASCII)
_CONFLICT = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( |\r?$)", re.MULTILINE)
_DECODER = msgspec.json.Decoder(Content)


def decode_quickly(raw: bytes, path: Path) -> Content:
    """Read a vault file as far as it takes to authenticate it.

    Names that stand twice and values of a wrong form are not noticed: use what this gives only if
    the file's ``mac`` is right, else :func:`parse`.

    Parameters
    ----------
    raw : bytes
        The file.
    path : Path
        For messages.

    Returns
    -------
    Content
        Of the right types.

    Raises
    ------
    VaultError
        As :func:`parse`.
    """
    try:
        content = _DECODER.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return parse(raw, path)
    is_ours = (content.format, content.version) == (FORMAT, VERSION)
    return content if is_ours else parse(raw, path)


def parse(raw: bytes, path: Path) -> Content:
    """Read a vault file, and refuse whatever the vault would not have written.

    Parameters
    ----------
    raw : bytes
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
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise tampered(path, "it is not UTF-8 text") from None
    try:
        data = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise _unreadable(text, path) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise tampered(path, f"its format is not {FORMAT!r}")
    version = data.get("version")
    if type(version) is int and version > VERSION:
        raise VaultError(
            f"The vault {path} has version {version}; this program reads up to {VERSION}.",
            hint="Upgrade flowlib-nb.",
        )
    try:
        _check(data)
        return msgspec.convert(data, Content)
    except (TypeError, ValueError) as error:
        raise tampered(path, f"a part is missing or malformed ({_part(error)})") from None


def _unreadable(text: str, path: Path) -> VaultError:
    if not text.strip():
        return tampered(path, "it is empty")
    if not _CONFLICT.search(text):
        return tampered(path, "it is not JSON")
    return VaultConflictError(
        f"The vault {path} holds the conflict markers of a git merge.",
        hint="Resolve the merge in git: keep each credential's object whole, and of `revision` and "
        "`mac` either side's. Then run `flowlib vault repair`.",
    )


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


def _check(data: dict[str, Any]) -> None:
    _exactly(data, set(Content.__struct_fields__))
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise ValueError("version")
    _check_uuid(data["vault_id"])
    _check_count(data["revision"])
    _check_bytes(data["mac"], 32)
    if not isinstance(data["keys"], dict) or not data["keys"]:
        raise ValueError("keys")
    for key_id, key in data["keys"].items():
        _check_text(key_id, _KEY_ID, "keys")
        _exactly(key, {"check"})
        _check_bytes(key["check"], 32)
    if not isinstance(data["credentials"], dict) or not all(map(is_name, data["credentials"])):
        raise ValueError("credentials")
    for entry in data["credentials"].values():
        _check_entry(entry)
        if entry["key"] not in data["keys"]:
            raise ValueError("keys")


def _check_entry(data: Any) -> None:
    _exactly(data, set(Entry.__struct_fields__))
    _check_uuid(data["id"])
    _check_text(data["type"], _TYPE, "type")
    _check_text(data["key"], _KEY_ID, "key")
    _check_count(data["revision"])
    _check_text(data["created_at"], _MOMENT, "created_at")
    _check_text(data["updated_at"], _MOMENT, "updated_at")
    _check_hosts(data["hosts"])
    _check_bytes(data["nonce"], NONCE_BYTES)
    _check_bytes(data["ciphertext"])
    _check_bytes(data["tag"], TAG_BYTES)


def _check_hosts(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(host, str) for host in value):
        raise TypeError("hosts")
    try:
        if [str(HostPattern.parse(host)) for host in value] != value:
            raise ValueError("hosts")
    except InputError:
        raise ValueError("hosts") from None


def _exactly(data: Any, names: set[str]) -> None:
    if not isinstance(data, dict):
        raise TypeError("object")
    if odd := sorted(data.keys() ^ names):
        raise ValueError(odd[0])


# Strict, since without a key these texts are shown as they stand.
def _check_text(value: Any, form: re.Pattern[str], part: str) -> None:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(part)


def _check_uuid(value: Any) -> None:
    if not isinstance(value, str) or str(UUID(value)) != value:
        raise ValueError("uuid")


def _check_count(value: Any) -> None:
    if type(value) is not int or not 1 <= value <= MAX_REVISION:
        raise ValueError("revision")


def _check_bytes(text: Any, size: int | None = None) -> None:
    if not isinstance(text, str) or size not in (None, len(decode(text))):
        raise ValueError("base64")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate names")
    return result


def _part(error: Exception) -> str:
    text = str(error).strip("'")
    return text if re.fullmatch(r"[a-z_]{1,20}", text) else "unreadable"
