"""What is done to a vault as a whole, rather than to one of its credentials."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable
from typing import Literal

from ..errors import BundleError, CredentialInvalidError, InputError
from ..models.hosts import parse_hosts
from ..models.names import check_name
from ..models.secret import Secret
from . import repair, rotation
from .bundle import Carried, check_passphrase, open_bundle, seal_bundle
from .content import Entry
from .keys import MasterKey, parse_key
from .repair import Examination
from .rotation import Rotation
from .store import Opened, Store, entry_of, new_entry

OnConflict = Literal["fail", "skip", "replace"]


class Maintained:
    """Rotates, repairs, accepts, exports and imports; the base of ``Vault``."""

    _given_key: MasterKey | None

    @property
    @abstractmethod
    def _store(self) -> Store: ...

    def rotate(self, key: str | MasterKey | None = None) -> Rotation:
        """Encrypt all credentials anew with a new master key, in one write.

        A process that is killed in the midst leaves a vault that can be read; rotating again
        finishes.

        Parameters
        ----------
        key : str or MasterKey, optional
            The new key. If left out: the current one where some credential is not encrypted with
            it yet, else a fresh one, which takes the current one's place (the user's key file or
            the OS keyring).

        Returns
        -------
        Rotation
            What was done.

        Raises
        ------
        ConfigError
            The current key comes from the environment, where only you can change it.
        KeyMissingError, KeyInvalidError, WrongKeyError
            A key is missing or malformed; nothing was changed.
        VaultError
            There is no vault, or it cannot be written; nothing was changed.
        """
        master = parse_key(key) if isinstance(key, str) else key
        del key
        done = rotation.rotate(self._store, master)
        if master is not None and self._given_key is not None:
            self._given_key = master
        return done

    def forget_old_keys(self) -> int:
        """Remove the older keys from where the current one lies, once no vault needs them.

        Returns
        -------
        int
            How many keys were removed.

        Raises
        ------
        InputError
            This vault, or another one that this user has opened, still needs one of them.
        ConfigError
            The key comes from the environment, where only you can change it.
        KeyMissingError, KeyInvalidError, VaultError
            The vault cannot be read.
        """
        return rotation.forget_old_keys(self._store)

    def examine(self) -> Examination:
        """See what :meth:`repair` would accept; nothing is changed.

        Returns
        -------
        Examination
            Each credential, compared with what this user has last seen of it.

        Raises
        ------
        VaultError
            The file cannot be repaired, or is fine.
        KeyMissingError, KeyInvalidError, WrongKeyError
            A key that the vault needs is missing.
        """
        return repair.examine(self._store)

    def repair(self, examined: Examination, *, drop: Collection[str] = ()) -> None:
        """Take a file whose ``mac`` is broken, after a git merge say, as it is.

        Parameters
        ----------
        examined : Examination
            What :meth:`examine` gave; the file must still be that one.
        drop : collection of str, optional
            Credentials whose value is lost, which are removed.

        Raises
        ------
        InputError
            A credential's value is lost and it is not in ``drop``, or another one is.
        VaultLockedError, VaultError
            The file has changed since, or cannot be written.
        """
        repair.repair(self._store, examined, drop=drop)

    def accept(self) -> int:
        """Accept the file although a later revision was seen: it was restored on purpose.

        Returns
        -------
        int
            Its revision.

        Raises
        ------
        VaultError
            There is no file, or it is not authentic.
        KeyMissingError, KeyInvalidError
            There is no key to tell.
        """
        return repair.accept(self._store)

    def export_bundle(self, passphrase: str | Secret, names: Iterable[str] | None = None) -> bytes:
        """Encrypt credentials under a passphrase, to carry them to another vault.

        Parameters
        ----------
        passphrase : str or Secret
            At least 12 characters; the key is made from it with scrypt.
        names : iterable of str, optional
            Which credentials; all if left out.

        Returns
        -------
        bytes
            A file's content.

        Raises
        ------
        InputError
            The passphrase is too short, or there is nothing to export.
        CredentialNotFoundError
            There is none of a name.
        KeyMissingError, KeyInvalidError, VaultError
            The vault cannot be read.
        """
        hidden = _hidden(passphrase)
        del passphrase  # verbose tracebacks show the arguments of the frames they pass
        check_passphrase(hidden)
        opened = self._store.opened()
        chosen = sorted(opened.content.credentials if names is None else set(names))
        if not chosen:
            raise InputError("There is no credential to export.")
        return seal_bundle({name: _carried(opened, name) for name in chosen}, hidden)

    def import_bundle(
        self, raw: bytes, passphrase: str | Secret, *, on_conflict: OnConflict = "fail"
    ) -> list[str]:
        """Store the credentials of a bundle: all of them, in one write, or none.

        Parameters
        ----------
        raw : bytes
            What :meth:`export_bundle` gave.
        passphrase : str or Secret
            The one that it was made with.
        on_conflict : str, optional
            For names that the vault has already: ``fail``, ``skip`` them, or ``replace`` those in
            the vault.

        Returns
        -------
        list of str
            The names that were stored.

        Raises
        ------
        BundleError
            It is no bundle, the passphrase is wrong, or it was changed.
        InputError
            The vault has one of the names already.
        KeyMissingError, KeyInvalidError, VaultError
            The vault cannot be read or written.
        """
        hidden = _hidden(passphrase)
        del passphrase
        self._store.key()  # before the time that the passphrase costs
        credentials = open_bundle(raw, hidden)
        with self._store.writing() as opened:
            taken = sorted(credentials.keys() & opened.content.credentials.keys())
            if taken and on_conflict == "fail":
                raise InputError(
                    f"The vault has {', '.join(map(repr, taken))} already; nothing was imported.",
                    hint="Skip these, or replace the vault's: --on-conflict skip or replace.",
                )
            skipped = taken if on_conflict == "skip" else ()
            chosen = [name for name in credentials if name not in skipped]
            added = {name: _entry(opened, name, credentials[name]) for name in chosen}
            if added:
                opened.write({**opened.content.credentials, **added})
        return sorted(added)


def _hidden(passphrase: str | Secret) -> Secret:
    try:
        return passphrase if isinstance(passphrase, Secret) else Secret(passphrase)
    except (ValueError, TypeError):
        pass
    finally:
        del passphrase
    raise InputError("The passphrase is not text.")


def _carried(opened: Opened, name: str) -> Carried:
    entry = entry_of(opened.content, name)
    return Carried(entry.type, entry.hosts, opened.unsealed(name, entry))


def _entry(opened: Opened, name: str, carried: Carried) -> Entry:
    from ..models.credential import parse_credential, to_plain

    try:
        check_name(name)
        hosts = tuple(str(pattern) for pattern in parse_hosts(carried.hosts))
        credential = parse_credential({**carried.fields, "type": carried.type})
    except (InputError, CredentialInvalidError) as error:
        reason = error.message
    else:
        entry = new_entry(opened, name, credential.type, hosts)
        return opened.sealed(name, entry, lambda: to_plain(credential))
    raise BundleError(f"The bundle's credential {name!r} is not valid. {reason}")
