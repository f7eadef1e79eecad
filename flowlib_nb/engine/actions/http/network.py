"""Opens connections to addresses that have been checked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import httpcore2

from ...background import DaemonThreads
from .egress import Egress, parse_address

# RFC 8305, section 5: how long an address has before the next one is tried beside it.
_HEAD_START_SECONDS = 0.25
# A name server that does not answer must neither hold up other work nor the kernel's exit.
_RESOLVERS = DaemonThreads(32)

Stream = httpcore2.AsyncNetworkStream


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves a name once, checks all of its addresses and connects to one of these.

    TLS and the ``Host`` header still go by the name: they are made above this.

    Parameters
    ----------
    egress : Egress
        Which addresses are fine.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> Stream:
        """Connect.

        Raises
        ------
        NodeError
            One of the addresses is refused: a name that is partly fine is not trusted.
        httpcore2.ConnectError, httpcore2.ConnectTimeout
            There is nobody to talk to.
        """

        async def connect(address: str) -> Stream:
            return await self._sockets.connect_tcp(
                address, port, local_address=local_address, socket_options=socket_options
            )

        self._egress.require_name(host)
        try:
            async with asyncio.timeout(timeout):
                addresses = await _addresses(host, port)
                for text in addresses:
                    address = parse_address(text)
                    if address is not None:
                        self._egress.require_address(host, address)
                return await _first_connected(connect, addresses)
        except TimeoutError:
            pass
        raise httpcore2.ConnectTimeout("it could not be connected to in time")


async def _addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of a host in the order in which the system wants them tried."""
    if parse_address(host) is not None:
        return (host,)
    try:
        found = await asyncio.wrap_future(_RESOLVERS.submit(_resolve, host, port))
    except (OSError, UnicodeError):
        found = ()
    if not found:
        raise httpcore2.ConnectError("there is no such name")
    return found


def _resolve(host: str, port: int) -> tuple[str, ...]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    known = (socket.AF_INET, socket.AF_INET6)
    return tuple(dict.fromkeys(str(where[0]) for family, *_, where in found if family in known))


async def _first_connected(
    connect: Callable[[str], Coroutine[Any, Any, Stream]], addresses: Sequence[str]
) -> Stream:
    """Connect to the first address that answers, later ones starting a little later."""
    waiting = list(addresses)
    running: set[asyncio.Task[Stream]] = set()
    failure: BaseException | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(connect(waiting.pop(0))))
            head_start = _HEAD_START_SECONDS if waiting else None
            done, _ = await asyncio.wait(
                running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                running.remove(task)
                failure = task.exception()
                if failure is None:
                    return task.result()
        assert failure is not None  # there is at least one address
        raise failure
    finally:
        await _abandon(running)


async def _abandon(tasks: Iterable[asyncio.Task[Stream]]) -> None:
    for task in tasks:
        task.cancel()
    for late in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(late, BaseException):
            with contextlib.suppress(Exception):
                await late.aclose()
