"""Tries a credential at the server that it is for."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..models.hosts import HostPattern
from ..vault import Vault
from .actions.base import BoundCredential
from .actions.http.exchange import exchange
from .actions.http.messages import Outgoing
from .background import background
from .connections import pooled_transport

_MAX_BYTES = 4 << 20
_UNREADABLE = ("connection_string", "custom")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a server made of a credential.

    Parameters
    ----------
    is_taken : bool
        Whether nothing speaks against it.
    text : str
        For people.
    """

    is_taken: bool
    text: str


def try_stored(name: str, url: str | None = None) -> Trial:
    """Send a GET request with a credential of the workspace's vault.

    Parameters
    ----------
    name : str
        The credential.
    url : str, optional
        As for :func:`try_credential`.

    Returns
    -------
    Trial
        What the server made of it.

    Raises
    ------
    CredentialNotFoundError, KeyMissingError, VaultError
        It cannot be read.
    InputError, HostNotAllowedError, NodeError
        As :func:`try_credential`.
    """
    return try_credential(BoundCredential(name, *Vault.open().get_with_hosts(name)), url)


def try_credential(credential: BoundCredential, url: str | None = None) -> Trial:
    """Send a GET request with a credential.

    Parameters
    ----------
    credential : BoundCredential
        The credential; it is sent to its hosts only.
    url : str, optional
        Where to; the start page of its first host if left out.

    Returns
    -------
    Trial
        What the server made of it.

    Raises
    ------
    InputError
        It is not one for requests, or there is no address to send it to.
    HostNotAllowedError
        The address is not among its hosts.
    NodeError
        The server cannot be reached.
    """
    kind = credential.credential.type
    if kind in _UNREADABLE:
        raise InputError(f"A credential of type {kind!r} cannot be tried by a request.")
    address = url or _start_page(credential)
    answer = background().start(_status(credential, address)).result()
    shown = f"{address.partition('?')[0]} answered {answer}"
    if answer in (401, 403):
        return Trial(False, f"{shown}: it does not take {credential.name!r}.")
    if answer >= 400:
        what = f"which says nothing about {credential.name!r}; give another address."
        return Trial(False, f"{shown}, {what}")
    return Trial(True, f"{shown}: nothing speaks against {credential.name!r}.")


async def _status(credential: BoundCredential, url: str) -> int:
    transport = pooled_transport()
    try:
        answer = await exchange(
            transport,
            Outgoing("GET", url, (("accept", "*/*"), ("user-agent", "flowlib-nb"))),
            credential,
            max_bytes=_MAX_BYTES,
            raise_for_status=False,
        )
    finally:
        await transport.aclose()
    return answer.status


def _start_page(credential: BoundCredential) -> str:
    for pattern in map(HostPattern.parse, credential.hosts):
        if not pattern.wildcard:
            return f"https://{pattern}/"
    raise InputError(
        f"The credential {credential.name!r} names no single host to try it at.",
        hint="Give an address of the API.",
    )
