"""The master key and its form as text."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from typing import Literal

from ...errors import KeyInvalidError
from ...models.secret import Opaque

PREFIX = "flk1_"

KeyKind = Literal["argument", "environment", "environment_file", "keyring", "file"]

_SIZE = 32
# 32 bytes are 43 characters of base64 and one of padding, in one alphabet or the other.
_STANDARD = re.compile(r"[A-Za-z0-9+/]{43}=?", re.ASCII)
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]{43}=?", re.ASCII)
_FORM = (
    "A key is 32 random bytes in base64 (44 characters; URL-safe or unpadded is fine), with or "
    f"without the prefix {PREFIX}. It is never made from a password. "
    "Make one with `flowlib secret`."
)


class MasterKey(Opaque):
    """The 32 bytes from which every key of a vault is derived. They never leave this object.

    Parameters
    ----------
    value : bytes
        32 random bytes.

    Raises
    ------
    ValueError
        Not 32 bytes.
    """

    __slots__ = ()

    def __init__(self, value: bytes) -> None:
        size = len(value)
        if size != _SIZE:
            del value
            raise ValueError(f"a master key has {_SIZE} bytes, not {size}")
        super().__init__(value)

    def derive(self, purpose: bytes, salt: bytes = b"") -> bytes:
        """Derive a 32-byte key with HKDF-SHA256.

        Parameters
        ----------
        purpose : bytes
            HKDF's info: what the key is for, and for whom.
        salt : bytes, optional
            HKDF's salt; need not be secret.

        Returns
        -------
        bytes
            The derived key, from which the master key cannot be found.
        """
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), length=_SIZE, salt=salt or None, info=purpose).derive(self._open())

    @property
    def id(self) -> str:
        """A public identifier, 16 hexadecimal digits, from which the key cannot be found."""
        return self.derive(b"flowlib-vault/1/key-id")[:8].hex()


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and where it came from.

    Parameters
    ----------
    key : MasterKey
        Shows itself as ``••••``.
    source : str
        For people, such as ``the environment variable FLOWLIB_ENCRYPTION_KEY``.
    kind : str
        For programs.
    previous : tuple of MasterKey, optional
        Older keys, which entries that have not been rotated yet may need.
    """

    key: MasterKey
    source: str
    kind: KeyKind
    previous: tuple[MasterKey, ...] = ()


def generate_key() -> str:
    """Make a fresh key.

    Returns
    -------
    str
        ``flk1_`` and 43 characters of URL-safe base64.
    """
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_SIZE)).rstrip(b"=").decode()


def parse_key(text: str, *, source: str = "the key given") -> MasterKey:
    """Read a key from its text form.

    Parameters
    ----------
    text : str
        32 bytes in base64, standard or URL-safe, padding and the prefix ``flk1_`` optional.
    source : str, optional
        What to call it in an error, since its value is never shown.

    Returns
    -------
    MasterKey
        The key.

    Raises
    ------
    KeyInvalidError
        The text is anything else. The message never repeats it.

    Sources
    -------
    RFC 4648, sections 4 and 5.
    """
    value = _decode(text) if isinstance(text, str) else None
    del text
    if value is None:
        raise KeyInvalidError(f"{sentence(source)} is not a valid encryption key.", hint=_FORM)
    return MasterKey(value)


def parse_keys(text: str, *, source: str) -> tuple[MasterKey, ...]:
    """Read the keys that one place holds.

    Parameters
    ----------
    text : str
        One key, or several with white space or commas between them, the newest first.
    source : str
        What to call the place in an error.

    Returns
    -------
    tuple of MasterKey
        At least one.

    Raises
    ------
    KeyInvalidError
        One of them is malformed; the message says which, by its place.
    """
    texts = text.replace(",", " ").split()
    if len(texts) < 2:
        return (parse_key(text, source=source),)
    return tuple(
        parse_key(each, source=f"key {place} of {len(texts)} in {source}")
        for place, each in enumerate(texts, start=1)
    )


def _decode(text: str) -> bytes | None:
    body = text.strip().removeprefix(PREFIX)
    if not (_STANDARD.fullmatch(body) or _URL_SAFE.fullmatch(body)):
        return None
    url_safe = body.rstrip("=").translate(str.maketrans("+/", "-_"))
    try:
        value = base64.urlsafe_b64decode(url_safe + "=")
    except binascii.Error:
        return None
    # The last character has two spare bits: set, they point to a mistyped or cut key.
    same = base64.urlsafe_b64encode(value).rstrip(b"=").decode() == url_safe
    return value if same and len(value) == _SIZE else None


def sentence(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]
