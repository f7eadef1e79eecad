"""``http.request`` against real servers."""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler

import pytest

import flowlib_nb as fl
from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.engine.actions import actions
from flowlib_nb.vault import Vault

from .http_servers import json_answer, problems, request, server


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


ODD_ADDRESSES = [
    "ftp://a.b/", "file:///etc/passwd", "//a.b", "http://u:p@a.b/", "http://a.b\\@c.d/", "x",
    "http://", "http://[::1", "http://[fe80::1%25eth0]/", "http://a b/", "http://a.b:99999/",
    "http://256.1.1.1/", "http://2130706433/", "http://0x7f.1/", "http://a..b/", "javascript:x",
]  # fmt: skip


@pytest.mark.parametrize("url", ODD_ADDRESSES)
def test_odd_addresses_are_found_before_anything_runs(url: str) -> None:
    (problem,) = problems(f"    with:\n      method: GET\n      url: '{url}'")
    assert problem.line == 6
    assert problem.path == ("nodes", "call", "with", "url")
    assert problem.message.startswith("'url' cannot be used. The address")


@pytest.mark.parametrize("url", ODD_ADDRESSES)
def test_odd_addresses_of_templates_fail_the_node(url: str) -> None:
    run = request("    with: {url: '{{ inputs.url }}', query: {a: 1}}", {"url": url})
    assert run.status == "failed"
    assert "'url' cannot be used. The address" in str(run.error)
    assert "Unexpected" not in str(run.error)


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ("{'a b': 1}", "'a b' is not the name of a header"),
        ("{Host: x}", "header Host follows from the request"),
        ('{X: "a\\nb"}', "the value of X holds a line break"),
        ("{X: '\u2713'}", "the value of X holds a character outside Latin-1"),
    ],
)
def test_headers_that_cannot_be_sent_are_found_before_anything_runs(
    headers: str, word: str
) -> None:
    (problem,) = problems(f"    with:\n      url: 'http://a.b/'\n      headers: {headers}")
    assert problem.path == ("nodes", "call", "with", "headers")
    assert word in problem.message


def test_a_template_cannot_break_out_of_a_header() -> None:
    run = request(
        "    with: {url: 'http://127.0.0.1:9/', headers: {X: '{{ inputs.x }}'}}",
        {"x": "a\r\nHost: evil"},
    )
    assert "the value of X holds a line break" in str(run.error)
    assert "evil" not in str(run.error)


def test_redirects_are_followed() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
        if handler.path == "/end":
            return json_answer({"method": handler.command})
        return 302, {"Location": "/end"}, b""

    with server(answer) as (url, _):
        result = request(f"    with: {{url: {url}/start, method: POST, json: {{}}}}")
    assert result.output["body"] == {"method": "GET"}
    assert result.output["url"] == f"{url}/end"


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


@pytest.mark.parametrize(
    "name", ["X-API-Key", "X-Auth-Token", "X-Session-Id", "Proxy-Authorization"]
)
def test_headers_that_look_secret_stay_with_their_server(name: str) -> None:
    with (
        server(lambda _: json_answer(1)) as (other, seen),
        server(lambda _: (307, {"Location": other}, b"")) as (url, first),
    ):
        request(f"    with: {{url: {url}, headers: {{{name}: mine}}}}").raise_for_status()
    assert first[0].headers[name] == "mine"
    assert seen[0].headers[name] is None


def test_head_has_no_body() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, dict, bytes]:
        return 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"x" * 50

    with server(answer) as (url, seen):
        output = request(f"    with: {{url: {url}, method: head}}").output
    assert seen[0].command == "HEAD"
    assert output["body"] is None
    assert output["headers"]["content-length"] == "50"


def test_only_answers_worth_keeping_are_kept() -> None:
    action = actions()["http.request"]

    def is_cacheable(**parameters: object) -> bool:
        return action.is_cacheable(action.parameters(url="http://a.b/", **parameters))

    assert is_cacheable()
    assert is_cacheable(method="HEAD")
    assert not is_cacheable(method="POST")
    assert not is_cacheable(raise_for_status=False)
