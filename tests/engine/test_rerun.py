"""Running parts of a flow, and running again: mocks, only, resume, cached requests."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

import flowlib_nb as fl
from flowlib_nb.engine import session
from flowlib_nb.engine.cache import MISSING, OutputCache, output_cache
from flowlib_nb.vault import Vault

CHAIN = """
nodes:
  a: {uses: python, with: {function: f, args: {x: a}}}
  b: {uses: python, with: {function: f, args: {x: "{{ a }}b"}}}
  c: {uses: python, with: {function: f, args: {x: "{{ b }}c"}}}
  d: {uses: python, with: {function: f, args: {x: d}}}
"""


class Calls:
    """A function that notes what it was called with, and fails as long as it is told to."""

    def __init__(self, *failing: str) -> None:
        self.seen: list[str] = []
        self.failing = set(failing)

    def __call__(self, x: str) -> str:
        self.seen.append(x)
        if x in self.failing:
            raise ValueError(f"not {x}")
        return x

    def since(self) -> list[str]:
        seen, self.seen = sorted(self.seen), []
        return seen


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    session.forget()
    output_cache().clear()
    yield
    session.forget()


def test_a_mocked_node_is_not_run_nor_what_only_it_needs() -> None:
    f, flow = Calls(), fl.Flow.from_yaml(CHAIN)
    result = flow.run(functions={"f": f}, mock={"b": "mock"})
    assert f.since() == ["d", "mockc"]
    assert sorted(result) == ["b", "c", "d"]
    assert (result["b"].value, result["c"].value) == ("mock", "mockc")
    assert sorted(result.trace["attempt"]) == [0, 1, 1]
    with pytest.raises(fl.InputError, match="no node 'bb'"):
        flow.run(functions={"f": f}, mock={"bb": 1})
    assert f.since() == []


def test_a_mocked_routing_node_routes() -> None:
    text = """
nodes:
  gate: {uses: if, with: {condition: false}}
  yes: {uses: js, needs: {gate: true}, with: {code: "1"}}
"""
    flow = fl.Flow.from_yaml(text)
    assert flow.run(functions={}).output is None
    assert flow.run(functions={}, mock={"gate": True}).output == 1


def test_a_mock_may_be_a_frame() -> None:
    flow = fl.Flow.from_yaml(
        "nodes: {a: {uses: python, with: {function: f}}, "
        "b: {uses: js, with: {code: 'a.map(r => r.x)'}}}"
    )
    assert flow.run(functions={}, mock={"a": pd.DataFrame({"x": [1, 2]})}).output == [1, 2]


def test_only_one_node_with_values_of_the_last_run() -> None:
    f, flow = Calls(), fl.Flow.from_yaml(CHAIN, name="chain")
    with pytest.raises(fl.InputError, match="no value of 'b', which 'c' needs"):
        flow.run(functions={"f": f}, only="c")
    assert f.since() == []
    flow.run(functions={"f": f}, to="b")
    assert f.since() == ["a", "ab"]
    changed = fl.Flow.from_yaml(CHAIN.replace("{{ b }}c", "{{ b }}C"), name="chain")
    result = changed.run(functions={"f": f}, only="c")
    assert (f.since(), result.output, list(result)) == (["abC"], "abC", ["b", "c"])
    assert changed.run(functions={"f": f}, only="c", mock={"b": "x"}).output == "xC"


def test_resume_runs_what_failed_and_what_was_skipped() -> None:
    f, flow = Calls("ab"), fl.Flow.from_yaml(CHAIN)
    first = flow.run(functions={"f": f})
    assert (first.status, f.since()) == ("failed", ["a", "ab", "d"])
    again = first.resume()
    assert (again.status, f.since()) == ("failed", ["ab"])
    f.failing.clear()
    done = again.resume()
    assert (done.status, f.since()) == ("success", ["ab", "abc"])
    assert [done[n].value for n in done] == ["a", "d", "ab", "abc"]
    assert first.status == "failed"
    assert done.resume().status == "success"
    assert f.since() == []


def test_resume_with_a_value_in_place_of_what_failed() -> None:
    f, flow = Calls("ab"), fl.Flow.from_yaml(CHAIN)
    done = flow.run(functions={"f": f}).resume({"b": "patched"})
    assert (done.status, done["c"].value) == ("success", "patchedc")
    f.since()
    # In place of what succeeded, too: what needs it is done again.
    other = done.resume({"a": "A"})
    assert (f.since(), other["c"].value) == (["Ab", "Abc"], "Abc")
    with pytest.raises(fl.InputError, match="no node 'z'"):
        done.resume({"z": 1})


EACH = """
nodes:
  xs: {uses: python, with: {function: items}}
  ys:
    uses: python
    each: {over: "{{ xs }}", as: x, on_error: collect, concurrency: 2}
    with: {function: f, args: {x: "{{ x }}"}}
  after: {uses: js, with: {code: "ys.length"}}
  other: {uses: python, with: {function: f, args: {x: other}}}
