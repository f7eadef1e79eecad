"""The kinds of credentials: reading them, and putting them on a request."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flowlib_nb.errors import CredentialInvalidError, InputError
from flowlib_nb.models.credential import (
    ApiKey,
    Basic,
    Bearer,
    ConnectionString,
    Credential,
    Custom,
    OAuth2,
    credential_types,
    fields_of,
    parse_credential,
    to_plain,
)
from flowlib_nb.models.request import RequestParts, header_problem, is_header_name
from flowlib_nb.models.secret import MASK, Secret

PLAIN = "s3cr3t-v4lue"
URL = "https://api.example.com/orders?since=2026-01-01"
REQUEST = RequestParts(URL, (("Accept", "application/json"),))

EVERY_TYPE: list[dict[str, Any]] = [
    {"type": "api_key", "key": PLAIN},
    {"type": "api_key", "key": PLAIN, "name": "X-Shop-Key", "placement": "query"},
    {"type": "bearer", "token": PLAIN},
    {"type": "basic", "username": "ann", "password": PLAIN},
    {"type": "basic", "username": "", "password": ""},
    {"type": "oauth2", "provider": "github", "client_id": "abc"},
    {
        "type": "oauth2",
        "provider": "github",
        "client_id": "abc",
        "client_secret": PLAIN,
        "access_token": PLAIN,
        "refresh_token": PLAIN,
        "expires_at": "2030-01-02T03:04:05+00:00",
        "scopes": ["repo", "user"],
    },
    {"type": "connection_string", "url": f"postgresql://ann:{PLAIN}@db.example.com/shop"},
    {"type": "custom", "fields": {"account": PLAIN, "region": PLAIN}},
]


def names_of(kind: str) -> list[str]:
    return [field.name for field in fields_of(kind)]


@pytest.mark.parametrize("data", EVERY_TYPE)
def test_every_type_is_read_and_hidden(data: dict[str, Any]) -> None:
    given_data = json.dumps(data)
    credential = parse_credential(data)
    assert credential.type == data["type"]
    assert to_plain(credential).items() >= data.items()
    assert parse_credential(to_plain(credential)) == credential
    assert parse_credential(credential) is credential
    assert json.dumps(data) == given_data  # what was given is left alone
    shown = f"{credential!r} {credential} {credential.model_dump_json()} {credential.model_dump()}"
    assert PLAIN not in shown
    assert PLAIN.encode() not in pickle.dumps(credential)


def test_every_type_is_tried_above() -> None:
    assert {data["type"] for data in EVERY_TYPE} == set(credential_types())


def test_fields_for_whoever_asks_for_them() -> None:
    assert names_of("api_key") == ["key", "name", "placement"]
    secret = {(kind, f.name) for kind in credential_types() for f in fields_of(kind) if f.is_secret}
    assert secret == {
        ("api_key", "key"),
        ("bearer", "token"),
        ("basic", "password"),
        ("oauth2", "client_secret"),
        ("oauth2", "access_token"),
        ("oauth2", "refresh_token"),
        ("connection_string", "url"),
        ("custom", "fields"),
    }
    required = {f.name for f in fields_of("oauth2") if f.is_required}
    assert required == {"provider", "client_id"}
    assert {f.name: f.default for f in fields_of("api_key") if not f.is_required} == {
        "name": "X-API-Key",
        "placement": "header",
    }
    with pytest.raises(CredentialInvalidError):
        fields_of("nothing")


def test_credentials_do_not_change() -> None:
    credential = Bearer(token=PLAIN)
    with pytest.raises(ValidationError) as caught:
        credential.token = Secret("other")
    assert PLAIN not in str(caught.value)
    assert credential.token.reveal() == PLAIN


def test_expiry_is_always_comparable_with_now() -> None:
    data = {"type": "oauth2", "provider": "p", "client_id": "c"}
    for text in ("2030-01-02T03:04:05", "2030-01-02T03:04:05Z", "2030-01-02T05:04:05+02:00"):
        credential = parse_credential({**data, "expires_at": text})
        assert credential.expires_at == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def with_locals(error: Exception) -> str:
    """A traceback that shows locals, but for this file's frames: they hold what they give."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
        tb = tb.tb_next
    summary = traceback.TracebackException(type(error), error, tb, capture_locals=True)
    return "".join(summary.format())


