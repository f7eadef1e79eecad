"""What a vault file holds, and the text that it is written as."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .envelope import FORMAT, VERSION, Binding, Sealed


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
        Its fields; empty until they are sealed to all of the above.
    """

    id: str
    type: str
    key: str
    revision: int
    created_at: str
    updated_at: str
    hosts: tuple[str, ...]
    sealed: Sealed = field(default=Sealed(b"", b"", b""), repr=False)

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
        Authenticates all the rest; empty while there is no file yet.
    """

    vault_id: str
    revision: int
    keys: Mapping[str, bytes]
    credentials: Mapping[str, Entry]
    mac: bytes = field(default=b"", repr=False)

    @property
    def is_new(self) -> bool:
        """Whether there is no file yet."""
        return not self.mac

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


def encode(value: bytes) -> str:
    """Write bytes as they stand in the file.

    Parameters
    ----------
    value : bytes
        The bytes.

    Returns
    -------
    str
        Base64 with padding (RFC 4648, section 4).
    """
    return base64.b64encode(value).decode("ascii")
