"""What ``each`` gives: collecting, keys, empty lists, retries."""

from __future__ import annotations

import json
import threading
from typing import Any

import pandas as pd
import pytest

import flowlib_nb as fl
from flowlib_nb.models.flow import Retry


def run(text: str, inputs: dict[str, Any] | None = None, **functions: object) -> fl.Run:
    return fl.Flow.from_yaml(text).run(inputs, functions=functions)


def each(options: str, over: object, code: str = "x") -> fl.Run:
    return run(
        f"nodes: {{a: {{uses: js, each: {{over: {json.dumps(over)}, as: x, {options}}}, "
        f"with: {{code: {json.dumps(code)}}}}}}}"
    )


@pytest.mark.parametrize(
    ("options", "over", "code", "value"),
    [
        ("collect: array", [1, 2], "x * 2", [2, 4]),
        ("collect: first", [1, 2], "x", 1),
        ("collect: last", [1, 2], "x", 2),
        ("collect: first", [], "x", None),
        ("collect: last", [], "x", None),
        ("collect: concat", [1, 2], "[x, x]", [1, 1, 2, 2]),
        ("collect: concat", [1, None, 2], "x && [x]", [1, 2]),
        ("collect: concat", [], "x", []),
        ("collect: object", ["a", "b"], "x + '!'", {"0": "a!", "1": "b!"}),
        (
            "collect: object, key: '{{ x.id }}'",
            [{"id": 7}, {"id": "b"}],
            "x.id",
            {"7": 7, "b": "b"},
        ),
        ("collect: object, key: 'k{{ _item.index }}'", [5, 6], "x", {"k0": 5, "k1": 6}),
        ("collect: object", [], "x", {}),
        # Items that failed.
        ("collect: array, on_error: collect", [1, None, 2], "x.toFixed()", ["1", None, "2"]),
        ("collect: array, on_error: skip", [1, None, 2], "x.toFixed()", ["1", "2"]),
        ("collect: object, on_error: collect", [None, 2], "x.toFixed()", {"0": None, "1": "2"}),
        ("collect: object, on_error: skip", [None, 2], "x.toFixed()", {"1": "2"}),
        ("collect: first, on_error: skip", [None, 2, 3], "x.toFixed()", "2"),
        ("collect: last, on_error: collect", [2, None], "x.toFixed()", "2"),
        ("collect: concat, on_error: collect", [None, 2], "[x.toFixed()]", ["2"]),
    ],
)
def test_collecting(options: str, over: object, code: str, value: object) -> None:
    assert each(options, over, code).raise_for_status().output == value


@pytest.mark.parametrize(
    ("options", "over", "reason"),
    [
        ("collect: object, key: '{{ x }}'", [1, 2, 1], "Two items have the key '1'; the second is item 2"),
        ("collect: object, key: '{{ x }}'", [1, True], "The key of item 1 is not a text"),
        ("collect: object, key: '{{ x.y.z }}'", [1], "cannot read property 'z'"),
        ("collect: concat", [[1], 2], "item 1 gave int"),
        ("on_empty: fail", [], "each.over gave an empty list"),
    ],
)  # fmt: skip
def test_what_cannot_be_collected(options: str, over: object, reason: str) -> None:
    error = each(options, over).error
    assert reason in str(error)
    assert error is not None
    assert error.position is not None


def test_frames_are_joined() -> None:
    text = "nodes: {a: {uses: python, each: {over: [1, 2], collect: concat}, with: {function: f, args: {x: '{{ item }}'}}}}"
    result = run(text, f=lambda x: pd.DataFrame({"x": [x] * x}))
    assert result.df["x"].tolist() == [1, 2, 2]


def test_an_empty_list_may_skip_the_node() -> None:
    text = """
nodes:
  a: {uses: js, each: {over: [], on_empty: skip}, with: {code: item}}
  b: {uses: js, with: {code: a}}
  c: {uses: js, each: {over: []}, with: {code: item}}
"""
    result = run(text).raise_for_status()
    assert {n: result[n].status.value for n in result} == {"a": "skipped", "b": "skipped", "c": "success"}  # fmt: skip


def test_the_key_is_known_to_validation() -> None:
    flow = fl.Flow.from_yaml(
        "nodes:\n  a:\n    uses: js\n    each: {over: [1], as: x, key: '{{ x + nope }}'}\n"
        "    with: {code: x}\n"
    )
    (found,) = flow.validate()
    assert (found.code, found.line) == ("unknown_name", 4)


def test_waits_grow_are_bounded_and_left_to_chance() -> None:
    retry = Retry(attempts=9, backoff=1, max_backoff=10, jitter=0.5)
    assert [retry.wait(n, chance=0.0, asked=None) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert retry.wait(2, chance=1.0, asked=None) == 1
    assert retry.wait(1, chance=0.0, asked=120.0) == 120
    assert retry.wait(6, chance=0.0, asked=3.0) == 10


def test_ten_thousand_items_keep_their_order() -> None:
    text = "nodes: {a: {uses: js, each: {over: '{{ inputs.xs }}'}, with: {code: item * 2}}}\ninputs: {xs: []}"
    assert run(text, {"xs": list(range(10_000))}).output == [2 * n for n in range(10_000)]


def test_items_under_way_end_with_the_first_failure() -> None:
    release, started = threading.Event(), threading.Semaphore(0)

    def work(x: int) -> int:
        started.release()
        if x == 0:
            for _ in range(3):
                started.acquire()
            raise ValueError("no")
        release.wait(30)
        return x

    text = (
        "nodes: {a: {uses: python, each: {over: [0, 1, 2, 3, 4, 5], concurrency: 3}, "
        "with: {function: work, args: {x: '{{ item }}'}}}}"
    )
    result = run(text, work=work)
    release.set()
    assert "item 0" in str(result.error)
