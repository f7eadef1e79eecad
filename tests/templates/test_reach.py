"""Only what templates can reach of a value is sent, and they cannot tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import compile_value
from flowlib_nb.templates.reach import Reach, Way, reach_of, reached
from flowlib_nb.templates.render import Fault, render_rows
from flowlib_nb.templates.values import to_json

STEPS = ["a", "b", "0", "length", "toString", "constructor", "__proto__", "at", 0, 1, 5]
KEYS = st.sampled_from([str(step) for step in STEPS])
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.sampled_from(["", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
WAYS = st.lists(st.sampled_from(STEPS), max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("ways", "reach"),
    [
        ([], {}),
        ([()], {}),
        ([("a",)], {"a": {}}),
        ([("a", "b"), ("a", 0)], {"a": {"b": {}, 0: {}}}),
        ([("a", "b"), ("a",)], {"a": {}}),
        ([("a",), ("a", "b", "c"), ("d",)], {"a": {}, "d": {}}),
        ([("a",), (), ("b",)], {}),
    ],
)
def test_ways_make_a_reach(ways: list[Way], reach: Reach) -> None:
    assert reach_of(ways) == reach


@pytest.mark.parametrize(
    ("value", "ways", "part"),
    [
        ({"a": 1, "b": 2}, [("a",)], {"a": 1}),
        ({"a": 1}, [("b", "c")], {}),
        ({"a": {"b": 1, "c": 2}}, [("a", "b")], {"a": {"b": 1}}),
        ([10, 11, 12], [(1,), (7,)], {"1": 11}),
        ([{"a": 1, "b": 2}] * 3, [(2, "b", "toFixed")], {"2": {"b": 2}}),
        ([10, 11], [("length",)], {"length": 2}),
        ([10, 11], [(0,), ("length",)], {"0": 10, "length": 2}),
        ([10, 11], [("length", "toFixed")], {"length": 2}),
        ([10, 11], [(0,), ("map",)], [10, 11]),
        ({"a": 1, "b": 2}, [("toString",)], {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, [("a",), ("hasOwnProperty",)], {"a": 1, "b": 2}),
        ({"a": [1, 2]}, [("a", "at")], {"a": [1, 2]}),
        ({1: "one", 2: "two"}, [(1,)], {1: "one", 2: "two"}),
        ({"1": "s", 1: "i"}, [(1,)], {"1": "s", 1: "i"}),
        ({"1": "one", "2": "two"}, [(1,)], {"1": "one"}),
        ({1: "one", 2: "two"}, [("1",)], {1: "one", 2: "two"}),
        ("text", [("length",)], "text"),
        (None, [("a",)], None),
    ],
)
def test_the_part_that_is_reached(value: object, ways: list[Way], part: object) -> None:
    assert reached(value, reach_of(ways)) == part


def test_what_a_member_is_replaced_by() -> None:
    def whole(way: Way, value: Any) -> Any:
        return way, value

    value = {"a": {"b": 1}, "c": [5]}
    assert reached(value, {}, whole) == ((), value)
    reach = reach_of([("a", "b"), ("c", 0)])
    assert reached(value, reach, whole) == {
        "a": {"b": (("a", "b"), 1)},
        "c": {"0": (("c", 0), 5)},
    }


def chain(way: Way, start: str) -> str:
    return start + "".join(f"?.[{json.dumps(step)}]" for step in way)


@given(VALUES, st.lists(WAYS, min_size=1, max_size=4))
def test_code_cannot_tell(box: Sandbox, value: object, ways: list[Way]) -> None:
    # Through another name the same value is used as a whole.
    shown = "((v) => typeof v === 'function' ? v.name : v === undefined ? 'undefined' : v)"
    direct = [f"{{{{ {shown}({chain(way, 'x')}) }}}}" for way in ways]
    alias = [f"{{{{ ((y) => {shown}({chain(way, 'y')}))(x) }}}}" for way in ways]
    part, whole = compile_value(direct), compile_value(alias)
    assert whole.reaches["x"] == {}
    text = to_json(reached(value, part.reaches["x"]))
    (sent,) = render_rows(part, {"x": text}, sandbox=box)
    (expected,) = render_rows(whole, {"x": to_json(value)}, sandbox=box)
    assert not isinstance(expected, Fault)
    assert sent == expected
    # As one of a row's values, too.
    assert render_rows(part, {}, [{"x": value}], sandbox=box) == [expected]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ (x.f = function () { return this.a }, x.f()) }}", 1),
        ("{{ (x.f = function () { return this.a }, x.f`q`) }}", 1),
        ("{{ (x.f = function () { return this.a }, x?.f?.()) }}", 1),
        ("{{ (x['f'] = function () { return this.a }, x['f']()) }}", 1),
        ("{{ (x.b.f = function () { return this.c }, x.b.f()) }}", 2),
        ("{{ (y[0] = function () { return this.length }, y[0]()) }}", 2),
        (r"{{ x.b.\u{63} }}", 2),
        (r"{{ x.\u0062.c }}", 2),
        ("{{ Object.keys(x.b.d ??= {e: 1}) }}", ["e"]),
        ("{{ (x.b.c++, x.b.c) }}", 3),
        ("{{ [x.b].map(function (b) { return b.c }) }}", [2]),
        ("{{ arguments.length >= 0 }}", True),
    ],
)
def test_roundabout_ways(box: Sandbox, template: str, value: object) -> None:
    scope = {"x": {"a": 1, "b": {"c": 2}}, "y": [5, 6], "arguments": 1, "eval": 2}
    assert fl.render(template, scope) == value


def test_only_what_is_reached_has_to_have_a_json_form() -> None:
    scope = {"a": {"b": 1, "c": object()}}
    assert fl.render("{{ a.b }}", scope) == 1
    with pytest.raises(TypeError, match="a value of type object"):
        fl.render("{{ a }}", scope)