def problems_of(data: object) -> CredentialInvalidError:
    """The error, after a search of all that it and the frames it passed would show."""
    with pytest.raises(CredentialInvalidError) as caught:
        parse_credential(data)
    error = caught.value
    assert error.__cause__ is None
    shown = with_locals(error)
    assert "parse_credential" in shown
    assert PLAIN not in shown
    assert PLAIN not in repr([problem.as_dict() for problem in error.problems])
    return error


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        (PLAIN, "bad_value", ()),
        ([PLAIN], "bad_value", ()),
        (None, "bad_value", ()),
        ({"token": PLAIN}, "unknown_type", ("type",)),
        ({"type": PLAIN, "token": PLAIN}, "unknown_type", ("type",)),
        ({"type": [PLAIN], "token": PLAIN}, "unknown_type", ("type",)),
        ({"type": {"x": PLAIN}}, "unknown_type", ("type",)),
        ({"type": "Bearer", "token": PLAIN}, "unknown_type", ("type",)),
        ({"type": "bearer"}, "missing", ("token",)),
        ({"type": "bearer", "token": [PLAIN]}, "bad_value", ("token",)),
        ({"type": "bearer", "token": {"token": PLAIN}}, "bad_value", ("token",)),
        ({"type": "bearer", "token": PLAIN.encode()}, "bad_value", ("token",)),
        ({"type": "bearer", "token": 5}, "bad_value", ("token",)),
        ({"type": "bearer", "token": None}, "bad_value", ("token",)),
        ({"type": "bearer", "token": MASK}, "bad_value", ("token",)),
        ({"type": "bearer", "token": f"{PLAIN}\ud800"}, "bad_value", ("token",)),
        ({"type": "bearer", "token": PLAIN, "tokn": PLAIN}, "unknown_field", ("tokn",)),
        ({"type": "api_key", "key": PLAIN, "placement": PLAIN}, "bad_value", ("placement",)),
        ({"type": "api_key", "key": PLAIN, "name": f"{PLAIN} x"}, "bad_value", ("name",)),
        ({"type": "api_key", "key": PLAIN, "name": f"{PLAIN}\r\nX: y"}, "bad_value", ("name",)),
        ({"type": "api_key", "key": PLAIN, "name": ""}, "bad_value", ("name",)),
        ({"type": "basic", "username": f"{PLAIN}:", "password": "x"}, "bad_value", ("username",)),
        ({"type": "basic", "username": f"{PLAIN}\n", "password": "x"}, "bad_value", ("username",)),
        ({"type": "basic", "username": [PLAIN], "password": "x"}, "bad_value", ("username",)),
        (
            {"type": "oauth2", "provider": "p", "client_id": "c", "expires_at": PLAIN},
            "bad_value",
            ("expires_at",),
        ),
        (
            {"type": "oauth2", "provider": "p", "client_id": "c", "scopes": PLAIN},
            "bad_value",
            ("scopes",),
        ),
        (
            {"type": "oauth2", "provider": "p", "client_id": "c", "scopes": ["a", [PLAIN]]},
            "bad_value",
            ("scopes", 1),
        ),
        ({"type": "custom", "fields": {}}, "bad_value", ("fields",)),
        ({"type": "custom", "fields": PLAIN}, "bad_value", ("fields",)),
        ({"type": "custom", "fields": {"a": [PLAIN]}}, "bad_value", ("fields", "a")),
        ({"type": "custom", "fields": {"a": PLAIN}, "b": PLAIN}, "unknown_field", ("b",)),
    ],
)
def test_what_is_wrong_is_said_without_the_values(
    data: object, code: str, path: tuple[str | int, ...]
) -> None:
    error = problems_of(data)
    assert [(problem.code, problem.path) for problem in error.problems] == [(code, path)]
    if path != ("type",):
        assert ".".join(map(str, path)) in error.message


@pytest.mark.parametrize(
    "name", [PLAIN, f"_{PLAIN}" * 3, f"{PLAIN}\n", PLAIN.replace("-", "_") * 2]
)
def test_a_secret_in_the_place_of_a_name_is_not_repeated(name: str) -> None:
    with pytest.raises(CredentialInvalidError) as caught:
        parse_credential({"type": "bearer", "token": "t", name: 1})
    assert [problem.code for problem in caught.value.problems] == ["unknown_field"]
    assert name not in repr([str(caught.value), caught.value.problems])


