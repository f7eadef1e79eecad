"""Pages of ``http.request``: by link, number, cursor and offset."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

import flowlib_nb as fl
from flowlib_nb.demo.orders_api import OrdersApi, orders
from flowlib_nb.vault import Vault

from .http_servers import Reply, json_answer, problems, request, server


def query(handler: BaseHTTPRequestHandler) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(handler.path).query).items()}


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


class TestCursor:
    @pytest.mark.parametrize(
        "last",
        [{"next": None}, {"next": ""}, {"next": 0}, {"next": "0"}, {"next": False}, {}, None],
    )
    def test_is_sent_until_there_is_none(self, last: dict | None) -> None:
        metas = {"a": {"next": "b/+="}, "b/+=": {"next": 7}, "7": last}

        def answer(handler: BaseHTTPRequestHandler) -> Reply:
            at = query(handler).get("after", "a")
            return json_answer({"data": [at], "meta": metas[at]})

        with server(answer) as (url, seen):
            run = request(f"""
    with:
      url: {url}?q=1
      paginate: {{by: cursor, items: data, cursor: meta.next, parameter: after}}
""")
        assert run.output["body"] == ["a", "b/+=", "7"]
        assert [query(handler)["q"] for handler in seen] == ["1", "1", "1"]

    def test_its_name_may_hold_dots_and_its_value_be_an_address(self) -> None:
        def answer(handler: BaseHTTPRequestHandler) -> Reply:
            if handler.path == "/two":
                return json_answer({"value": [2]})
            address = f"http://{handler.headers['Host']}/two"
            return json_answer({"value": [1], "@odata.nextLink": address})

        with server(answer) as (url, _):
            run = request(f"""
    with: {{url: {url}, paginate: {{by: cursor, items: value, cursor: "@odata.nextLink"}}}}
""")
        assert run.output["body"] == [1, 2]

    def test_that_comes_twice_is_an_error(self) -> None:
        with server(lambda _: json_answer({"d": [1], "next": "x"})) as (url, seen):
            run = request(
                f"    with: {{url: {url}, paginate: {{by: cursor, items: d, cursor: next}}}}"
            )
        assert "the cursor in 'next' came twice" in str(run.error)
        assert "parameter 'cursor'" in str(run.error)
        assert len(seen) == 2

    @pytest.mark.parametrize("cursor", [True, {"a": 1}, ["x"]])
    def test_must_be_a_text_or_number(self, cursor: object) -> None:
        with server(lambda _: json_answer({"d": [1], "next": cursor})) as (url, _):
            run = request(
                f"    with: {{url: {url}, paginate: {{by: cursor, items: d, cursor: next}}}}"
            )
        assert "'next' must be a text or number" in str(run.error)

    def test_that_is_no_address_after_all_is_an_error(self) -> None:
        with server(lambda _: json_answer({"d": [1], "next": "http://[x"})) as (url, _):
            run = request(
                f"    with: {{url: {url}, paginate: {{by: cursor, items: d, cursor: next}}}}"
            )
        assert "leads with 'next' to an address that cannot be used" in str(run.error)


class TestOffset:
    @pytest.mark.parametrize(("total", "requests"), [(0, 1), (5, 3), (4, 3)])
    def test_ends_at_a_page_that_is_not_full(self, total: int, requests: int) -> None:
        def answer(handler: BaseHTTPRequestHandler) -> Reply:
            asked = query(handler)
            start = int(asked["skip"])
            return json_answer(list(range(total))[start : start + int(asked["top"])])

        with server(answer) as (url, seen):
            run = request(f"""
    with:
      url: {url}
      paginate: {{by: offset, parameter: skip, limit_parameter: top, page_size: 2}}
