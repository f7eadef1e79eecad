"""Credentials in ``http.request``: where they go, and that nothing gives them away."""

from __future__ import annotations

import base64
import html
import json
import logging
import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import pytest

import flowlib_nb as fl
from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.vault import Vault

from .http_servers import json_answer, raw_server, request, server


def test_a_missing_credential_is_a_401(api: OrdersApi) -> None:
    error = request(f"    with: {{url: {api.url}/orders}}").error
    assert "401" in str(error)
    assert "credential:" in str(error)


def test_a_credential_goes_to_its_hosts_only(workspace: object, key: str, token: str) -> None:
    Vault.open().set("c", {"type": "bearer", "token": token}, hosts=["api.example.com"])
    with server(lambda _: json_answer(1)) as (url, seen):
        error = request(f"    credential: c\n    with: {{url: {url}}}").error
    assert isinstance(error, fl.HostNotAllowedError)
    assert "127.0.0.1" in str(error)
    assert token not in str(error)
    assert seen == []


def test_a_credential_does_not_follow_a_redirect_to_another_host(
    workspace: object, key: str, token: str
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
    workspace: object, key: str, fields: dict, where: tuple[str, str]
) -> None:
    Vault.open().set("c", fields, hosts=["127.0.0.1"])
    with server(lambda _: json_answer(1)) as (url, seen):
        request(f"    credential: c\n    with: {{url: {url}}}").raise_for_status()
    assert seen[0].headers[where[0]] == where[1]


def test_a_server_that_echoes_gives_nothing_away(
    workspace: object, key: str, token: str, caplog: pytest.LogCaptureFixture
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


def test_errors_do_not_hold_a_credential(workspace: object, key: str, token: str) -> None:
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


def test_latin_1_goes_into_a_header(workspace: Path, key: str) -> None:
    Vault.open().set("l", {"type": "bearer", "token": "caf\u00e9-caf\u00e9"}, hosts=["127.0.0.1"])
    with server(lambda _: (200, {}, b"")) as (url, seen):
        assert request(f"    credential: l\n    with: {{url: {url}}}").status == "success"
    assert seen[0].headers["Authorization"] == "Bearer caf\u00e9-caf\u00e9"


def test_other_spellings_are_masked(workspace: Path, key: str) -> None:
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


@pytest.mark.parametrize("end", ["deadline", "closed"])
def test_failures_carry_nothing_that_holds_a_credential(
    workspace: Path, key: str, token: str, end: str
) -> None:
    """Neither text nor frames: an error kept by the run would keep the request alive."""
    Vault.open().set("c", {"type": "bearer", "token": token}, hosts=["127.0.0.1"])

    def talk(connection: socket.socket) -> None:
        if end == "deadline":
            connection.recv(1)

    with raw_server(talk) as url:
        error = request(f"    credential: c\n    with: {{url: {url}, deadline: 0.2}}").error
    assert ("0.2 s" if end == "deadline" else "broke off") in str(error)
    assert token not in str(error)
    assert error.__traceback__ is None
    assert error.__context__ is None
