"""A small orders API on loopback: pages, a bearer token, and an endpoint that fails at first.

==========================  =====  ==========================================================
``GET /health``             open   ``{"status": "ok"}``
``GET /exchange-rates``     open   units of each currency for one US dollar
``GET /orders``             token  ``page`` and ``per_page`` (at most 1000); a Link header
``GET /customers/{id}``     token  503 at the first request for every fifth customer
``GET /redirect?to=URL``    open   302, to see where a credential does not follow
``GET /slow?seconds=N``     open   answers late, to see timeouts
==========================  =====  ==========================================================
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hmac
import json
import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from ..models.secret import Secret

MAX_PER_PAGE = 1000
_RATES = {"USD": 1.0, "EUR": 0.92, "GBP": 0.79}
_COUNTRIES = {"USD": "US", "EUR": "DE", "GBP": "GB"}
_CURRENCIES = ("USD", "USD", "EUR", "GBP")
_FIRST_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Edith", "Finn", "Grace", "Hugo", "Iris", "Jonas")
_LAST_NAMES = ("Adler", "Brook", "Castle", "Dorn", "Ember", "Field", "Grove")
_FLAKY_EVERY = 5
_MAX_SLOW_SECONDS = 60.0
_MAX_DIGITS = 9


@lru_cache(maxsize=1)
def orders() -> tuple[dict[str, Any], ...]:
    """All orders, by ``order_id``."""
    packed = files(__package__).joinpath("data/cdnow_orders.csv.gz").read_bytes()
    rows = csv.DictReader(gzip.decompress(packed).decode("ascii").splitlines())
    return tuple(
        {
            "order_id": int(row["order_id"]),
            "customer_id": int(row["customer_id"]),
            "date": row["date"],
            "quantity": int(row["quantity"]),
            "amount": float(row["amount"]),
            "currency": _currency(int(row["customer_id"])),
            "status": _status(int(row["order_id"])),
        }
        for row in rows
    )


@lru_cache(maxsize=1)
def customers() -> dict[int, dict[str, Any]]:
    """All customers, by ``customer_id``."""
    found: dict[int, dict[str, Any]] = {}
    for order in orders():
        number = order["customer_id"]
        earlier = found.get(number, order).get("first_order", order["date"])
        found[number] = {
            "customer_id": number,
            "name": f"{_FIRST_NAMES[number % 10]} {_LAST_NAMES[number % 7]}",
            "country": _COUNTRIES[_currency(number)],
            "segment": ("home", "business", "school")[number % 3],
            "first_order": min(order["date"], earlier),
        }
    return found


class _Server(ThreadingHTTPServer):
    # With the default of 5, a burst of connections waits a second or more to be accepted.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up, which is what a timeout does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class OrdersApi:
    """The API, served from a thread of this process.

    Parameters
    ----------
    token : str
        What ``Authorization: Bearer`` must hold.
    latency : float, optional
        Seconds by which every answer is late.
    port : int, optional
        0 takes a free one.

    Examples
    --------
    >>> with OrdersApi("a-token") as api:  # doctest: +SKIP
    ...     print(api.url)
    """

    def __init__(self, token: str, *, latency: float = 0.0, port: int = 0) -> None:
        self._token = Secret(token)
        self._latency = latency
        self._failed_once: set[int] = set()
        self._lock = threading.Lock()
        self._in_flight = 0
        self.requests: Counter[str] = Counter()
        self.most_at_once = 0
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> OrdersApi:
        """Begin to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> OrdersApi:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<OrdersApi {self.url}>"

    def is_authorized(self, header: str) -> bool:
        """Whether an ``Authorization`` header holds the token."""
        wanted = f"Bearer {self._token.reveal()}"
        return hmac.compare_digest(header.encode("latin-1", "replace"), wanted.encode())

    def fails_now(self, customer: int) -> bool:
        """Whether this request for a customer is the first of one that fails at first."""
        with self._lock:
            if customer % _FLAKY_EVERY or customer in self._failed_once:
                return False
            self._failed_once.add(customer)
            return True

    def begin(self, path: str) -> None:
        """Count a request that came in."""
        with self._lock:
            self.requests[path] += 1
            self._in_flight += 1
            self.most_at_once = max(self.most_at_once, self._in_flight)
        if self._latency:
            time.sleep(self._latency)

    def end(self) -> None:
        """Count a request as answered."""
        with self._lock:
            self._in_flight -= 1


