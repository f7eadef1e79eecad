"""A vault file that has been read with a key, and the ways to read and to change it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from ..config import FOLDER, Workspace
from ..errors import (
    CredentialNotFoundError,
    KeyInvalidError,
    KeyMissingError,
    VaultError,
    WrongKeyError,
)
from . import file, highwater, trust
from .content import Content, Entry, KeyCheck, encode, signed_parts, utc_now, with_mac
from .envelope import NotAuthenticError, file_mac, key_check, seal, unseal
from .keys import FoundKey, MasterKey, find_key, previous_keys
from .lock import locked
from .parser import MAX_REVISION, parse, tampered
from .trust import Keys

if TYPE_CHECKING:
    from ..models.credential import Credential


@dataclass(frozen=True, slots=True)
class Opened:
    """A vault file, known to be authentic and no older than it was.

    Parameters
    ----------
    path : Path
        The file.
    raw : bytes or None
        Its text; None where there is no file yet.
    content : Content
        What it says.
    found : FoundKey
        The keys at hand; with the first of them everything new is encrypted.
    keys : mapping of MasterKey
        By id, those at hand that the vault knows.
    """

    path: Path
    raw: bytes | None
    content: Content
    found: FoundKey
    keys: Keys

    def credential(self, name: str) -> Credential:
        """Decrypt a credential.

        Parameters
        ----------
        name : str
            The credential.

        Returns
        -------
        Credential
            Its secrets hidden.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        WrongKeyError
            It is encrypted with a key that is not at hand.
        VaultTamperedError
            It does not match its seal.
        """
        from ..models.credential import parse_credential

        entry = entry_of(self.content, name)
        # The plaintext gets no name here: tracebacks may show locals.
        return parse_credential({**self.unsealed(name, entry), "type": entry.type})

    def unsealed(self, name: str, entry: Entry) -> dict[str, Any]:
        """Decrypt an entry's fields, whatever they are.

        Parameters
        ----------
        name : str
            Under which the entry stands.
        entry : Entry
            The entry.

        Returns
        -------
        dict
            In plaintext; do not give it a name, as tracebacks may show locals.

        Raises
        ------
        WrongKeyError
            It is encrypted with a key that is not at hand.
        VaultTamperedError
            It does not match its seal.
        """
        key = self.keys.get(entry.key)
        if key is None:
            raise trust.wrong_key(self.path, self.found)
        try:
            return unseal(key, entry.binding(self.content.vault_id, name), entry.sealed)
        except (NotAuthenticError, ValueError):
            raise tampered(self.path, f"the credential {name!r} does not match its seal") from None

    def sealed(self, name: str, entry: Entry, fields: Callable[[], Mapping[str, Any]]) -> Entry:
        """Encrypt a credential's fields with the key at hand.

        Parameters
        ----------
        name : str
            Under which the entry will stand.
        entry : Entry
            All but what is sealed.
        fields : callable
            Gives them in plaintext, JSON-ready.

        Returns
        -------
        Entry
            Complete.
        """
        entry = msgspec.structs.replace(entry, key=self.found.key.id)
        binding = entry.binding(self.content.vault_id, name)
        return entry.with_sealed(seal(self.found.key, binding, fields))

    def write(
        self,
        credentials: Mapping[str, Entry],
        *,
        revision: int | None = None,
        keys: Mapping[str, KeyCheck] | None = None,
    ) -> None:
        """Write the next revision of the file. Only within :meth:`Store.writing`.

        Parameters
        ----------
        credentials : mapping of Entry
            All that it shall hold.
        revision : int, optional
            The new one; the next if left out.
        keys : mapping of KeyCheck, optional
            Older keys that it shall still name; those that it names if left out.

        Raises
        ------
        VaultLockedError, VaultError
            The file is as it was.
        """
        old, key = self.content, self.found.key
        revision = revision or old.revision + 1
        if revision > MAX_REVISION:
            raise VaultError(f"The vault {self.path} has no revision left to count to.")
        check = KeyCheck(encode(key_check(key, old.vault_id)))
        content = msgspec.structs.replace(
            old,
            revision=revision,
            keys={**(old.keys if keys is None else keys), key.id: check},
            credentials=credentials,
            mac="",
        )
        parts = signed_parts(content.to_text())
        mac = file_mac(key, old.vault_id, parts)
        file.write(self.path, with_mac(parts, mac), replacing=self.raw)
        # Noted only once it is in place: Store.opened relies on it.
        highwater.remember(self.path, msgspec.structs.replace(content, mac=encode(mac)))


@dataclass(frozen=True, slots=True)
class Store:
    """Where a vault lies, and the key if one was given.

    Parameters
    ----------
    path : Path
        The file.
    given_key : MasterKey or None
        None to look for the key in the usual places.
    """

    path: Path
    given_key: MasterKey | None = None

    def key(self) -> FoundKey:
        """Find the key.

        Returns
        -------
        FoundKey
            With its source, and the older ones.

        Raises
        ------
        KeyMissingError, KeyInvalidError
            There is none to use.
        """
        if self.given_key is None:
            return find_key()
        return FoundKey(self.given_key, "the key given to Vault.open", "argument", previous_keys())

    def opened(self) -> Opened:
        """Read the file, and make sure that it is authentic and no older than it was.

        Returns
        -------
        Opened
            Ready to decrypt.

        Raises
        ------
        KeyMissingError, KeyInvalidError, WrongKeyError
            There is no key, or not the vault's.
        VaultError
            The file cannot be read, or was changed by something else.
        """
        found = self.key()
        try:
            opened = self._opened(found)
        except WrongKeyError:
            # Perhaps another process has rotated it since the key was looked for.
            newer = self.key()
            if newer.key == found.key:
                raise
            found, opened = newer, self._opened(newer)
        if opened.content.is_new:
            return opened
        known = highwater.seen(opened.content.vault_id)
        if trust.why_stale(opened.content, known, found):
            # Perhaps another process has replaced the file since and noted its new revision. It
            # notes only what is already in place, so a second look tells.
            opened = self._opened(found)
            if reason := trust.why_stale(opened.content, known, found):
                raise trust.stale(self.path, reason)
        if opened.content.revision > known.revision:
            highwater.remember(self.path, opened.content)
        return opened

    def _opened(self, found: FoundKey) -> Opened:
        raw = file.read(self.path)
        if raw is None:
            fresh = Content.new(str(uuid4()))
            return Opened(self.path, None, fresh, found, {found.key.id: found.key})
        authentic, usable = trust.authenticated(self.path, raw, found)
        return Opened(self.path, raw, authentic, found, usable)

    def listed(self) -> Content:
        """Read the file, authenticated as far as the key at hand allows.

        Returns
        -------
        Content
            Names, types and hosts may be shown, not relied on.

        Raises
        ------
        VaultError
            The file cannot be read, or was changed by something else.
        """
        try:
            return self.opened().content
        except (KeyMissingError, KeyInvalidError, WrongKeyError):
            raw = file.read(self.path)
            return parse(raw, self.path) if raw is not None else Content.new("")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Opened]:
        """Open the file to change it; nobody else does so meanwhile.

        Returns
        -------
        context manager of Opened
            Read under the lock.

        Raises
        ------
        VaultLockedError
            Another process held the lock for too long.
        KeyMissingError, KeyInvalidError, VaultError
            As :meth:`opened`, or the file cannot be written.
        """
        self.key()  # without one, not even the folder is made
        self._make_folder()
        with self.locked():
            yield self.opened()

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the file's lock; its folder must be there."""
        return locked(self.path)

    def _make_folder(self) -> None:
        folder = self.path.parent
        try:
            if folder.name == FOLDER:
                Workspace(folder.parent).ensure()
            else:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise VaultError(f"The folder {folder} cannot be made: {error.strerror}.") from None


