"""Credentials in a file of their own, under a passphrase, to carry them to another vault.

The layout is in FORMAT.md.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..errors import BundleError, InputError
from ..models.secret import Secret
from .content import decode, encode, laid_out
from .envelope import NONCE_BYTES, TAG_BYTES, canonical

FORMAT = "flowlib-bundle"
VERSION = 1
SHORTEST_PASSPHRASE = 12
# 128 MB and about half a second for each guess (OWASP's first choice for scrypt).
_N, _R, _P = 2**17, 8, 1
_SALT_BYTES = 16
_KEY_BYTES = 32
# Of a bundle from elsewhere: 1 GB of memory, and a few seconds.
_MAX_N = 2**20


class Kdf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the key comes from the passphrase (scrypt, RFC 7914).

    Parameters
    ----------
    name : str
        Always ``scrypt``.
    n, r, p : int
        Its parameters.
    salt : str
        Base64 of 16 random bytes.
    """

    name: Literal["scrypt"]
    n: int
    r: int
    p: int
    salt: str


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle's file.

    Parameters
    ----------
    format, version : str, int
        What kind of file it is.
    kdf : Kdf
        How its key is made.
    nonce, ciphertext, tag : str
        Base64.
    """

    format: str
    version: int
    kdf: Kdf
    nonce: str
    ciphertext: str
    tag: str


class Carried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A credential in a bundle, decrypted.

    Parameters
    ----------
    type : str
        Its kind.
    hosts : tuple of str
        Where it may be sent.
    fields : dict
        In plaintext.
    """

    type: str
    hosts: tuple[str, ...]
    fields: dict[str, Any]

    def __repr__(self) -> str:
        """Show no field."""
        return f"Carried(type={self.type!r}, hosts={self.hosts!r})"


def check_passphrase(passphrase: Secret) -> None:
    """Refuse a passphrase that is too easily guessed.

    Parameters
    ----------
    passphrase : Secret
        As it was typed.

    Raises
    ------
    InputError
        It has fewer than 12 characters.
    """
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise InputError(
            f"The passphrase must have at least {SHORTEST_PASSPHRASE} characters.",
            hint="Whoever gets the bundle can try as many as they like. Use five random words.",
        )


def seal_bundle(credentials: Mapping[str, Carried], passphrase: Secret) -> bytes:
    """Encrypt credentials.

    Parameters
    ----------
    credentials : mapping of Carried
        By name.
    passphrase : Secret
        Checked with :func:`check_passphrase`.

    Returns
    -------
    bytes
        The file.

    Sources
    -------
    RFC 7914; NIST SP 800-38D.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    kdf = Kdf("scrypt", _N, _R, _P, encode(secrets.token_bytes(_SALT_BYTES)))
    cipher = AESGCM(_derive(kdf, passphrase))
    nonce = secrets.token_bytes(NONCE_BYTES)
    out = cipher.encrypt(nonce, canonical(msgspec.to_builtins(dict(credentials))), _bound(kdf))
    bundle = Bundle(
        FORMAT,
        VERSION,
        kdf,
        encode(nonce),
        encode(out[:-TAG_BYTES]),
        encode(out[-TAG_BYTES:]),
    )
    return laid_out(bundle)


def open_bundle(raw: bytes, passphrase: Secret) -> dict[str, Carried]:
    """Decrypt a bundle.

    Parameters
    ----------
    raw : bytes
        The file.
    passphrase : Secret
        The one that it was made with.

    Returns
    -------
    dict of Carried
        By name, with their fields in plaintext.

    Raises
    ------
    BundleError
        It is no bundle, the passphrase is wrong, or the file was changed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    bundle = _parse(raw)
    cipher = AESGCM(_derive(bundle.kdf, passphrase))
    try:
        sealed = decode(bundle.ciphertext) + decode(bundle.tag)
        return msgspec.json.decode(
            # Without a name: tracebacks may show locals.
            cipher.decrypt(decode(bundle.nonce), sealed, _bound(bundle.kdf)),
            type=dict[str, Carried],
        )
    except (InvalidTag, ValueError):
        raise BundleError(
            "The passphrase is wrong, or the bundle was changed; nothing was imported."
        ) from None
    except (msgspec.MsgspecError, RecursionError):
        raise BundleError("The bundle does not hold what it should.") from None


def _parse(raw: bytes) -> Bundle:
    try:
        bundle = msgspec.json.decode(raw, type=Bundle)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BundleError("This file is not a bundle of credentials.") from None
    if bundle.format != FORMAT or bundle.version != VERSION:
        raise BundleError("This file is not a bundle of credentials that this program can read.")
    kdf = bundle.kdf
    is_power = kdf.n > 1 and kdf.n & (kdf.n - 1) == 0
    if not (is_power and kdf.n <= _MAX_N and (kdf.r, kdf.p) == (_R, _P)):
        raise BundleError("The bundle asks for parameters of scrypt that are not sensible.")
    return bundle


def _derive(kdf: Kdf, passphrase: Secret) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    try:
        salt = decode(kdf.salt)
    except ValueError:
        salt = b""
    if len(salt) != _SALT_BYTES:
        raise BundleError("This file is not a bundle of credentials.")
    stretch = Scrypt(salt, _KEY_BYTES, n=kdf.n, r=kdf.r, p=kdf.p)
    # Keyboards differ in how they compose é (RFC 8265, section 4.2).
    try:
        return stretch.derive(unicodedata.normalize("NFC", passphrase.reveal()).encode())
    except MemoryError:
        raise BundleError(
            f"The passphrase takes {128 * kdf.n * kdf.r >> 20} MB, which this machine has not got."
        ) from None


def _bound(kdf: Kdf) -> bytes:
    return canonical({"format": FORMAT, "version": VERSION, "kdf": msgspec.to_builtins(kdf)})
