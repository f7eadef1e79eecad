"""Encrypts one credential: AES-256-GCM under a key of its own, bound to where it stands.

The layout of every byte is in FORMAT.md.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .keys import MasterKey

FORMAT = "flowlib-vault"
VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Binding:
    """What a ciphertext is bound to: changing any of it makes the ciphertext useless.

    Parameters
    ----------
    vault_id, id : str
        UUIDs of the vault and of the credential.
    name, type : str
        Of the credential.
    hosts : tuple of str
        Where it may be sent.
    revision : int
        The credential's own.
    created_at, updated_at : str
        Its dates.
    """

    vault_id: str
    id: str
    name: str
    type: str
    hosts: tuple[str, ...]
    revision: int
    created_at: str
    updated_at: str

    def associated_data(self) -> bytes:
        """The bytes that GCM authenticates besides the ciphertext."""
        return canonical(
            {
                "format": FORMAT,
                "version": VERSION,
                "vault_id": self.vault_id,
                "id": self.id,
                "name": self.name,
                "type": self.type,
                "hosts": list(self.hosts),
                "revision": self.revision,
                "created_at": self.created_at,
                "updated_at": self.updated_at,
            }
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted credential.

    Parameters
    ----------
    nonce : bytes
        96 bits, fresh for each encryption.
    ciphertext : bytes
        As long as the plaintext.
    tag : bytes
        128 bits.
    """

    nonce: bytes
    ciphertext: bytes
    tag: bytes


class NotAuthenticError(Exception):
    """The ciphertext, its tag or what it is bound to has been changed."""


def seal(key: MasterKey, binding: Binding, fields: Callable[[], Mapping[str, Any]]) -> Sealed:
    """Encrypt a credential's fields under a key that serves this credential alone.

    Parameters
    ----------
    key : MasterKey
        From which the credential's key is derived.
    binding : Binding
        Where it will stand.
    fields : callable
        Gives the fields, JSON-ready; called once, so that no frame that a traceback may show has a
        name for them.

    Returns
    -------
    Sealed
        With a nonce that was never used before.

    Sources
    -------
    NIST SP 800-38D; RFC 5869.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(NONCE_BYTES)
    cipher = AESGCM(_credential_key(key, binding))
    out = cipher.encrypt(nonce, canonical(dict(fields())), binding.associated_data())
    return Sealed(nonce, out[:-TAG_BYTES], out[-TAG_BYTES:])


def unseal(key: MasterKey, binding: Binding, sealed: Sealed) -> dict[str, Any]:
    """Decrypt a credential's fields.

    Parameters
    ----------
    key : MasterKey
        The one that sealed them.
    binding : Binding
        Where they stand.
    sealed : Sealed
        What :func:`seal` returned.

    Returns
    -------
    dict
        In plaintext; do not give it a name, as tracebacks may show locals.

    Raises
    ------
    NotAuthenticError
        Something was changed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(_credential_key(key, binding))
    try:
        plain = cipher.decrypt(
            sealed.nonce, sealed.ciphertext + sealed.tag, binding.associated_data()
        )
    except (InvalidTag, ValueError):
        raise NotAuthenticError from None
    fields: dict[str, Any] = json.loads(plain)
    return fields


def canonical(value: Any) -> bytes:
    """JSON of which there is only one form: keys sorted, no spaces, UTF-8.

    Parameters
    ----------
    value : object
        Of texts, integers, booleans, lists and dicts.

    Returns
    -------
    bytes
        FORMAT.md says which escapes are used.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def key_check(key: MasterKey, vault_id: str) -> bytes:
    """What shows that a key is the vault's, without giving anything away.

    Parameters
    ----------
    key : MasterKey
        The key.
    vault_id : str
        The vault.

    Returns
    -------
    bytes
        32 of them.
    """
    return key.derive(b"flowlib-vault/1/check", salt=vault_id.encode())


def file_mac(key: MasterKey, vault_id: str, parts: Iterable[bytes | memoryview]) -> bytes:
    """The authentication code of a whole vault file.

    Parameters
    ----------
    key : MasterKey
        Any key of the vault.
    vault_id : str
        The vault.
    parts : iterable of bytes
        The file's text without the line that holds its ``mac``, in pieces.

    Returns
    -------
    bytes
        HMAC-SHA256 of the text, under a key of its own.

    Sources
    -------
    RFC 2104.
    """
    code = hmac.new(key.derive(b"flowlib-vault/1/mac", salt=vault_id.encode()), digestmod="sha256")
    for part in parts:
        code.update(part)
    return code.digest()


def _credential_key(key: MasterKey, binding: Binding) -> bytes:
    purpose = b"flowlib-vault/1/credential/" + binding.id.encode()
    return key.derive(purpose, salt=binding.vault_id.encode())
