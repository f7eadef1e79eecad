"""The vault: credentials by name, encrypted in the workspace's file."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from traitlets import Unicode
from traitlets.config import Configurable

from ..config import Workspace
from ..errors import (
    CredentialNotFoundError,
    InputError,
    VaultTamperedError,
    WrongKeyError,
)
from ..models.hosts import parse_hosts
from . import file, highwater
from .envelope import NotAuthenticError, any_matches, file_mac, key_check, seal, unseal
from .keys import FoundKey, MasterKey, find_key, parse_key, previous_keys

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


class Vault(Configurable):
    """Credentials, encrypted with AES-256-GCM in a file.

    Every call reads the file anew, so that what another kernel, the server or the command line
    stores is seen at once. Use :meth:`open`.
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
        return vault

    def names(self) -> list[str]:
        """The credentials' names, sorted. Needs no key, and without one is not authenticated."""
        return sorted(self._read().credentials)

    def __contains__(self, name: object) -> bool:
        """Whether there is a credential of that name."""
        return name in self._read().credentials

    def info(self, name: str) -> CredentialInfo:
        """What may be shown of a credential.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        """
        content = self._read()
        return _info(name, self._entry(content, name))

    def infos(self) -> list[CredentialInfo]:
        """What may be shown of all credentials, by name."""
        content = self._read()
        return [_info(name, content.credentials[name]) for name in sorted(content.credentials)]

    def get(self, name: str) -> Credential:
        """Decrypt a credential.

        Returns
        -------
        Credential
            A secret field gives its plaintext only through ``reveal()``.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        KeyMissingError, WrongKeyError
            There is no key, or not the vault's.
        VaultTamperedError
            The file was changed by something else.
        """
        return self.get_with_hosts(name)[0]

    def get_with_hosts(self, name: str) -> tuple[Credential, tuple[str, ...]]:
        """Decrypt a credential, together with the hosts that its seal authenticates.

        Reading the hosts by :meth:`info` instead would trust what may have been edited.
        """
        from ..models.credential import parse_credential

        found = self._key()
        content = self._read()
        entry = self._entry(content, name)
        key = self._usable_keys(content, found).get(entry.key)
        if key is None:
            raise _wrong_key(self.path, found)
        self._check_age(content)
        try:
            fields = unseal(key, entry.binding(content.vault_id, name), entry.sealed)
        except NotAuthenticError:
            raise self._tampered(f"the credential {name!r} does not match its seal") from None
        return parse_credential({"type": entry.type, **fields}), entry.hosts

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
            Where it may be sent; none means nowhere.

        Raises
        ------
        InputError
            The name, the fields or the hosts are wrong; nothing was stored.
        KeyMissingError, WrongKeyError, VaultTamperedError, VaultLockedError, VaultError
            Nothing was stored.
        """
        from ..models.credential import check_name, parse_credential, to_plain

        check_name(name)
        parsed = parse_credential(credential)
        del credential
        allowed = _hosts(hosts)
        found = self._key()
        with file.locked(self._prepared_path()):
            content = self._read_authentic(found)
            old = content.credentials.get(name)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            entry = file.Entry(
                id=old.id if old else str(uuid4()),
                type=parsed.type,
                key=found.key.id,
                revision=old.revision + 1 if old else 1,
                created_at=old.created_at if old else now,
                updated_at=now,
                hosts=allowed,
                sealed=_NOT_SEALED,
            )
            sealed = seal(found.key, entry.binding(content.vault_id, name), to_plain(parsed))
            entry = replace(entry, sealed=sealed)
            self._write(content, {**content.credentials, name: entry}, found)
        return _info(name, entry)

    def delete(self, name: str) -> None:
        """Remove a credential.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        """
        found = self._key()
        with file.locked(self._prepared_path()):
            content = self._read_authentic(found)
            self._entry(content, name)
            left = {other: e for other, e in content.credentials.items() if other != name}
            self._write(content, left, found)

    def rename(self, name: str, new_name: str) -> None:
        """Give a credential another name.

        Raises
        ------
        CredentialNotFoundError
            There is none of that name.
        InputError
            The new name is taken, or cannot be one.
        """
        from ..models.credential import check_name

        check_name(new_name)
        found = self._key()
        with file.locked(self._prepared_path()):
            content = self._read_authentic(found)
            entry = self._entry(content, name)
            if new_name in content.credentials:
                raise InputError(f"There is a credential {new_name!r} already.")
            key = self._usable_keys(content, found).get(entry.key)
            if key is None:
                raise _wrong_key(self.path, found)
            try:
                fields = unseal(key, entry.binding(content.vault_id, name), entry.sealed)
            except NotAuthenticError:
                raise self._tampered(f"{name!r} does not match its seal") from None
            # The name is part of the seal, so the credential is sealed anew.
            moved = replace(
                entry,
                key=found.key.id,
                revision=entry.revision + 1,
                updated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            sealed = seal(found.key, moved.binding(content.vault_id, new_name), fields)
            rest = {other: e for other, e in content.credentials.items() if other != name}
            self._write(content, {**rest, new_name: replace(moved, sealed=sealed)}, found)

    def accept(self) -> int:
        """Accept the file as it is although a later revision was seen: it was restored on purpose.

        Returns
        -------
        int
            Its revision.
        """
        found = self._key()
        content = self._read_authentic(found, any_age=True)
        highwater.remember(content.vault_id, content.revision, lower=True)
        return content.revision

    def require_key(self) -> None:
        """Make sure that credentials can be stored, before anyone is asked for their values.

        Raises
        ------
        KeyMissingError, KeyInvalidError, WrongKeyError, VaultTamperedError
            They cannot.
        """
        self._read_authentic(self._key())

    def __repr__(self) -> str:
        """Show where the vault lies."""
        return f"<Vault {self.path}>"

    def _key(self) -> FoundKey:
        if self._given_key is not None:
            return FoundKey(self._given_key, "the key given to Vault.open", "argument")
        return find_key()

    def _prepared_path(self) -> Path:
        path = Path(self.path)
        if path.parent.name == ".flowlib":
            Workspace(path.parent.parent).ensure()
        else:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _read(self) -> file.Content:
        content = file.read(Path(self.path))
        return content or file.Content(str(uuid4()), 1, {}, {})

    def _entry(self, content: file.Content, name: str) -> file.Entry:
        entry = content.credentials.get(name)
        if entry is None:
            close = get_close_matches(str(name), content.credentials, n=1)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise CredentialNotFoundError(
                f"The vault has no credential {name!r}.",
                hint=f"{hint}Store it with `%flowlib_secret set {name}`.",
            )
        return entry

    def _usable_keys(self, content: file.Content, found: FoundKey) -> dict[str, MasterKey]:
        """The keys at hand that are the vault's, once the whole file is known to be authentic."""
        if not content.keys and not content.credentials and not content.mac:
            return {found.key.id: found.key}  # there is no file yet
        usable: dict[str, MasterKey] = {}
        for key in (found.key, *previous_keys()):
            check = content.keys.get(key.id)
            if check is None:
                continue
            if not hmac.compare_digest(check, key_check(key, content.vault_id)):
                raise self._tampered("the check of its key does not match")
            usable[key.id] = key
        if not usable:
            raise _wrong_key(self.path, found)
        keys = list(usable.values())
        if not any_matches(keys, content.vault_id, content.mac, content.authenticated()):
            raise self._tampered("its authentication code does not match")
        return usable

    def _read_authentic(self, found: FoundKey, *, any_age: bool = False) -> file.Content:
        content = self._read()
        self._usable_keys(content, found)
        if not any_age:
            self._check_age(content)
        return content

    def _check_age(self, content: file.Content) -> None:
        known = highwater.seen(content.vault_id)
        if content.revision < known:
            raise VaultTamperedError(
                f"The vault {self.path} is older than it was: revision {content.revision}, "
                f"but revision {known} has been seen.",
                hint="If you restored it on purpose, run `flowlib vault accept`.",
            )
        highwater.remember(content.vault_id, content.revision)

    def _write(
        self, old: file.Content, credentials: Mapping[str, file.Entry], found: FoundKey
    ) -> None:
        revision = old.revision + 1 if old.mac else 1
        keys = {**old.keys, found.key.id: key_check(found.key, old.vault_id)}
        content = file.Content(old.vault_id, revision, keys, credentials)
        mac = file_mac(found.key, old.vault_id, content.authenticated())
        file.write(Path(self.path), replace(content, mac=mac))
        highwater.remember(old.vault_id, revision)

    def _tampered(self, reason: str) -> VaultTamperedError:
        return VaultTamperedError(
            f"The vault {self.path} was changed by something else: {reason}.",
            hint="Put back a copy that was not changed, from git or a backup.",
        )


_NOT_SEALED = file.Sealed(b"", b"", b"")


def _info(name: str, entry: file.Entry) -> CredentialInfo:
    return CredentialInfo(
        name, entry.type, entry.hosts, entry.revision, entry.created_at, entry.updated_at
    )


def _hosts(hosts: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(pattern) for pattern in parse_hosts(hosts))


def _wrong_key(path: str, found: FoundKey) -> WrongKeyError:
    return WrongKeyError(
        f"The key is not the one that the vault {path} was written with; it came from "
        f"{found.source}.",
        hint="Use the key that the vault was made with; see `%flowlib_secret` for where it is "
        "looked for.",
    )


def _application_config() -> Any:
    """The configuration of the application that runs this process, where there is one."""
    from traitlets.config import Application

    return Application.instance().config if Application.initialized() else None
