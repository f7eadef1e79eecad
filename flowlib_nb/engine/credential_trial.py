"""Tries a credential at the server that it is for."""

from __future__ import annotations

from ..errors import InputError
from ..models.hosts import HostPattern
from .actions.base import BoundCredential
from .actions.http.exchange import exchange
from .actions.http.messages import Outgoing
from .background import background
from .connections import pooled_transport

_MAX_BYTES = 4 << 20
_UNREADABLE = ("connection_string", "custom")


def try_credential(credential: BoundCredential, url: str | None = None) -> str:
    """Send a GET request with a credential.

    Parameters
    ----------
    credential : BoundCredential
        The credential; it is sent to its hosts only.
    url : str, optional
        Where to; the start page of its first host if left out.

    Returns
    -------
    str
        What the server made of it, for people.

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
        return f"{shown}: it does not take {credential.name!r}."
    if answer >= 400:
        return f"{shown}, which says nothing about {credential.name!r}; give another address."
    return f"{shown}: nothing speaks against {credential.name!r}."


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