""")
        assert run.output["body"] == list(range(total))
        assert len(seen) == requests

    def test_begins_where_it_is_told(self) -> None:
        with server(lambda h: json_answer([query(h)["offset"]])) as (url, seen):
            run = request(
                f"    with: {{url: {url}, paginate: {{by: offset, page_size: 2, first: 10}}}}"
            )
        assert run.output["body"] == ["10"]
        assert query(seen[0])["limit"] == "2"

    def test_a_server_that_knows_no_limit_is_an_error(self) -> None:
        with server(lambda _: json_answer([1, 2, 3])) as (url, seen):
            run = request(f"    with: {{url: {url}, paginate: {{by: offset, page_size: 2}}}}")
        assert "3 items, although 2 were asked for" in str(run.error)
        assert "limit_parameter" in str(run.error)
        assert len(seen) == 1


@pytest.mark.parametrize(
    ("paginate", "word"),
    [
        ("{by: cursor}", "needs cursor"),
        ("{by: offset}", "needs page_size"),
        ("{by: offset, page_size: 0}", "greater"),
        ("{by: link, parameter: p}", "parameter goes with by: page or cursor or offset"),
        ("{by: page, cursor: a}", "cursor goes with by: cursor"),
        ("{by: cursor, cursor: a, first: 3}", "first goes with by: page or offset"),
        ("{by: page, page_size: 3}", "page_size goes with by: offset"),
        ("{by: offset, page_size: 3, parameter: limit}", "must differ"),
        ("{by: cursor, cursor: a..b}", "names with dots between"),
        ("{items: .a}", "names with dots between"),
        ("{by: pages}", "by"),
    ],
)
def test_what_does_not_go_together_is_found_before_anything_runs(paginate: str, word: str) -> None:
    (problem,) = problems(f"    with:\n      url: 'http://a.b/'\n      paginate: {paginate}")
    assert word in problem.message
    assert problem.line == 6


@pytest.mark.parametrize("rest", ["response: text", "response: bytes", "method: HEAD"])
def test_answers_without_lists_have_no_pages(rest: str) -> None:
    (problem,) = problems(f"    with: {{url: 'http://a.b/', paginate: {{}}, {rest}}}")
    assert "pages" in problem.message


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"data": [1], "x": 2}, "the page has no 'data.items'. It has: data, x."),
        ({"data": {"items": {"a": 1}}}, "must be a list, not dict"),
        ({"data": {"items": None}}, "must be a list, not null"),
        ([1], "the page has no 'data.items'"),
    ],
)
def test_items_that_are_elsewhere_are_an_error(body: object, word: str) -> None:
    with server(lambda _: json_answer(body)) as (url, _):
        run = request(f"    with: {{url: {url}, paginate: {{items: data.items}}}}")
    assert word in str(run.error)
    assert "paginate.items" in str(run.error)


def test_links_in_a_circle_are_an_error() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> Reply:
        other = "/b" if handler.path == "/a" else "/a"
        return 200, {"Link": f'<{other}>; rel="next"', "Content-Type": "application/json"}, b"[1]"

    with server(answer) as (url, seen):
        run = request(f"    with: {{url: {url}/a, paginate: {{}}}}")
    assert "its next page is one that came before" in str(run.error)
    assert len(seen) == 2


def test_pages_become_one_frame() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> Reply:
        page = int(query(handler)["page"])
        return json_answer([{"a": page, "b": None}] if page < 3 else [])

    with server(answer) as (url, _):
        run = request(f"    with: {{url: {url}, response: frame, paginate: {{by: page}}}}")
    assert isinstance(run.output["body"], pd.DataFrame)
    assert run.df["a"].tolist() == [1, 2]


def test_pages_of_csv_become_one_frame() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> Reply:
        rows = ["a,b", "1,x", "2,"] if query(handler)["offset"] == "0" else ["a,b", "3,z"]
        return 200, {"Content-Type": "text/csv"}, "\n".join(rows).encode()

    with server(answer) as (url, _):
        run = request(
            f"    with: {{url: {url}, response: frame, paginate: {{by: offset, page_size: 2}}}}"
        )
    assert run.df["a"].tolist() == [1, 2, 3]
    assert run.df["b"].isna().tolist() == [False, True, False]


class TestAnotherServer:
    """A next page elsewhere gets neither the author's private headers nor the credential."""

    @pytest.fixture(params=["link", "cursor"])
    def way(self, request: pytest.FixtureRequest) -> str:
        return request.param

    def first_page(self, way: str, other: str) -> Reply:
        headers = {"Content-Type": "application/json"}
        if way == "link":
            headers["Link"] = f'<{other}/two>; rel="next"'
        return 200, headers, json.dumps({"d": [1], "next": f"{other}/two"}).encode()

    def paginate(self, way: str) -> str:
        return "{items: d}" if way == "link" else "{by: cursor, items: d, cursor: next}"

    def test_headers(self, way: str) -> None:
        with (
            server(lambda _: json_answer({"d": [2]})) as (other, seen),
            server(lambda _: self.first_page(way, other)) as (url, _),
        ):
            run = request(f"""
    with:
      url: {url}
      headers: {{Authorization: mine, X-Api-Key: mine, X-Plain: ok}}
      paginate: {self.paginate(way)}
""")
        assert run.output["body"] == [1, 2]
        assert seen[0].headers["Authorization"] is None
        assert seen[0].headers["X-Api-Key"] is None
        assert seen[0].headers["X-Plain"] == "ok"

    def test_credential(self, way: str, workspace: object, key: str, token: str) -> None:
        with (
            server(lambda _: json_answer({"d": [2]})) as (other, seen),
            server(lambda _: self.first_page(way, other)) as (url, first),
        ):
            host = url.removeprefix("http://")
            Vault.open().set("c", {"type": "bearer", "token": token}, hosts=[host])
            run = request(f"""
    credential: c
    with: {{url: {url}, paginate: {self.paginate(way)}}}
""")
        assert first[0].headers["Authorization"] == f"Bearer {token}"
        assert isinstance(run.error, fl.HostNotAllowedError)
        assert token not in str(run.error)
        assert seen == []