class _RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def _handler(api: OrdersApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one packet: two would wait for each other (Nagle's algorithm).
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            named = parse_qs(parts.query, keep_blank_values=True)
            query = {name: values[-1] for name, values in named.items()}
            api.begin(parts.path)
            try:
                body, headers = self._answer(parts.path, query)
                status = 200
            except _RefusedError as refused:
                status, headers = refused.status, refused.headers
                body = {"error": str(refused)}
            finally:
                api.end()
            self._send(status, body, headers)

        def _answer(self, path: str, query: dict[str, str]) -> tuple[Any, dict[str, str]]:
            if path == "/health":
                return {"status": "ok"}, {}
            if path == "/exchange-rates":
                return {"base": "USD", "rates": _RATES}, {}
            if path == "/redirect":
                raise _RefusedError(302, "elsewhere", {"Location": _location(query)})
            if path == "/slow":
                time.sleep(_seconds(query))
                return {"status": "ok"}, {}
            if not api.is_authorized(self.headers.get("Authorization", "")):
                raise _RefusedError(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
            if path == "/orders":
                return _page(api.url, query)
            kind, _, number = path.removeprefix("/").partition("/")
            if kind == "customers" and number.isdecimal() and len(number) <= _MAX_DIGITS:
                return _customer(api, int(number)), {}
            raise _RefusedError(404, f"there is no {path}")

        def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet: standard error belongs to whoever runs the demo."""

    return Handler


def _page(url: str, query: dict[str, str]) -> tuple[Any, dict[str, str]]:
    page, per_page = _number(query, "page", 1), _number(query, "per_page", 100)
    if per_page > MAX_PER_PAGE:
        raise _RefusedError(400, f"per_page is at most {MAX_PER_PAGE}")
    total = len(orders())
    pages = -(-total // per_page)
    shown = orders()[(page - 1) * per_page : page * per_page]
    neighbours = {"first": 1, "prev": page - 1, "next": page + 1, "last": pages}
    links = ", ".join(
        f'<{url}/orders?{urlencode({"page": number, "per_page": per_page})}>; rel="{name}"'
        for name, number in neighbours.items()
        if 1 <= number <= pages and number != page
    )
    body = {"orders": shown, "page": page, "pages": pages, "total": total}
    return body, {"Link": links} if links else {}


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or len(text) > _MAX_DIGITS or int(text) < 1:
        raise _RefusedError(400, f"{name} must be a positive number")
    return int(text)


def _seconds(query: dict[str, str]) -> float:
    try:
        seconds = float(query.get("seconds", "1"))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _MAX_SLOW_SECONDS:
        raise _RefusedError(400, f"seconds must be a number from 0 to {_MAX_SLOW_SECONDS:g}")
    return seconds


def _location(query: dict[str, str]) -> str:
    # Quoted, so that a line break in it does not begin another header.
    return quote(query.get("to", "/health"), safe="/:?#[]@!$&'()*+,;=%~")


def _customer(api: OrdersApi, number: int) -> dict[str, Any]:
    if number not in customers():
        raise _RefusedError(404, f"there is no customer {number}")
    if api.fails_now(number):
        raise _RefusedError(503, "try again", {"Retry-After": "0"})
    return customers()[number]


def _currency(customer: int) -> str:
    return _CURRENCIES[customer % len(_CURRENCIES)]


def _status(order: int) -> str:
    if order % 17 == 0:
        return "refunded"
    return "cancelled" if order % 29 == 0 else "paid"


def main() -> None:
    """Serve until a signal comes; prints the address first."""
    parser = argparse.ArgumentParser(prog="python -m flowlib_nb.demo.orders_api")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--token-env", required=True, metavar="VAR", help="the variable that holds the token"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when standard input ends, too"
    )
    arguments = parser.parse_args()
    token = os.environ.get(arguments.token_env)
    if not token:
        parser.error(f"the environment variable {arguments.token_env} is not set")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if arguments.until_stdin_closes:
        threading.Thread(target=_wait_for_stdin, args=(stopped,), daemon=True).start()
    with OrdersApi(token, port=arguments.port) as api:
        print(api.url, flush=True)
        while not stopped.wait(0.5):  # a wait without an end hears no Ctrl+C on Windows
            pass
    sys.exit(0)


def _wait_for_stdin(stopped: threading.Event) -> None:
    # Not through sys.stdin, whose lock this thread would hold while the interpreter ends.
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass  # closed before it could be read
    stopped.set()


if __name__ == "__main__":
    main()
