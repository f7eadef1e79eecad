"""The demo's API: its data, its endpoints, its counters, and how it runs as a process."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import httpx2
import pytest

from flowlib_nb.demo.orders_api import OrdersApi

TOKEN = "token-for-tests-5up3r"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
TOTAL = 6919


@pytest.fixture
def api() -> Iterator[OrdersApi]:
    with OrdersApi(TOKEN) as api:
        yield api


@pytest.fixture
def client(api: OrdersApi) -> Iterator[httpx2.Client]:
    with _client(api.url, headers=AUTHORIZED) as client:
        yield client


@pytest.fixture
def anyone(api: OrdersApi) -> Iterator[httpx2.Client]:
    with _client(api.url) as client:
        yield client


def _client(url: str, **options: Any) -> httpx2.Client:
    return httpx2.Client(base_url=url, trust_env=False, timeout=10, **options)


def _packed() -> bytes:
    return files("flowlib_nb.demo").joinpath("data/cdnow_orders.csv.gz").read_bytes()


def _shipped() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(_packed()).decode("ascii"))))


def _values(order: dict[str, Any]) -> tuple[str | float, ...]:
    numbers = ("order_id", "customer_id", "quantity", "amount")
    return order["date"], *(float(order[name]) for name in numbers)


def _address(api: OrdersApi) -> tuple[str, int]:
    return "127.0.0.1", int(api.url.rpartition(":")[2])


def _links(response: httpx2.Response) -> dict[str, str]:
    found = re.findall(r'<([^>]+)>; rel="(\w+)"', response.headers.get("Link", ""))
    return {name: url for url, name in found}


def test_data_is_the_whole_sample() -> None:
    rows = _shipped()
    assert list(rows[0]) == ["order_id", "customer_id", "date", "quantity", "amount"]
    assert [int(row["order_id"]) for row in rows] == list(range(1, TOTAL + 1))
    assert len({row["customer_id"] for row in rows}) == 2357
    dates = sorted(row["date"] for row in rows)
    assert (dates[0], dates[-1]) == ("1997-01-01", "1998-06-30")


def test_gzip_header_holds_no_time_and_no_name() -> None:
    assert _packed()[3:8] == bytes(5)


@pytest.mark.parametrize("per_page", [1000, 173])
def test_paging_gives_each_row_once(client: httpx2.Client, per_page: int) -> None:
    got: list[dict[str, Any]] = []
    url: str | None = f"/orders?per_page={per_page}"
    while url:
        response = client.get(url)
        assert response.status_code == 200
        got += response.json()["orders"]
        url = _links(response).get("next")
    assert [_values(order) for order in got] == [_values(row) for row in _shipped()]


def test_first_order(client: httpx2.Client) -> None:
    body = client.get("/orders", params={"per_page": 1}).json()
    order = {"order_id": 1, "customer_id": 1, "date": "1997-01-01", "quantity": 2, "amount": 29.33}
    order |= {"currency": "USD", "status": "paid"}
    assert body == {"orders": [order], "page": 1, "pages": TOTAL, "total": TOTAL}


def test_statuses_and_currencies(client: httpx2.Client) -> None:
    orders = [
        order
        for page in range(1, 8)
        for order in client.get(f"/orders?per_page=1000&page={page}").json()["orders"]
    ]
    statuses = Counter(order["status"] for order in orders)
    assert set(statuses) == {"paid", "refunded", "cancelled"}
    assert statuses["paid"] > 0.85 * TOTAL
    assert {order["currency"] for order in orders} == {"USD", "EUR", "GBP"}
    pairs = {(order["customer_id"], order["currency"]) for order in orders}
    assert len(pairs) == 2357, "a customer pays in one currency"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (1, {"next": 2, "last": 7}),
        (4, {"first": 1, "prev": 3, "next": 5, "last": 7}),
        (7, {"first": 1, "prev": 6}),
    ],
)
def test_link_header(
    api: OrdersApi, client: httpx2.Client, page: int, expected: dict[str, int]
) -> None:
    response = client.get("/orders", params={"page": page, "per_page": 1000})
    assert _links(response) == {
        name: f"{api.url}/orders?page={number}&per_page=1000" for name, number in expected.items()
    }


def test_page_after_the_last_is_empty(client: httpx2.Client) -> None:
    response = client.get("/orders?page=8&per_page=1000")
    assert response.status_code == 200
    assert response.json() == {"orders": [], "page": 8, "pages": 7, "total": TOTAL}
    assert "next" not in _links(response)


@pytest.mark.parametrize(
    "query",
    [
        *(f"page={number}" for number in ("0", "-1", "x", "", "1.5")),
        *(f"per_page={number}" for number in ("0", "1001", "9" * 5000)),
    ],
)
def test_bad_paging_is_refused(client: httpx2.Client, query: str) -> None:
    response = client.get(f"/orders?{query}")
    assert response.status_code == 400
    assert set(response.json()) == {"error"}


@pytest.mark.parametrize("path", ["/orders", "/customers/1"])
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN],
)
def test_wrong_token_is_refused(anyone: httpx2.Client, path: str, header: str | None) -> None:
    response = anyone.get(path, headers={} if header is None else {"Authorization": header})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert set(response.json()) == {"error"}
    assert TOKEN not in response.text


def test_header_outside_ascii_is_refused(anyone: httpx2.Client) -> None:
    header = "Bearer é€".encode()
    assert anyone.get("/orders", headers={b"Authorization": header}).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/exchange-rates"])
def test_open_endpoints(anyone: httpx2.Client, path: str) -> None:
    assert anyone.get(path).status_code == 200


def test_exchange_rates(anyone: httpx2.Client) -> None:
    body = anyone.get("/exchange-rates").json()
    assert body["base"] == "USD"
    assert set(body["rates"]) == {"USD", "EUR", "GBP"}
    assert body["rates"]["USD"] == 1
    assert all(rate > 0 for rate in body["rates"].values())


def test_customer(client: httpx2.Client) -> None:
    body = client.get("/customers/1").json()
    assert list(body) == ["customer_id", "name", "country", "segment", "first_order"]
    assert body["customer_id"] == 1
    assert body["first_order"] == "1997-01-01"
    assert client.get("/customers/1").json() == body


def test_first_orders_are_the_earliest(client: httpx2.Client) -> None:
    earliest: dict[str, str] = {}
    for row in _shipped():
        number = row["customer_id"]
        earliest[number] = min(row["date"], earliest.get(number, row["date"]))
    for number in ("2", "3", "1179", "2356", "2357"):
        assert client.get(f"/customers/{number}").json()["first_order"] == earliest[number]


def test_every_fifth_customer_fails_once_in_each_server(client: httpx2.Client) -> None:
    first = client.get("/customers/10")
    assert first.status_code == 503
    assert first.headers["Retry-After"] == "0"
    assert set(first.json()) == {"error"}
    assert [client.get("/customers/10").status_code for _ in range(2)] == [200, 200]
    assert client.get("/customers/15").status_code == 503
    assert client.get("/customers/11").status_code == 200
    with OrdersApi(TOKEN) as other, _client(other.url, headers=AUTHORIZED) as another:
        assert another.get("/customers/10").status_code == 503


def test_request_without_a_token_does_not_use_up_the_failure(
    anyone: httpx2.Client, client: httpx2.Client
) -> None:
    assert anyone.get("/customers/10").status_code == 401
    assert client.get("/customers/10").status_code == 503


@pytest.mark.parametrize(
    "path",
    [
        *(f"/customers/{number}" for number in ("0", "2358", "2360", "x", "", "9" * 5000)),
        *("/customers", "/nothing", "/echo-headers"),
    ],
)
def test_unknown_is_404(client: httpx2.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert set(response.json()) == {"error"}
    assert TOKEN not in response.text


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("http://example.com/a?b=c%20d", "http://example.com/a?b=c%20d"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("/health", "/health"),
        ("http://example.com/\u20ac", "http://example.com/%E2%82%AC"),
        ("/x\r\nX-Evil: 1", "/x%0D%0AX-Evil:%201"),
    ],
)
def test_redirect(anyone: httpx2.Client, to: str, location: str) -> None:
    response = anyone.get("/redirect", params={"to": to})
    assert response.status_code == 302
    assert response.headers["Location"] == location
    assert "X-Evil" not in response.headers


def test_slow_is_late(anyone: httpx2.Client) -> None:
    started = time.monotonic()
    assert anyone.get("/slow?seconds=0.2").status_code == 200
    assert time.monotonic() - started >= 0.2
    with pytest.raises(httpx2.ReadTimeout):
        anyone.get("/slow?seconds=0.3", timeout=0.05)


def test_client_that_hangs_up_is_no_news(api: OrdersApi, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(_address(api)) as connection:
        connection.sendall(b"GET /slow?seconds=0.2 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        # Closing resets the connection at once.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.4)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seconds", ["x", "", "-1", "nan", "inf", "61"])
def test_bad_seconds_are_refused(anyone: httpx2.Client, seconds: str) -> None:
    assert anyone.get("/slow", params={"seconds": seconds}).status_code == 400


def test_answers_do_not_wait_for_acknowledgements(client: httpx2.Client) -> None:
    client.get("/orders?per_page=1000")
    started = time.monotonic()
    for _ in range(20):
        client.get("/orders?per_page=10")
    assert time.monotonic() - started < 20 * 0.02, "Nagle's algorithm would take 40 ms each"


def test_burst_of_connections_is_accepted_at_once(api: OrdersApi) -> None:
    def ask(_: int) -> bytes:
        with socket.create_connection(_address(api), timeout=10) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return connection.recv(4096)

    started = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(100)))
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert time.monotonic() - started < 0.9, "an overfull backlog costs a second"


def test_requests_are_counted_by_path(
    api: OrdersApi, client: httpx2.Client, anyone: httpx2.Client
) -> None:
    client.get("/orders?page=1")
    client.get("/orders?page=2")
    anyone.get("/orders")
    client.get("/customers/5")
    client.get("/customers/5")
    assert api.requests == {"/orders": 3, "/customers/5": 2}
    assert api.most_at_once == 1


def test_most_at_once_counts_what_is_in_flight() -> None:
    with OrdersApi(TOKEN, latency=0.3) as api, _client(api.url) as client:
        started = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: client.get("/health").status_code, range(6)))
        assert answers == [200] * 6
        assert 0.3 <= time.monotonic() - started < 1.5
        assert api.most_at_once == 6
        assert api.requests["/health"] == 6


def test_token_is_nowhere_to_be_seen(capfd: pytest.CaptureFixture[str]) -> None:
    with OrdersApi(TOKEN) as api, _client(api.url, headers=AUTHORIZED) as client:
        client.get("/orders?per_page=1")
        client.get("/nothing")
        client.post("/orders", json={})
        assert api.url in repr(api)
        assert TOKEN not in repr(api)
        assert TOKEN not in repr(vars(api))
    assert capfd.readouterr() == ("", "")


def _process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flowlib_nb.demo.orders_api", "--token-env", "SHOP", *arguments],
        env=os.environ | {"SHOP": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def _use(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    with _client(url) as client:
        assert client.get("/orders").status_code == 401
        assert client.get("/orders", headers=AUTHORIZED).json()["total"] == TOTAL


@pytest.mark.skipif(sys.platform == "win32", reason="signals end a process at once on Windows")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("more", [(), ("--until-stdin-closes",)])
def test_process_stops_on_a_signal(number: signal.Signals, more: tuple[str, ...]) -> None:
    with _process("--port", "0", *more, stdin=subprocess.PIPE) as process:
        try:
            _use(process)
            process.send_signal(number)
            # Not communicate(), which would close standard input.
            assert process.wait(timeout=10) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_process_stops_when_stdin_closes() -> None:
    with _process("--until-stdin-closes", stdin=subprocess.PIPE) as process:
        try:
            _use(process)
            assert process.communicate(timeout=10) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


def test_process_without_the_flag_outlives_stdin() -> None:
    with _process(stdin=subprocess.DEVNULL) as process:
        try:
            _use(process)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.7)
        finally:
            process.kill()


def test_process_needs_its_token() -> None:
    with _process("--token-env", "NOT_SET_ANYWHERE", stdin=subprocess.DEVNULL) as process:
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output) == (2, "")
    assert "NOT_SET_ANYWHERE" in errors
