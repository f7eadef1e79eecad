"""The vault file: its structure, and writing it so that a crash leaves the old or the new one."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from ..errors import VaultConflictError, VaultError, VaultLockedError, VaultTamperedError
from .envelope import FORMAT, NONCE_BYTES, TAG_BYTES, VERSION, Binding, Sealed

LOCK_SECONDS = 15.0
# Without a heartbeat for so long, the holder on another machine counts as dead.
_LEASE_SECONDS = 30.0
_MAX_BYTES = 64 << 20
_CONFLICT = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( |$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One credential in the file.

    Parameters
    ----------
    id, type, key : str
        Its UUID, its kind, and the id of the key it is encrypted with.
    revision : int
        Counts its changes.
    created_at, updated_at : str
        ISO 8601, UTC.
    hosts : tuple of str
        Where it may be sent.
    sealed : Sealed
        Its fields.
    """

    id: str
    type: str
    key: str
    revision: int
    created_at: str
    updated_at: str
    hosts: tuple[str, ...]
    sealed: Sealed = field(repr=False)

    def binding(self, vault_id: str, name: str) -> Binding:
        """What its ciphertext is bound to."""
        return Binding(vault_id, self.id, name, self.type, self.hosts, self.revision)

    def as_dict(self) -> dict[str, Any]:
        """The entry as it stands in the file."""
        return {
            "id": self.id,
            "type": self.type,
            "key": self.key,
            "revision": self.revision,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "hosts": list(self.hosts),
            "nonce": encode(self.sealed.nonce),
            "ciphertext": encode(self.sealed.ciphertext),
            "tag": encode(self.sealed.tag),
        }


@dataclass(frozen=True, slots=True)
class Content:
    """All that a vault file says.

    Parameters
    ----------
    vault_id : str
        A UUID.
    revision : int
        Counts the changes of the whole file.
    keys : dict of bytes
        By key id, the check that tells a wrong key from a changed file.
    credentials : dict of Entry
        By name.
    mac : bytes
        Authenticates all the rest.
    """

    vault_id: str
    revision: int
    keys: Mapping[str, bytes]
    credentials: Mapping[str, Entry]
    mac: bytes = field(default=b"", repr=False)

    def authenticated(self) -> dict[str, Any]:
        """The file without its ``mac``."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "vault_id": self.vault_id,
            "revision": self.revision,
            "keys": {name: {"check": encode(check)} for name, check in self.keys.items()},
            "credentials": {name: entry.as_dict() for name, entry in self.credentials.items()},
        }

    def to_text(self) -> str:
        """The file, in the one form that diffs and merges well."""
        whole = {**self.authenticated(), "mac": encode(self.mac)}
        return json.dumps(whole, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def parse(text: str, path: Path) -> Content:
    """Read a vault file's text.

    Parameters
    ----------
    text : str
        The file.
    path : Path
        For messages.

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
        raise _broken(path, "it is not JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _broken(path, f"its format is not {FORMAT!r}")
    if isinstance(data.get("version"), int) and data["version"] > VERSION:
        raise VaultError(
            f"The vault {path} has version {data['version']}; this program reads up to {VERSION}.",
            hint="Upgrade flowlib-nb.",
        )
    try:
        return _content(data)
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"a part is missing or malformed ({_part(error)})") from None


def read(path: Path) -> Content | None:
    """Read a vault file; None where there is none."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _broken(path, "it is far too large")
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise _broken(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise VaultError(f"The vault {path} cannot be read: {error.strerror}.") from None
    return parse(text, path)


def write(path: Path, content: Content) -> None:
    """Replace the file, whole or not at all, also through a crash or a power cut.

    Raises
    ------
    VaultError
        It cannot be written; the old file is as it was.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content.to_text().encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise VaultError(f"The vault {path} cannot be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the vault's lock: one writer at a time, over processes and machines.

    The lock is a file of its own beside the vault, made with ``O_EXCL`` and a heartbeat, so that
    it works where byte-range locks do not (NFS homes). That of a dead process on this machine is
    taken over at once, that of a dead machine after 30 seconds.

    Raises
    ------
    VaultLockedError
        Another process held it for too long.
    """
    from filelock import SoftFileLease, Timeout

    lock_path = path.with_name(f"{path.name}.lock")
    lock = SoftFileLease(lock_path, timeout=seconds, lease_duration=_LEASE_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise VaultLockedError(
            f"Another process has been writing to the vault {path} for {seconds:g} s.",
            hint=f"Try again; if nothing is writing, delete {lock_path}.",
        ) from None
    except OSError as error:
        raise VaultError(f"The vault {path} cannot be locked: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()


def encode(value: bytes) -> str:
    """Bytes as they stand in the file: base64 with padding (RFC 4648 §4)."""
    return base64.b64encode(value).decode("ascii")


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
    if data["version"] != VERSION:
        raise ValueError("version")
    for name, key in data["keys"].items():
        _exactly(key, {"check"})
        _text(name)
    return Content(
        _uuid(data["vault_id"]),
        _count(data["revision"]),
        {name: _decode(key["check"], 32) for name, key in data["keys"].items()},
        {_text(name): _entry(entry) for name, entry in data["credentials"].items()},
        _decode(data["mac"], 32),
    )


def _entry(data: dict[str, Any]) -> Entry:
    _exactly(
        data,
        {"id", "type", "key", "revision", "created_at", "updated_at", "hosts", "nonce",
         "ciphertext", "tag"},
    )  # fmt: skip
    if not isinstance(data["hosts"], list):
        raise TypeError("hosts")
    return Entry(
        _uuid(data["id"]),
        _text(data["type"]),
        _text(data["key"]),
        _count(data["revision"]),
        _text(data["created_at"]),
        _text(data["updated_at"]),
        tuple(_text(host) for host in data["hosts"]),
        Sealed(
            _decode(data["nonce"], NONCE_BYTES),
            _decode(data["ciphertext"]),
            _decode(data["tag"], TAG_BYTES),
        ),
    )


def _exactly(data: Any, names: set[str]) -> None:
    if not isinstance(data, dict):
        raise TypeError("object")
    if odd := sorted(data.keys() ^ names):
        raise ValueError(odd[0])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _uuid(value: Any) -> str:
    if not isinstance(value, str) or str(UUID(value)) != value:
        raise ValueError("uuid")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
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


def _broken(path: Path, reason: str) -> VaultTamperedError:
    return VaultTamperedError(
        f"The vault {path} was changed by something else: {reason}.",
        hint="Put back a copy that was not changed, from git or a backup.",
    )


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
