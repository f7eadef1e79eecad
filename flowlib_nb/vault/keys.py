"""The master key: its form, where it is looked for, and how one is made."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..config import is_production
from ..errors import ConfigError, FlowlibError, KeyInvalidError, KeyMissingError
from ..models.secret import Opaque
from . import keyfile, oskeyring

KEY_VARIABLE = "FLOWLIB_ENCRYPTION_KEY"
FILE_VARIABLE = "FLOWLIB_ENCRYPTION_KEY_FILE"
PREVIOUS_VARIABLE = "FLOWLIB_ENCRYPTION_KEY_PREVIOUS"
PREFIX = "flk1_"

KeyKind = Literal["argument", "environment", "environment_file", "keyring", "file"]
KeyState = Literal["available", "missing", "invalid"]

_SIZE = 32
_MAX_FILE_SIZE = 4096
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
    """

    key: MasterKey
    source: str
    kind: KeyKind


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
        raise KeyInvalidError(f"{_sentence(source)} is not a valid encryption key.", hint=_FORM)
    return MasterKey(value)


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


def find_key() -> FoundKey:
    """Find the key in the first place that has one.

    Looked at in order: ``FLOWLIB_ENCRYPTION_KEY``, ``FLOWLIB_ENCRYPTION_KEY_FILE``, the OS
    keyring, the key file in the user's data folder. With ``FLOWLIB_ENV=production`` only the
    first two count. A place that holds a bad key is an error, not a reason to look further.

    Returns
    -------
    FoundKey
        The key and its source.

    Raises
    ------
    KeyMissingError
        No key anywhere; the hint says how to come by one.
    KeyInvalidError
        The key found is malformed, or lies in a file that others can read.
    """
    found = _from_environment()
    if found is None and not is_production():
        found = _from_keyring() or _from_user_file()
    if found is not None:
        return found
    if is_production():
        hint = (
            f"Set {KEY_VARIABLE} or {FILE_VARIABLE} (with FLOWLIB_ENV=production only these two "
            "count, and no key is ever made). `flowlib secret` prints a fresh key."
        )
    else:
        hint = (
            "Run `%flowlib_secret init` or `flowlib init` to make one for this user, or set "
            f"{KEY_VARIABLE} to a key that `flowlib secret` prints."
        )
    raise KeyMissingError(
        "There is no encryption key, so credentials can be neither stored nor read.", hint=hint
    )


def key_state() -> KeyState:
    """Say whether a key is at hand, without ever raising.

    Returns
    -------
    str
        ``"available"``, ``"missing"``, or ``"invalid"`` (malformed, or readable by others).
    """
    try:
        find_key()
    except KeyMissingError:
        return "missing"
    except (FlowlibError, OSError):
        return "invalid"
    return "available"


def previous_keys() -> tuple[MasterKey, ...]:
    """Read the keys that may still be needed for old entries during a rotation.

    Returns
    -------
    tuple of MasterKey
        From ``FLOWLIB_ENCRYPTION_KEY_PREVIOUS``, comma-separated; usually empty.

    Raises
    ------
    KeyInvalidError
        One of them is malformed; the message says which, by its place.
    """
    texts = [t for t in os.environ.get(PREVIOUS_VARIABLE, "").split(",") if t.strip()]
    return tuple(
        parse_key(text, source=f"key {place} of {len(texts)} in {PREVIOUS_VARIABLE}")
        for place, text in enumerate(texts, start=1)
    )


def key_file_path() -> Path:
    """Say where the user's key file lies, whether or not it exists.

    Returns
    -------
    Path
        ``encryption.key`` in the user's data folder; never inside a workspace.
    """
    from platformdirs import user_data_path

    return user_data_path("flowlib") / "encryption.key"


def init_key(*, where: Literal["file", "keyring"] = "file") -> str:
    """Make a key for this user where none exists.

    Parameters
    ----------
    where : str, optional
        ``"file"`` for the key file, ``"keyring"`` for the OS keyring.

    Returns
    -------
    str
        Where the key now lies, for people.

    Raises
    ------
    ConfigError
        A key exists already (it is never overwritten), this is production, there is no OS
        keyring, or the file cannot be written.
    """
    if is_production():
        raise ConfigError(
            "With FLOWLIB_ENV=production no key is ever made.",
            hint=f"Make one with `flowlib secret`, keep it safe, and set {KEY_VARIABLE}.",
        )
    try:
        found = find_key()
    except KeyMissingError as error:
        if os.environ.get(FILE_VARIABLE, "").strip():
            raise  # a file is named but absent: a key made elsewhere would never be looked at
        del error
    else:
        raise ConfigError(
            f"There is a key already: {found.source}. Nothing was changed.",
            hint="A new key cannot read what the old one encrypted; to change it, rotate.",
        )
    if where == "keyring":
        if not oskeyring.store(generate_key()):
            raise ConfigError(
                "No OS keyring is at hand here.", hint="Use the key file: `flowlib init`."
            )
        return "the OS keyring"
    path = key_file_path()
    keyfile.create(path, generate_key())
    return f"the key file {path}"


def _from_environment() -> FoundKey | None:
    if text := os.environ.get(KEY_VARIABLE, "").strip():
        source = f"the environment variable {KEY_VARIABLE}"
        return FoundKey(parse_key(text, source=source), source, "environment")
    if name := os.environ.get(FILE_VARIABLE, "").strip():
        path = Path(name).expanduser()
        source = f"the file {path} that {FILE_VARIABLE} names"
        key = _read_key_file(path, source)
        if key is None:
            raise KeyMissingError(
                f"{FILE_VARIABLE} names {path}, which does not exist.",
                hint="Create the file with a key that `flowlib secret` prints, mode 0600.",
            )
        return FoundKey(key, source, "environment_file")
    return None


def _from_keyring() -> FoundKey | None:
    text = oskeyring.load()
    if not text:
        return None
    source = "the OS keyring"
    return FoundKey(parse_key(text, source=f"the key in {source}"), source, "keyring")


def _from_user_file() -> FoundKey | None:
    path = key_file_path()
    source = f"the key file {path}"
    key = _read_key_file(path, source)
    return None if key is None else FoundKey(key, source, "file")


def _read_key_file(path: Path, source: str) -> MasterKey | None:
    try:
        # Not blocking, since opening a FIFO would wait for someone to write to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise KeyInvalidError(f"{_sentence(source)} cannot be read: {error.strerror}.") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise KeyInvalidError(f"{_sentence(source)} is not an ordinary file.")
    with open(descriptor, "rb") as file:
        if _exposed(status):
            raise KeyInvalidError(
                f"{_sentence(source)} can be read by other users "
                f"(mode {stat.S_IMODE(status.st_mode):04o}), so it is not used.",
                hint=f"Run `chmod 600 {path}`, and rotate the key if others may have seen it. "
                "For a file mounted by a container platform, set its mode to 0400.",
            )
        try:
            content = file.read(_MAX_FILE_SIZE)
        except OSError as error:
            raise KeyInvalidError(
                f"{_sentence(source)} cannot be read: {error.strerror}."
            ) from None
    return parse_key(content.decode("ascii", "replace"), source=source)


def _exposed(status: os.stat_result) -> bool:
    if os.name != "posix":
        return False  # Windows keeps a user's data folder to the user by its access lists
    if status.st_uid == 0 and os.geteuid() != 0:
        # Container platforms mount secrets as root's and let a process in through its group.
        return bool(status.st_mode & 0o007)
    return bool(status.st_mode & 0o077)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
