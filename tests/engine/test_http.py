"""``http.request`` against real servers."""

from __future__ import annotations

import base64
import gzip
import html
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

import flowlib_nb as fl
from flowlib_nb.demo.orders_api import OrdersApi, orders
from flowlib_nb.vault import Vault


@contextmanager
def server(answer: object) -> Iterator[tuple[str, list[BaseHTTPRequestHandler]]]:
    """A server whose answers ``answer(handler) -> (status, headers, body)`` decides."""
    seen: list = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self.body = self.rfile.read(length)
            seen.append(self)
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

        def log_message(self, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", seen
    finally:
        running.shutdown()
        running.server_close()


def json_answer(value: object) -> tuple[int, dict, bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def request(node: str, inputs: dict | None = None) -> fl.Run:
    return fl.Flow.from_yaml(f"nodes:\n  call:\n    uses: http.request\n{node}").run(
        inputs or {}, functions={}
    )


def test_pages_are_followed_and_joined(shop: Vault, api: OrdersApi) -> None:
    result = request(f"""
    credential: shop
    with:
      url: {api.url}/orders
      query: {{per_page: 700}}
      paginate: {{items: orders}}
""")
    assert [o["order_id"] for o in result.output["body"]] == [o["order_id"] for o in orders()]
    assert api.requests["/orders"] == 10


def test_pages_by_number() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
        page = int(handler.path.rpartition("=")[2])
        return json_answer([page] if page < 3 else [])

    with server(answer) as (url, _):
        result = request(f"    with: {{url: {url}, paginate: {{by: page, first: 0}}}}")
    assert result.output["body"] == [0, 1, 2]


def test_too_many_pages_is_an_error() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
        return json_answer([1])

    with server(answer) as (url, _):
        result = request(f"    with: {{url: {url}, paginate: {{by: page, max_pages: 3}}}}")
    assert "more than 3 pages" in str(result.error)


def test_flaky_answers_are_tried_again(shop: Vault, api: OrdersApi) -> None:
    node = f"""
    credential: shop
    retry: {{attempts: 2, backoff: 0}}
    with: {{url: {api.url}/customers/5}}
"""
    result = request(node)
    assert result.output["body"]["customer_id"] == 5
    assert result.trace["attempt"].tolist() == [2]


def test_requests_are_what_the_flow_says() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
        return json_answer({"ok": True})

    with server(answer) as (url, seen):
        request(f"""
    with:
      url: "{url}/a?x=1&keep=2"
      method: post
      query: {{x: [3, 4], none: null, flag: true}}
      headers: {{X-Thing: one, X-None: null}}
      json: {{n: "{{{{ 1 + 1 }}}}", deep: [null]}}
""").raise_for_status()
        request(f"    with: {{url: {url}, method: PUT, form: {{a: 1, b: x y}}}}").raise_for_status()
        request(f"    with: {{url: {url}, method: PATCH, body: hé}}").raise_for_status()
    first, second, third = seen
    assert (first.command, first.path) == ("POST", "/a?keep=2&x=3&x=4&flag=true")
    assert json.loads(first.body) == {"n": 2, "deep": [None]}
    assert first.headers["X-Thing"] == "one"
    assert first.headers["X-None"] is None
    assert first.headers["Content-Type"] == "application/json"
    assert second.body == b"a=1&b=x+y"
    assert third.body == "hé".encode()


@pytest.mark.parametrize(
    ("headers", "body", "kind", "value"),
    [
        ({"Content-Type": "application/json"}, b'{"a": 12345678901234567890}', "auto",
         {"a": 12345678901234567890}),
        ({"Content-Type": "application/vnd.x+json; charset=utf-8"}, b"[]", "auto", []),
        ({"Content-Type": "text/plain; charset=latin-1"}, "é".encode("latin-1"), "auto", "é"),
        ({"Content-Type": "application/octet-stream"}, b"\xff", "auto", b"\xff"),
        ({}, b'{"a": 1}', "json", {"a": 1}),
        ({"Content-Type": "application/json"}, b"", "auto", None),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzip.compress(b"[1]"),
         "auto", [1]),
    ],
)  # fmt: skip
def test_answers_are_read_by_their_type(
    headers: dict, body: bytes, kind: str, value: object
) -> None:
    with server(lambda _: (200, headers, body)) as (url, _):
        assert request(f"    with: {{url: {url}, response: {kind}}}").output["body"] == value


def test_statuses_fail_unless_told_otherwise() -> None:
    with server(lambda _: (404, {}, b"no such thing")) as (url, _):
        failed = request(f"    with: {{url: {url}/x?q=1}}")
        fine = request(f"    with: {{url: {url}, raise_for_status: false}}")
    assert "404 Not Found: no such thing" in str(failed.error)
    assert "q=1" not in str(failed.error)
    assert failed.error.position.line == 2
    assert fine.output["status"] == 404


def test_a_body_that_is_no_json_says_so() -> None:
    with server(lambda _: (200, {"Content-Type": "application/json"}, b"<html>")) as (url, _):
        assert "is not JSON" in str(request(f"    with: {{url: {url}}}").error)


def test_an_unreachable_host_is_one_clear_message() -> None:
    error = request("    with: {url: 'http://127.0.0.1:9/x'}").error
    assert "could not reach http://127.0.0.1:9" in str(error)
    assert "Traceback" not in str(error)
    assert "could not reach" in str(request("    with: {url: 'http://nowhere.invalid/'}").error)


@pytest.mark.parametrize(
    "url",
    ["ftp://a.b/", "file:///etc/passwd", "//a.b", "http://u:p@a.b/", "http://a.b\\@c.d/", "x"],
)
def test_odd_addresses_are_refused(url: str) -> None:
    result = request(f"    with: {{url: '{url}'}}")
    assert result.status == "failed"
    assert "Unexpected" not in str(result.error)


def test_large_answers_are_cut_off_also_when_compressed() -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    with server(lambda _: (200, {"Content-Encoding": "gzip"}, bomb)) as (url, _):
        result = request(f"    with: {{url: {url}, max_response_bytes: 1000000}}")
    assert "more than 1,000,000 bytes" in str(result.error)


def test_redirects_are_followed() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
        if handler.path == "/end":
            return json_answer({"method": handler.command})
        return 302, {"Location": "/end"}, b""

    with server(answer) as (url, _):
        result = request(f"    with: {{url: {url}/start, method: POST, json: {{}}}}")
    assert result.output["body"] == {"method": "GET"}
    assert result.output["url"] == f"{url}/end"


def test_endless_redirects_end() -> None:
    with server(lambda _: (302, {"Location": "/"}, b"")) as (url, _):
        assert "redirects" in str(request(f"    with: {{url: {url}}}").error)


def test_headers_of_the_author_stay_with_their_server() -> None:
    with server(lambda _: json_answer(1)) as (other, seen):

        def away(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
            return 307, {"Location": f"{other}/there"}, b""

        with server(away) as (url, _):
            request(
                f"    with: {{url: {url}, headers: {{Authorization: mine, Cookie: c=1, X-A: b}}}}"
            )
    (arrived,) = seen
    assert arrived.headers["Authorization"] is None
    assert arrived.headers["Cookie"] is None
    assert arrived.headers["X-A"] == "b"


def test_cookies_do_not_travel_between_nodes() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
        return 200, {"Set-Cookie": "session=1", "Content-Type": "text/plain"}, b""

    with server(answer) as (url, seen):
        fl.Flow.from_yaml(
            f"nodes: {{a: {{uses: http.request, with: {{url: {url}}}}}, "
            f"b: {{uses: http.request, needs: a, with: {{url: {url}}}}}}}"
        ).run().raise_for_status()
    assert seen[1].headers["Cookie"] is None


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with server(lambda _: json_answer(1)) as (url, _):
        assert request(f"    with: {{url: {url}}}").status == "success"


class TestCredentials:
    def test_missing_from_the_request_is_401(self, api: OrdersApi) -> None:
        error = request(f"    with: {{url: {api.url}/orders}}").error
        assert "401" in str(error)
        assert "credential:" in str(error)

    def test_goes_to_its_hosts_only(self, workspace: object, key: str, token: str) -> None:
        Vault.open().set("c", {"type": "bearer", "token": token}, hosts=["api.example.com"])
        with server(lambda _: json_answer(1)) as (url, seen):
            error = request(f"    credential: c\n    with: {{url: {url}}}").error
        assert isinstance(error, fl.HostNotAllowedError)
        assert "127.0.0.1" in str(error)
        assert token not in str(error)
        assert seen == []

    def test_does_not_follow_a_redirect_to_another_host(
        self, workspace: object, key: str, token: str
    ) -> None:
        with server(lambda _: json_answer(1)) as (other, seen):

            def away(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
                return 302, {"Location": other.replace("127.0.0.1", "localhost")}, b""

            with server(away) as (url, first):
                host = url.removeprefix("http://")
                Vault.open().set("c", {"type": "api_key", "key": token}, hosts=[host])
                error = request(f"    credential: c\n    with: {{url: {url}}}").error
        assert first[0].headers["X-API-Key"] == token
        assert isinstance(error, fl.HostNotAllowedError)
        assert seen == []

    @pytest.mark.parametrize(
        ("fields", "where"),
        [
            ({"type": "bearer", "token": "T"}, ("Authorization", "Bearer T")),
            ({"type": "api_key", "key": "T", "name": "X-K"}, ("X-K", "T")),
            ({"type": "basic", "username": "u", "password": "T"}, ("Authorization", "Basic dTpU")),
        ],
    )
    def test_each_kind_goes_where_it_belongs(
        self, workspace: object, key: str, fields: dict, where: tuple[str, str]
    ) -> None:
        Vault.open().set("c", fields, hosts=["127.0.0.1"])
        with server(lambda _: json_answer(1)) as (url, seen):
            request(f"    credential: c\n    with: {{url: {url}}}").raise_for_status()
        assert seen[0].headers[where[0]] == where[1]

    def test_a_server_that_echoes_gives_nothing_away(
        self, workspace: object, key: str, token: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)

        def echo(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
            everything = f"{handler.path} {handler.headers}"
            headers = {"Content-Type": "application/json", "X-Echo": handler.path}
            return 200, headers, json.dumps({"echo": everything}).encode()

        secret = token + '/"é+'
        Vault.open().set(
            "q", {"type": "api_key", "key": secret, "name": "k", "placement": "query"},
            hosts=["127.0.0.1"],
        )  # fmt: skip
        Vault.open().set(
            "b", {"type": "basic", "username": "u", "password": token}, hosts=["127.0.0.1"]
        )
        with server(echo) as (url, seen):
            by_query = request(f"    credential: q\n    with: {{url: {url}/x}}").output
            by_header = request(f"    credential: b\n    with: {{url: {url}/x}}").output
        assert token in seen[0].path
        assert "••••" in by_query["body"]["echo"]
        assert "••••" in by_header["body"]["echo"]
        everything = repr((by_query, by_header)) + caplog.text
        assert token not in everything
        assert seen[1].headers["Authorization"].partition(" ")[2] not in everything

    def test_errors_do_not_hold_it(self, workspace: object, key: str, token: str) -> None:
        Vault.open().set(
            "q", {"type": "api_key", "key": token, "name": "k", "placement": "query"},
            hosts=["127.0.0.1"],
        )  # fmt: skip
        with server(lambda h: (500, {}, h.path.encode())) as (url, _):
            failed = request(f"    credential: q\n    with: {{url: {url}/x}}")
        gone = request("    credential: q\n    with: {url: 'http://127.0.0.1:9/x'}")
        for run in (failed, gone):
            shown = str(run.error) + repr(run) + run._repr_html_() + run.trace.to_string()
            assert token not in shown

    def test_latin_1_goes_into_a_header(self, workspace: Path, key: str) -> None:
        Vault.open().set(
            "l", {"type": "bearer", "token": "caf\u00e9-caf\u00e9"}, hosts=["127.0.0.1"]
        )
        with server(lambda _: (200, {}, b"")) as (url, seen):
            assert request(f"    credential: l\n    with: {{url: {url}}}").status == "success"
        assert seen[0].headers["Authorization"] == "Bearer caf\u00e9-caf\u00e9"

    def test_other_spellings_are_masked(self, workspace: Path, key: str) -> None:
        secret = "a&b/c<d>\"e' f+g"
        Vault.open().set(
            "q", {"type": "api_key", "key": secret, "name": "k", "placement": "query"},
            hosts=["127.0.0.1"],
        )  # fmt: skip
        spellings = [
            secret, quote(secret, safe=""), quote(secret, safe="").lower(), html.escape(secret),
            base64.b64encode(secret.encode()).decode(), json.dumps(secret)[1:-1],
        ]  # fmt: skip
        with server(lambda _: (200, {}, "\n".join(spellings).encode())) as (url, _):
            shown = request(f"    credential: q\n    with: {{url: {url}, response: text}}").output
        for spelling in spellings:
            assert spelling not in shown["body"]
