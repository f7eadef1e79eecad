"""How ``http.request`` reads answers: JSON, text in many charsets, frames."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from flowlib_nb.vault import Vault

from .http_servers import Reply, request, server


def read(
    body: bytes, content_type: str | None, response: str = "auto", status: int = 200
) -> object:
    headers = {} if content_type is None else {"Content-Type": content_type}
    with server(lambda _: (status, headers, body)) as (url, _):
        return request(f"    with: {{url: {url}, response: {response}}}").output["body"]


def error(body: bytes, content_type: str, response: str = "auto") -> str:
    with server(lambda _: (200, {"Content-Type": content_type}, body)) as (url, _):
        return str(request(f"    with: {{url: '{url}/x?secret=1', response: {response}}}").error)


@pytest.mark.parametrize("body", [b"<html>", b"{", b'{"a": NaN}', b'"\xff"', b"[" * 100_000])
def test_what_is_no_json_says_so(body: bytes) -> None:
    message = error(body, "application/json")
    assert "/x is not JSON: " in message
    assert "response: text" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + json.dumps({"a": "é"}).encode(),
        '\ufeff{"a": "é"}'.encode("utf-16-le"),
        '\ufeff{"a": "é"}'.encode("utf-16-be"),
    ],
)
def test_json_with_a_byte_order_mark(body: bytes) -> None:
    assert read(body, "application/json") == {"a": "é"}


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", "é"),
        ("é".encode("cp1252"), "text/plain; x=1; Charset='windows-1252'", "é"),
        ("é".encode("utf-16-le"), 'text/plain; charset="utf-16-le"', "é"),
        ("é".encode("shift_jis", "ignore") + b"\x83e", "text/plain; charset=shift_jis", "テ"),
        ("é".encode(), "text/plain; charset=no-such-thing", "é"),
        ("é".encode(), "text/plain; charset=", "é"),
        ("é".encode(), "text/plain; charset=zlib", "é"),
        ("é".encode(), "text/plain; charset=undefined", "é"),
        ("é".encode(), "text/plain; charset=punycode", "é"),
        (b"+AGE-", "text/plain; charset=utf-7", "+AGE-"),
        ("\ufeffé".encode(), "text/plain; charset=latin-1", "é"),
        (b"\xe9", "text/plain; charset=utf-8", "\ufffd"),
        (b"\xe9", "text/plain", "\ufffd"),
    ],
)
def test_texts_in_right_wrong_and_unknown_charsets(
    body: bytes, content_type: str, text: str
) -> None:
    assert read(body, content_type) == text


def test_large_answers_are_decoded_all_the_same() -> None:
    numbers = list(range(300_000))
    assert read(json.dumps(numbers).encode(), "application/json") == numbers
    assert "is not JSON" in error(b"[" + b"1," * 1_000_000, "application/json")


@pytest.mark.parametrize(
    ("content_type", "status", "body"),
    [(None, 204, None), ("application/json", 204, None), ("application/pdf", 200, None),
     ("text/html", 200, "")],
)  # fmt: skip
def test_empty_answers(content_type: str | None, status: int, body: object) -> None:
    assert read(b"", content_type, status=status) == body


class TestFrame:
    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b'[{"a": 1, "b": "x"}, {"a": 2, "b": null}]', "application/json"),
            (b'{"a": [1, 2], "b": ["x", null]}', "application/vnd.x+json"),
            (b'{"a": 1, "b": "x"}\n{"a": 2, "b": null}\n', "application/x-ndjson"),
            (b"a,b\n1,x\n2,\n", "text/csv; charset=utf-8"),
            (b"\xef\xbb\xbfa\tb\r\n1\tx\r\n2\t\r\n", "text/tab-separated-values"),
            (b"a,b\n1,x\n2,\n", "text/plain"),
            (b' [{"a": 1, "b": "x"}, {"a": 2}]', "text/plain"),
        ],
    )
    def test_is_made_of_json_and_csv(self, body: bytes, content_type: str) -> None:
        frame = read(body, content_type, "frame")
        assert isinstance(frame, pd.DataFrame)
        assert list(frame.columns) == ["a", "b"]
        assert frame["a"].tolist() == [1, 2]
        assert frame["a"].dtype == "int64"
        assert frame["b"].isna().tolist() == [False, True]
        assert frame["b"][0] == "x"

    def test_integers_and_booleans_survive_gaps(self) -> None:
        frame = read(b"i,b,f,n\n9007199254740993,true,1.5,NA\n,,,x\n", "text/csv", "frame")
        assert frame["i"].tolist() == [9007199254740993, pd.NA]
        assert frame["b"].dtype == "boolean"
        assert frame["f"].dtype == "float64"
        assert frame["n"].tolist() == ["NA", "x"]

    @pytest.mark.parametrize("content_type", ["text/csv", "application/json", "text/plain"])
    def test_of_nothing_is_empty(self, content_type: str) -> None:
        assert len(read(b"", content_type, "frame")) == 0

    @pytest.mark.parametrize(
        ("body", "content_type", "word"),
        [
            (b"<html>", "text/html", "it calls itself text/html"),
            (b"a,b\n1,2,3\n1,2,3\n", "text/csv", "cannot become a frame: it is not CSV"),
            (b"a,a\n1,2\n", "text/csv", "two columns are named 'a'"),
            (b"[1", "application/json", "is not JSON"),
            (b"{}\n{", "application/jsonl", "is not JSON"),
        ],
    )
    def test_of_something_else_is_an_error(self, body: bytes, content_type: str, word: str) -> None:
        assert word in error(body, content_type, "frame")

    def test_is_the_nodes_frame(self) -> None:
        with server(lambda _: (200, {"Content-Type": "text/csv"}, b"a\n1\n")) as (url, _):
            run = request(f"    with: {{url: {url}, response: frame}}")
        assert run.df["a"].tolist() == [1]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16"])
    def test_holds_no_echo_of_a_credential(
        self, workspace: object, key: str, token: str, encoding: str
    ) -> None:
        Vault.open().set("c", {"type": "bearer", "token": token}, hosts=["127.0.0.1"])

        def echo(handler: object) -> Reply:
            text = f"a,b\n1,{handler.headers['Authorization']}\n"
            return 200, {"Content-Type": f"text/csv; charset={encoding}"}, text.encode(encoding)

        with server(echo) as (url, _):
            run = request(f"    credential: c\n    with: {{url: {url}, response: frame}}")
        assert "••••" in run.df["b"][0]
        assert token not in run.df.to_string() + repr(run) + run._repr_html_()
