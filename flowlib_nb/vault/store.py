"""A vault file that has been read with a key, and the ways to read and to change it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ..config import FOLDER, Workspace
from ..errors import (
    CredentialNotFoundError,
    KeyInvalidError,
    KeyMissingError,
    VaultError,
    WrongKeyError,
)
from . import file, highwater, trust
from .content import Content, Entry
from .envelope import NotAuthenticError, file_mac, key_check, seal, unseal
from .keys import FoundKey, MasterKey, find_key
from .lock import locked
from .parser import tampered

if TYPE_CHECKING:
    from ..models.credential import Credential


@dataclass(frozen=True, slots=True)
class Opened:
    """A vault file, known to be authentic and no older than it was.

    Parameters
    ----------
    path : Path
        The file.
    content : Content
        What it says; empty where there is no file yet.
    found : FoundKey
        The key at hand, with which everything new is encrypted.
    keys : mapping of MasterKey
        By id, those at hand that the vault knows.
    """

    path: Path
    content: Content
    found: FoundKey
    keys: Mapping[str, MasterKey]

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
        key = self.keys.get(entry.key)
        if key is None:
            raise trust.wrong_key(self.path, self.found)
        binding = entry.binding(self.content.vault_id, name)
        try:
            # The plaintext gets no name here: tracebacks may show locals.
            return parse_credential({**unseal(key, binding, entry.sealed), "type": entry.type})
        except NotAuthenticError:
            raise tampered(self.path, f"the credential {name!r} does not match its seal") from None

    def sealed(self, name: str, entry: Entry, credential: Credential) -> Entry:
        """Encrypt a credential with the key at hand.

        Parameters
        ----------
        name : str
            Under which the entry will stand.
        entry : Entry
            All but what is sealed.
        credential : Credential
            Its fields.

        Returns
        -------
        Entry
            Complete.
        """
        from ..models.credential import to_plain

        binding = entry.binding(self.content.vault_id, name)
        return replace(entry, sealed=seal(self.found.key, binding, to_plain(credential)))

    def write(self, credentials: Mapping[str, Entry]) -> None:
        """Write the next revision of the file. Only within :meth:`Store.writing`.

        Parameters
        ----------
        credentials : mapping of Entry
            All that it shall hold.

        Raises
        ------
        VaultLockedError, VaultError
            The file is as it was.
        """
        old, key = self.content, self.found.key
        keys = {**old.keys, key.id: key_check(key, old.vault_id)}
        content = Content(old.vault_id, old.revision + 1, keys, credentials)
        mac = file_mac(key, old.vault_id, content.authenticated())
        file.write(self.path, replace(content, mac=mac), replacing=old)
        # Noted only once it is in place: Store.opened relies on it.
        highwater.remember(content.vault_id, content.revision)


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
            With its source.

        Raises
        ------
        KeyMissingError, KeyInvalidError
            There is none to use.
        """
        if self.given_key is not None:
            return FoundKey(self.given_key, "the key given to Vault.open", "argument")
        return find_key()

    def read(self) -> Content:
        """Read the file without looking whether it is authentic.

        Returns
        -------
        Content
            A new, empty one where there is no file.

        Raises
        ------
        VaultError
            It cannot be read, or is malformed.
        """
        return file.read(self.path) or Content(str(uuid4()), 0, {}, {})

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
        content = self.read()
        known = highwater.seen(content.vault_id)
        if content.revision < known:
            # Perhaps another process has replaced the file since and noted its new revision. It
            # notes only what is already in place, so a second look tells.
            content = self.read()
        keys = trust.usable_keys(self.path, content, found)
        if not content.is_new:
            if content.revision < known:
                raise trust.too_old(self.path, content.revision, known)
            highwater.remember(content.vault_id, content.revision)
        return Opened(self.path, content, found, keys)

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
            return self.read()

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
        with locked(self.path):
            yield self.opened()

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
    entry = content.credentials.get(name)
    if entry is None:
        close = get_close_matches(str(name), content.credentials, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise CredentialNotFoundError(
            f"The vault has no credential {name!r}.",
            hint=f"{hint}Store it with `%flowlib_secret set {name}`.",
        )
    return entry
