"""Makes a run's pooled HTTP connections, and keeps what goes over them out of the logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpcore2
import httpx2

from ..models.hosts import is_loopback
from .actions.http.egress import Egress
from .actions.http.network import CheckedBackend
from .background import THREAD_NAME
from .options.http import HttpOptions, http_options, proxy_login, tls_context

_LIBRARY = "httpcore2"
_MOST = 100
_KEEP_ALIVE_SECONDS = 5.0
# From the more to the less particular.
_ERRORS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (httpcore2.TimeoutException, httpx2.TimeoutException),
    (httpcore2.ConnectError, httpx2.ConnectError),
    (httpcore2.NetworkError, httpx2.NetworkError),
    (httpcore2.ProxyError, httpx2.ProxyError),
    (httpcore2.RemoteProtocolError, httpx2.RemoteProtocolError),
    (httpcore2.ProtocolError, httpx2.ProtocolError),
    (httpcore2.UnsupportedProtocol, httpx2.UnsupportedProtocol),
)


def pooled_transport(options: HttpOptions | None = None) -> httpx2.AsyncBaseTransport:
    """Connections for one run.

    Parameters
    ----------
    options : HttpOptions, optional
        The application's, if left out.

    Returns
    -------
    httpx2.AsyncBaseTransport
        Verifies TLS and refuses addresses by the options. Neither proxies nor netrc files of the
        environment are picked up silently.

    Raises
    ------
    ConfigError
        An option cannot be used.
    """
    transport = PooledTransport(options or http_options())
    _silence()
    return transport


class PooledTransport(httpx2.AsyncBaseTransport):
    """Connections that are kept open and used again.

    httpx2's own transport does not let one say how connections are opened, which is where
    addresses are checked.

    Parameters
    ----------
    options : HttpOptions
        How to reach servers.
    """

    def __init__(self, options: HttpOptions) -> None:
        self._egress = Egress(options.allow_link_local, options.allow_private)
        context = tls_context(options.verify)
        self._direct = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_MOST,
            max_keepalive_connections=_MOST,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
            network_backend=CheckedBackend(self._egress),
        )
        self._proxied: httpcore2.AsyncConnectionPool | None = None
        if options.proxy:
            is_encrypted = options.proxy.startswith("https:")
            self._proxied = httpcore2.AsyncConnectionPool(
                ssl_context=context,
                proxy=httpcore2.Proxy(
                    options.proxy,
                    auth=proxy_login(),
                    ssl_context=context if is_encrypted else None,
                ),
                max_connections=_MOST,
                max_keepalive_connections=_MOST,
                keepalive_expiry=_KEEP_ALIVE_SECONDS,
            )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; its answer's body is read by the caller.

        Raises
        ------
        NodeError
            It would have gone to an address that is refused.
        httpx2.TransportError
            It could not be sent, or not be answered.
        """
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        pool = self._pool(request.url.raw_host.decode("ascii"))
        with _mapped_errors():
            answer = await pool.handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in (self._direct, self._proxied):
            if pool is not None:
                await pool.aclose()

    def _pool(self, host: str) -> httpcore2.AsyncConnectionPool:
        # Credentials go to this machine unencrypted: that must not become the way to the proxy.
        if self._proxied is None or is_loopback(host):
            return self._direct
        self._egress.require_name(host)
        return self._proxied


class _Body(httpx2.AsyncByteStream):
    """An answer's body, as it comes in."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _mapped_errors():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except tuple(theirs for theirs, _ in _ERRORS) as error:
        ours = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
        raise ours(str(error)) from None


class _NotFromEngine(logging.Filter):
    """Drops the library's debug lines about our requests: they hold the answer's headers.

    A server may echo there what it was sent. Whoever debugs requests of their own still sees them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return threading.current_thread().name != THREAD_NAME


_FILTER = _NotFromEngine()


def _silence() -> None:
    # A filter counts on the very logger that a record goes to, not on the ones above it.
    names = [name for name in logging.root.manager.loggerDict if name.startswith(_LIBRARY)]
    for name in names:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)
