"""Makes a run's pooled HTTP connections, and keeps what goes over them out of the logs."""

from __future__ import annotations

import logging
import threading

import httpx2

from .background import THREAD_NAME

_LIBRARY = "httpcore2"


def pooled_transport() -> httpx2.AsyncHTTPTransport:
    """Connections for one run.

    Returns
    -------
    httpx2.AsyncHTTPTransport
        Verifies TLS. Neither proxies nor netrc files of the environment are picked up silently.
    """
    _silence()
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=50)
    return httpx2.AsyncHTTPTransport(limits=limits, trust_env=False)


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