"""


@pytest.mark.parametrize("mode", ["collect", "skip", "fail"])
def test_resume_does_only_the_items_that_failed(mode: str) -> None:
    f, flow = (
        Calls("b", "d"),
        fl.Flow.from_yaml(EACH.replace("on_error: collect", f"on_error: {mode}")),
    )
    functions = {"f": f, "items": lambda: ["a", "b", "c", "d", "e"]}
    first = flow.run(functions=functions)
    done_before = set(f.since()) - {"b", "d", "other"}
    f.failing.clear()
    again = first.resume()
    assert again.status == "success"
    assert again["ys"].value == ["a", "b", "c", "d", "e"]
    assert again["after"].value == 5
    assert len(again.failed_items) == 0
    expected = {"a", "b", "c", "d", "e"} - done_before
    assert set(f.since()) == expected
    assert {"b", "d"} <= expected


def test_items_are_done_again_where_they_are_others() -> None:
    f, flow = Calls("b"), fl.Flow.from_yaml(EACH)
    first = flow.run(functions={"f": f, "items": lambda: ["a", "b"]})
    f.since()
    f.failing.clear()
    assert first.resume({"xs": ["a", "z"]})["ys"].value == ["a", "z"]
    assert f.since() == ["a", "z"]


def test_resume_after_an_interrupt() -> None:
    reached, f = threading.Event(), Calls()

    def slow(x: str) -> str:
        if x == "c" and not reached.is_set():
            reached.set()
            threading.Event().wait(20)
        return f(x)

    text = EACH.replace("concurrency: 2", "concurrency: 1")
    run = fl.Flow.from_yaml(text).start(functions={"f": slow, "items": lambda: ["a", "b", "c"]})
    assert reached.wait(20)
    with pytest.raises(fl.InputError, match="has not ended"):
        run.resume()
    run.cancel()
    f.since()
    assert run.resume()["ys"].value == ["a", "b", "c"]
    assert "a" not in f.since()


class Counting(BaseHTTPRequestHandler):
    """Counts what it is asked for."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[f"{self.command} {self.path} {self.headers.get('authorization', '')}"] += 1
        body = json.dumps({"path": self.path, "n": [1, 2]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Counting.asked.clear()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


def fetch(server: str, path: str = "/x", extra: str = "", **options: Any) -> fl.Run:
    text = f"nodes: {{a: {{uses: http.request, {extra}with: {{url: '{server}{path}'}}}}}}"
    return fl.Flow.from_yaml(text).run(functions={}, **options).raise_for_status()


def test_a_request_is_not_made_again_where_the_cache_may_answer(server: str) -> None:
    assert fetch(server, cache=True).trace["attempt"].tolist() == [1]
    again = fetch(server, cache=True)
    assert Counting.asked.total() == 1
    assert again.output["body"] == {"path": "/x", "n": [1, 2]}
    assert "cached" in repr(again)
    assert "cached" in again._repr_html_()
    # What a notebook does with a value is not seen by the next run.
    again.output["body"]["n"].append(3)
    assert fetch(server, cache=True).output["body"]["n"] == [1, 2]
    fetch(server, "/y", cache=True)
    fetch(server, "/x")
    assert Counting.asked.total() == 3
    output_cache().clear()
    fetch(server, cache=True)
    assert Counting.asked.total() == 4


def test_only_new_items_are_fetched(server: str) -> None:
    text = f"""
inputs: {{ids: []}}
nodes:
  a:
    uses: http.request
    each: {{over: "{{{{ inputs.ids }}}}", as: id}}
    with: {{url: "{server}/{{{{ id }}}}"}}
"""
    flow = fl.Flow.from_yaml(text)
    flow.run({"ids": [1, 2]}, functions={}, cache=True)
    flow.run({"ids": [1, 2, 3]}, functions={}, cache=True)
    assert sorted(Counting.asked) == ["GET /1 ", "GET /2 ", "GET /3 "]
    assert set(Counting.asked.values()) == {1}


def test_what_may_change_something_is_always_sent(server: str) -> None:
    text = f"nodes: {{a: {{uses: http.request, with: {{url: '{server}/x', method: POST}}}}}}"
    for _ in range(2):
        fl.Flow.from_yaml(text).run(functions={}, cache=True).raise_for_status()
    assert Counting.asked.total() == 2


def test_another_credential_is_another_request(server: str, workspace: Path, key: str) -> None:
    vault = Vault.open()
    for token in ("one", "two", "two"):
        vault.set("shop", {"type": "bearer", "token": token}, hosts=["127.0.0.1"])
        fetch(server, extra="credential: shop, ", cache=True)
    assert sorted(Counting.asked.items()) == [("GET /x Bearer one", 1), ("GET /x Bearer two", 1)]


def test_the_cache_is_bounded_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = OutputCache(max_bytes=2500)
    for name in (b"a", b"b"):
        cache.put(name, "x" * 1000)
    assert cache.get(b"a") == "x" * 1000  # used last
    cache.put(b"c", "x" * 1000)
    assert [cache.get(name) is MISSING for name in (b"a", b"b", b"c")] == [False, True, False]
    cache.put(b"d", "x" * 5000)
    assert cache.get(b"d") is MISSING
    cache.put(b"e", threading.Lock())  # cannot be kept
    assert cache.get(b"e") is MISSING
    entries, size = cache.size()
    assert entries == 2
    assert 2000 < size <= 2500
    cache.put(b"a", "y")
    assert cache.get(b"a") == "y"
    cache.seconds = 0.0
    assert cache.get(b"a") is MISSING
    cache.clear()
    assert cache.size() == (0, 0)