def entry_of(content: Content, name: str) -> Entry:
    """Look up a credential's entry.

    Parameters
    ----------
    content : Content
        The file.
    name : str
        The credential.

    Returns
    -------
    Entry
        The entry.

    Raises
    ------
    CredentialNotFoundError
        There is none of that name; the hint has the closest one.
    """
    entry = content.credentials.get(name) if isinstance(name, str) else None
    if entry is None:
        close = get_close_matches(str(name), content.credentials, n=1)
        known = ", ".join(sorted(content.credentials)) or "none"
        raise CredentialNotFoundError(
            f"The vault has no credential {name!r}.",
            hint=f"Did you mean {close[0]!r}?" if close else f"It has: {known}.",
        )
    return entry


def new_entry(opened: Opened, name: str, kind: str, hosts: tuple[str, ...]) -> Entry:
    """An entry without its sealed fields: the next revision of the one of that name, or the first.

    Parameters
    ----------
    opened : Opened
        The vault.
    name, kind : str
        The credential's name and type.
    hosts : tuple of str
        Where it may be sent.

    Returns
    -------
    Entry
        Dated now.
    """
    old = opened.content.credentials.get(name)
    now = utc_now()
    return Entry(
        id=old.id if old else str(uuid4()),
        type=kind,
        key=opened.found.key.id,
        revision=old.revision + 1 if old else 1,
        created_at=old.created_at if old else now,
        updated_at=now,
        hosts=hosts,
    )
