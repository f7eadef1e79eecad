"""The vault: credentials by name, encrypted in the workspace's file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from traitlets import Unicode
from traitlets.config import Configurable

from ..config import Workspace, resolved
from ..errors import InputError, KeyInvalidError, KeyMissingError, WrongKeyError
from ..models.hosts import parse_hosts
from ..models.names import check_name
from .content import Entry, utc_now
from .keys import MasterKey, parse_key
from .maintenance import Maintained
from .store import Store, entry_of, new_entry

if TYPE_CHECKING:
    from ..models.credential import Credential


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """What may be shown of a credential.

    Parameters
    ----------
    name, type : str
        Of the credential.
    hosts : tuple of str
        Where it may be sent.
    revision : int
        Counts its changes.
    created_at, updated_at : str
        ISO 8601, UTC.
    """

    name: str
    type: str
    hosts: tuple[str, ...]
    revision: int
    created_at: str
    updated_at: str


class Vault(Maintained, Configurable):
    """Credentials, encrypted with AES-256-GCM in a file.

    Every call reads the file anew, so that what another kernel, the server or the command line
    stores is seen at once. Use :meth:`open`.

    Names, types and hosts are not encrypted and can be listed without the vault's key, but then
    nothing vouches for them (:meth:`doubt`). With the vault's key, every call refuses a file that
    was changed.
    """

    path = Unicode(
        "", help="The vault file; the workspace's .flowlib/vault.json if left empty."
    ).tag(config=True)

    def __init__(self, *, key: MasterKey | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._given_key = key

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        key: str | MasterKey | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> Vault:
        """Open a vault; its file is made when the first credential is stored.

        Parameters
        ----------
        path : str or Path, optional
            The file; that of the workspace if left out.
        key : str or MasterKey, optional
            The encryption key; found in the usual places if left out.
        workspace : Workspace, optional
            The one at or above the working directory if left out.

        Returns
        -------
        Vault
            Whether the key fits shows when it is first needed.

        Raises
        ------
        KeyInvalidError
            ``key`` is not a key.
        """
        master = parse_key(key) if isinstance(key, str) else key
        del key
        config = _application_config()
        vault = cls(key=master, config=config) if config is not None else cls(key=master)
        if path is not None:
            vault.path = str(path)
        elif not vault.path:
            vault.path = str((workspace or Workspace.find()).vault_path)
        # Made absolute, so that it stays this file when the working directory changes, and free of
        # links, so that all who use the file use the same lock.
        vault.path = str(resolved(vault.path))
        return vault

    @classmethod
    def configured_by(cls, parent: Configurable) -> Vault:
        """Make the object whose options others open their vaults with.

        Parameters
        ----------
        parent : Configurable
            What belongs to the application: IPython's shell.

        Returns
        -------
        Vault
            Set its ``path`` (``%config Vault.path = …``), and :meth:`open` follows.
        """
        vault = cls(parent=parent)

        def follow(change: Any) -> None:
            config = _application_config()
            if config is not None:
                config.Vault.path = change.new

        vault.observe(follow, "path")
        return vault

    def exists(self) -> bool:
        """Whether there is a file yet."""
        return Path(self.path).exists()

    def names(self) -> list[str]:
        """List the credentials.

        Returns
        -------
        list of str
            Their names, sorted.

        Raises
        ------
        VaultError
            The file cannot be read, or was changed by something else.
        """
        return sorted(self._store.listed().credentials)

    def __contains__(self, name: object) -> bool:
        """Whether there is a credential of that name."""
        return name in self._store.listed().credentials

    def info(self, name: str) -> CredentialInfo:
        """Look up what may be shown of a credential.

        Parameters
        ----------
        name : str
            The credential.

        Returns
        -------
        CredentialInfo
            No secrets.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        VaultError
            The file cannot be read, or was changed by something else.
        """
        return _info(name, entry_of(self._store.listed(), name))

    def infos(self) -> list[CredentialInfo]:
        """Look up what may be shown of all credentials.

        Returns
        -------
        list of CredentialInfo
            By name.

        Raises
        ------
        VaultError
            The file cannot be read, or was changed by something else.
        """
        entries = self._store.listed().credentials
        return [_info(name, entries[name]) for name in sorted(entries)]

    def hosts(self, name: str) -> tuple[str, ...]:
        """Look up where a credential may be sent. Unlike :meth:`info` this needs the key.

        Parameters
        ----------
        name : str
            The credential.

        Returns
        -------
        tuple of str
            Patterns of hosts; empty means nowhere.

        Raises
        ------
        CredentialNotFoundError, KeyMissingError, VaultError
            As :meth:`get`.
        """
        return entry_of(self._store.opened().content, name).hosts

    def get(self, name: str) -> Credential:
        """Decrypt a credential.

        Parameters
        ----------
        name : str
            The credential.

        Returns
        -------
        Credential
            A secret field gives its plaintext only through ``reveal()``.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        KeyMissingError, KeyInvalidError, WrongKeyError
            There is no key, or not the vault's.
        VaultError
            The file cannot be read, or was changed by something else.
        """
        return self.get_with_hosts(name)[0]

    def get_with_hosts(self, name: str) -> tuple[Credential, tuple[str, ...]]:
        """Decrypt a credential, together with the hosts that its seal authenticates.

        Reading the hosts by another call could give those of another revision.

        Parameters
        ----------
        name : str
            The credential.

        Returns
        -------
        Credential
            As from :meth:`get`.
        tuple of str
            As from :meth:`hosts`.

        Raises
        ------
        CredentialNotFoundError, KeyMissingError, KeyInvalidError, VaultError
            As :meth:`get`.
        """
        opened = self._store.opened()
        return opened.credential(name), entry_of(opened.content, name).hosts

    def set(
        self, name: str, credential: Credential | Mapping[str, Any], hosts: Iterable[str] = ()
    ) -> CredentialInfo:
        """Store a credential, new or in place of the one of that name.

        Parameters
        ----------
        name : str
            Letters, digits, dots, dashes and underscores.
        credential : Credential or mapping
            A model, or its ``type`` and fields.
        hosts : iterable of str
            Where it may be sent; none means nowhere, also for one that had hosts before.

        Returns
        -------
        CredentialInfo
            What was stored, without its secrets.

        Raises
        ------
        InputError
            The name, the fields or the hosts are wrong; nothing was stored.
        KeyMissingError, KeyInvalidError, WrongKeyError
            There is no key, or not the vault's; nothing was stored.
        VaultLockedError, VaultError
            The file cannot be written, or was changed by something else; nothing was stored.
        """
        from ..models.credential import parse_credential, to_plain

        check_name(name)
        parsed = parse_credential(credential)
        del credential  # verbose tracebacks show the arguments of the frames they pass
        allowed = tuple(str(pattern) for pattern in parse_hosts(hosts))
        with self._store.writing() as opened:
            entry = new_entry(opened, name, parsed.type, allowed)
            entry = opened.sealed(name, entry, lambda: to_plain(parsed))
            opened.write({**opened.content.credentials, name: entry})
        return _info(name, entry)

    def delete(self, name: str) -> None:
        """Remove a credential.

        Parameters
        ----------
        name : str
            The credential.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        KeyMissingError, KeyInvalidError, VaultError
            As :meth:`set`; nothing was removed.
        """
        with self._store.writing() as opened:
            entry_of(opened.content, name)
            opened.write(_without(opened.content.credentials, name))

    def rename(self, name: str, new_name: str) -> None:
        """Give a credential another name.

        Parameters
        ----------
        name, new_name : str
            The old and the new name.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        InputError
            The new name is taken, or cannot be one.
        KeyMissingError, KeyInvalidError, VaultError
            As :meth:`set`; nothing was renamed.
        """
        check_name(new_name)
        with self._store.writing() as opened:
            credentials = opened.content.credentials
            entry = entry_of(opened.content, name)
            if new_name in credentials:
                raise InputError(f"There is a credential {new_name!r} already.")
            # The name is part of the seal, so the credential is sealed anew.
            moved = msgspec.structs.replace(
                entry, revision=entry.revision + 1, updated_at=utc_now()
            )
            moved = opened.sealed(new_name, moved, lambda: opened.unsealed(name, entry))
            opened.write({**_without(credentials, name), new_name: moved})

    def doubt(self) -> str | None:
        """Say why nothing vouches for what is listed.

        Returns
        -------
        str or None
            A sentence: the key is missing or not the vault's. None where the file is authentic, or
            there is none.

        Raises
        ------
        VaultError
            The file cannot be read, or was changed by something else.
        """
        if not self.exists():
            return None
        try:
            self._store.opened()
        except (KeyMissingError, KeyInvalidError, WrongKeyError) as error:
            return f"Nothing vouches for this list, which anyone may have changed. {error.message}"
        return None

    def require_key(self) -> None:
        """Make sure that credentials can be stored, before anyone is asked for their values.

        Raises
        ------
        KeyMissingError, KeyInvalidError, WrongKeyError, VaultError
            They cannot.
        """
        self._store.opened()

    def __repr__(self) -> str:
        """Show where the vault lies."""
        return f"<Vault {self.path}>"

    @property
    def _store(self) -> Store:
        return Store(Path(self.path), self._given_key)


def _without(entries: Mapping[str, Entry], name: str) -> dict[str, Entry]:
    return {other: entry for other, entry in entries.items() if other != name}


def _info(name: str, entry: Entry) -> CredentialInfo:
    return CredentialInfo(
        name, entry.type, entry.hosts, entry.revision, entry.created_at, entry.updated_at
    )


def _application_config() -> Any:
    """The configuration of the application that runs this process, where there is one."""
    from traitlets.config import Application

    return Application.instance().config if Application.initialized() else None
