"""What a vault file holds, and the one text that it is written as."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from .envelope import FORMAT, VERSION, Binding, Sealed

_MAC_NAME = b'\n  "mac": '
# Exactly one mac, or none yet: nothing may hide in the line that is not signed.
_MAC_LINE = re.compile(rb' {2}"mac": "(?:[A-Za-z0-9+/]{43}=)?",\n')


class KeyCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What tells a wrong key from a changed file.

    Parameters
    ----------
    check : str
        Base64 of 32 bytes.
    """

    check: str


# Not tracked by the garbage collector (it holds only texts): decoding is a fifth faster.
class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One credential in the file, each field as it stands there.

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
    nonce, ciphertext, tag : str
        Base64; empty until the fields are sealed to all of the above.
    """

    id: str
    type: str
    key: str
    revision: int
    created_at: str
    updated_at: str
    hosts: tuple[str, ...]
    nonce: str = ""
    ciphertext: str = ""
    tag: str = ""

    def binding(self, vault_id: str, name: str) -> Binding:
        """What its ciphertext is bound to."""
        return Binding(
            vault_id,
            self.id,
            name,
            self.type,
            self.hosts,
            self.revision,
            self.created_at,
            self.updated_at,
        )

    @property
    def sealed(self) -> Sealed:
        """Its encrypted fields."""
        return Sealed(decode(self.nonce), decode(self.ciphertext), decode(self.tag))

    def with_sealed(self, sealed: Sealed) -> Entry:
        """The same entry with its fields encrypted."""
        return msgspec.structs.replace(
            self,
            nonce=encode(sealed.nonce),
            ciphertext=encode(sealed.ciphertext),
            tag=encode(sealed.tag),
        )


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a vault file says.

    Parameters
    ----------
    format, version : str, int
        What kind of file it is.
    vault_id : str
        A UUID.
    revision : int
        Counts the changes of the whole file.
    keys : mapping of KeyCheck
        By key id.
    credentials : mapping of Entry
        By name.
    mac : str
        Base64; authenticates all the rest. Empty while there is no file yet.
    """

    format: str
    version: int
    vault_id: str
    revision: int
    keys: Mapping[str, KeyCheck]
    credentials: Mapping[str, Entry]
    mac: str

    @classmethod
    def new(cls, vault_id: str) -> Content:
        """The content of a vault that has no file yet."""
        return cls(FORMAT, VERSION, vault_id, 0, {}, {}, "")

    @property
    def is_new(self) -> bool:
        """Whether there is no file yet."""
        return not self.mac

    def to_text(self) -> bytes:
        """The file, in the one form that diffs and merges well."""
        return laid_out(self)


def laid_out(value: msgspec.Struct) -> bytes:
    """Write JSON in the one layout that the vault's files have.

    Parameters
    ----------
    value : msgspec.Struct
        What to write.

    Returns
    -------
    bytes
        With sorted keys, an indentation of two spaces and a line feed at the end; see FORMAT.md.
    """
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


def signed_parts(text: bytes) -> tuple[memoryview, memoryview]:
    """What the ``mac`` of a file authenticates: its text without the line that holds the ``mac``.

    Parameters
    ----------
    text : bytes
        A file's text; only one as :meth:`Content.to_text` writes it has such a line.

    Returns
    -------
    tuple of memoryview
        What stands before that line, and behind it; all, and nothing, where there is none.
    """
    view = memoryview(text)
    line = _MAC_LINE.match(text, text.rfind(_MAC_NAME) + 1)
    if line is None:
        return view, view[:0]
    return view[: line.start()], view[line.end() :]


def with_mac(parts: tuple[memoryview, memoryview], mac: bytes) -> bytes:
    """Put a file's text together again, with its ``mac``.

    Parameters
    ----------
    parts : tuple of memoryview
        What :func:`signed_parts` gave.
    mac : bytes
        The authentication code.

    Returns
    -------
    bytes
        What :meth:`Content.to_text` of the content with that ``mac`` would write.
    """
    line = f'  "mac": "{encode(mac)}",\n'
    return b"".join((parts[0], line.encode(), parts[1]))


def utc_now() -> str:
    """The present moment, as it stands in the file."""
    return datetime.now(UTC).isoformat(timespec="seconds")


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


def decode(text: str) -> bytes:
    """Read bytes as they stand in the file.

    Parameters
    ----------
    text : str
        What :func:`encode` wrote.

    Returns
    -------
    bytes
        The bytes.

    Raises
    ------
    ValueError
        It is anything else, or has spare bits set.
    """
    value = base64.b64decode(text, validate=True)
    if encode(value) != text:
        raise ValueError("base64")
    return value