def test_all_that_is_wrong_is_said_at_once() -> None:
    error = problems_of(
        {"type": "oauth2", "provider": 5, "client_secret": [PLAIN], "acces_token": PLAIN}
    )
    assert {(problem.code, problem.path) for problem in error.problems} == {
        ("bad_value", ("provider",)),
        ("missing", ("client_id",)),
        ("bad_value", ("client_secret",)),
        ("unknown_field", ("acces_token",)),
    }
    (typo,) = (p for p in error.problems if p.code == "unknown_field")
    assert "access_token" in (typo.hint or "")


def applied(data: Mapping[str, Any], parts: RequestParts = REQUEST) -> RequestParts:
    before = repr(parts), parts.url, parts.headers
    result = parse_credential(data).apply(parts)
    assert (repr(parts), parts.url, parts.headers) == before
    assert PLAIN not in repr(result)
    return result


@pytest.mark.parametrize(
    ("data", "header"),
    [
        ({"type": "api_key", "key": PLAIN}, ("X-API-Key", PLAIN)),
        ({"type": "api_key", "key": PLAIN, "name": "X-Shop"}, ("X-Shop", PLAIN)),
        (
            {"type": "api_key", "key": f"Token {PLAIN}", "name": "Authorization"},
            ("Authorization", f"Token {PLAIN}"),
        ),
        ({"type": "bearer", "token": PLAIN}, ("Authorization", f"Bearer {PLAIN}")),
        (
            {"type": "oauth2", "provider": "p", "client_id": "c", "access_token": PLAIN},
            ("Authorization", f"Bearer {PLAIN}"),
        ),
        # RFC 7617, sections 2 and 2.1.
        (
            {"type": "basic", "username": "Aladdin", "password": "open sesame"},
            ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        (
            {"type": "basic", "username": "test", "password": "123\u00a3"},
            ("Authorization", "Basic dGVzdDoxMjPCow=="),
        ),
        (
            {"type": "basic", "username": "jürgen", "password": "пароль:\n\u0000"},
            ("Authorization", "Basic asO8cmdlbjrQv9Cw0YDQvtC70Yw6CgA="),
        ),
        (
            {"type": "basic", "username": "u", "password": "~~~???>>"},
            ("Authorization", "Basic dTp+fn4/Pz8+Pg=="),
        ),
        ({"type": "basic", "username": "", "password": ""}, ("Authorization", "Basic Og==")),
    ],
)
def test_headers(data: dict[str, Any], header: tuple[str, str]) -> None:
    result = applied(data)
    assert result.url == URL
    assert result.headers == (("Accept", "application/json"), header)


def test_a_header_replaces_those_of_its_name() -> None:
    parts = RequestParts(URL, (("authorization", "old"), ("X", "1"), ("AUTHORIZATION", "older")))
    result = applied({"type": "bearer", "token": "t"}, parts)
    assert result.headers == (("X", "1"), ("Authorization", "Bearer t"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h.example/p", "https://h.example/p?key=a%26b%3Dc%20%2B%2F%C3%A9%0D%0A%23"),
        ("https://h.example/p?", "https://h.example/p?key=a%26b%3Dc%20%2B%2F%C3%A9%0D%0A%23"),
        (
            "https://h.example/p?x=1&y=%20+&&z#part?key=2",
            "https://h.example/p?x=1&y=%20+&z&key=a%26b%3Dc%20%2B%2F%C3%A9%0D%0A%23#part?key=2",
        ),
        (
            "https://h.example?key=old&%6Bey=old&k+ey=kept&key",
            "https://h.example?k+ey=kept&key=a%26b%3Dc%20%2B%2F%C3%A9%0D%0A%23",
        ),
    ],
)
def test_query(url: str, expected: str) -> None:
    data = {"type": "api_key", "key": "a&b=c +/é\r\n#", "name": "key", "placement": "query"}
    result = applied(data, RequestParts(url))
    assert result.url == expected
    assert result.headers == ()


@given(st.text().filter(lambda text: text != MASK), st.lists(st.tuples(st.text(), st.text())))
def test_any_key_arrives_in_the_query(key: str, others: list[tuple[str, str]]) -> None:
    parts = RequestParts("https://h.example/p")
    for name, value in others:
        parts = parts.with_query(name, value)
    result = ApiKey(key=key, name="k", placement="query").apply(parts)
    split = urlsplit(result.url)
    assert (split.scheme, split.netloc, split.path, split.fragment) == (
        "https",
        "h.example",
        "/p",
        "",
    )
    expected = {**{name: value for name, value in others if name != "k"}, "k": key}
    assert dict(parse_qsl(split.query, keep_blank_values=True)) == expected


CONTROLS = [chr(code) for code in (*range(0x20), 0x7F) if chr(code) != "\t"]
UNSENDABLE = [*(f"{PLAIN}{char}x" for char in CONTROLS), f"{PLAIN}\n", f"{PLAIN}\r\nX-Evil: 1"]
UNSENDABLE += [f"{PLAIN}\u0100", f"{PLAIN}\u2028"]
# In front of these stands a scheme, so only their end can be wrong.
UNTRIMMED = [f"{PLAIN} ", f"{PLAIN}\t"]


def in_headers(value: str) -> list[tuple[Credential, str]]:
    return [
        (ApiKey(key=value), "key"),
        (Bearer(token=value), "token"),
        (OAuth2(provider="p", client_id="c", access_token=value), "access_token"),
    ]


@pytest.mark.parametrize("value", [*UNSENDABLE, *UNTRIMMED])
def test_what_could_break_out_of_a_header_is_refused_unseen(value: str) -> None:
    for credential, field in in_headers(value):
        with pytest.raises(InputError) as caught:
            credential.apply(REQUEST)
        assert repr(field) in caught.value.message
        assert PLAIN not in str(caught.value)
        assert PLAIN not in with_locals(caught.value)
        assert caught.value.__context__ is None
    # Encoded, the same may go where it cannot break out.
    assert Basic(username="u", password=value).apply(REQUEST).headers[-1][1].isascii()
    assert "\n" not in ApiKey(key=value, placement="query").apply(REQUEST).url


def test_a_key_with_a_space_before_it_is_refused() -> None:
    with pytest.raises(InputError, match="space"):
        ApiKey(key=f" {PLAIN}").apply(REQUEST)


@given(st.text())
def test_a_header_that_is_accepted_can_be_sent(value: str) -> None:
    if header_problem(value) is None:
        value.encode("latin-1")
        assert not set(value) & set(CONTROLS)
        assert value == value.strip(" \t")


@pytest.mark.parametrize(
    "credential",
    [
        ConnectionString(url=f"postgresql://u:{PLAIN}@h/d"),
        Custom(fields={"a": PLAIN}),
        OAuth2(provider="p", client_id="c", refresh_token=PLAIN),
    ],
)
def test_what_does_not_go_on_requests(credential: Credential) -> None:
    with pytest.raises(InputError) as caught:
        credential.apply(REQUEST)
    assert PLAIN not in str(caught.value)


def test_a_credential_out_of_a_pickle_says_what_it_lacks() -> None:
    shell = pickle.loads(pickle.dumps(Bearer(token=PLAIN)))
    with pytest.raises(InputError, match="pickled"):
        to_plain(shell)
    with pytest.raises(ValueError, match="pickled"):
        shell.apply(REQUEST)


@pytest.mark.parametrize("name", ["X-API-Key", "a", "!#$%&'*+.^_`|~09"])
def test_header_names(name: str) -> None:
    assert is_header_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "é", "a(b)", 'a"', "a/b", "a\x00"])
def test_no_header_names(name: str) -> None:
    assert not is_header_name(name)


@pytest.mark.parametrize(
    "url",
    [
        f"https://h.example/p?key={PLAIN}",
        f"https://u:{PLAIN}@h.example/p",
        f"https://{PLAIN}@h.example/p?x={PLAIN}@y",
    ],
)
def test_a_request_shows_where_it_goes_and_no_secret(url: str) -> None:
    shown = repr(RequestParts(url, (("X-Key", PLAIN),)))
    assert "h.example/p" in shown
    assert "X-Key" in shown
    assert PLAIN not in shown
