"""Each row of the tables in ``flowlib_nb.templates.values``, in both engines."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlib_nb.errors import TemplateError
from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import compile_value
from flowlib_nb.templates.render import Fault, render_rows
from flowlib_nb.templates.values import to_json


@pytest.fixture(scope="module", params=["wasm", "native"])
def engine(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    box = Sandbox(engine=request.param, time_limit=5.0, memory_limit=32, workers=1)
    yield box
    box.close()


@pytest.fixture(scope="module")
def wasm() -> Iterator[Sandbox]:
    box = Sandbox(time_limit=5.0, memory_limit=32, workers=1)
    yield box
    box.close()


def evaluated(engine: Sandbox, template: str, **scope: Any) -> Any:
    texts = {name: to_json(value) for name, value in scope.items()}
    (result,) = render_rows(compile_value(template), texts, sandbox=engine)
    if isinstance(result, Fault):
        raise result.error
    return result


@dataclass
class Point:
    x: int


class Number(int):
    pass


class Text(str):
    __slots__ = ()


UTC = dt.UTC
LARGEST = 2**53 - 1  # of which a number keeps all digits
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5)
CYCLE: list[Any] = []
CYCLE.append(CYCLE)

IN = [
    (None, None),
    (pd.NA, None),
    (pd.NaT, None),
    (np.datetime64("NaT"), None),
    (np.timedelta64("NaT"), None),
    (True, True),
    ("é😀\x00", "é😀\x00"),
    ({"a": {1: [1, (2,)]}}, {"a": {"1": [1, [2]]}}),
    (OrderedDict(a=1), {"a": 1}),
    (defaultdict(list, a=[1]), {"a": [1]}),
    ({"__proto__": 1}, {"__proto__": 1}),
    ({5}, [5]),
    (frozenset({5}), [5]),
    (Point(1), {"x": 1}),
    (LARGEST, LARGEST),
    (-LARGEST, -LARGEST),
    (Number(7), 7),
    (Text("a"), "a"),
    (1.5, 1.5),
    (1e300, 1e300),
    (float(2**60), 1152921504606847000),  # the digits that JavaScript writes
    (0.12345678901234567, 0.12345678901234567),
    (-0.0, 0),
    (float("nan"), None),
    (float("inf"), None),
    (float("-inf"), None),
    (MOMENT, "2026-01-02T03:04:05"),
    (MOMENT.replace(tzinfo=UTC), "2026-01-02T03:04:05Z"),
    (MOMENT.date(), "2026-01-02"),
    (MOMENT.time(), "03:04:05"),
    (pd.Timestamp(MOMENT), "2026-01-02T03:04:05"),
    (pd.Timestamp("2026-01-02T03:04:05.123456789"), "2026-01-02T03:04:05.123456789"),
    (pd.Timestamp(MOMENT, tz="Europe/Berlin"), "2026-01-02T03:04:05+01:00"),
    (dt.timedelta(days=1, seconds=2), "P1DT2S"),
    (pd.Timedelta(days=1, seconds=2), "P1DT2S"),
    (decimal.Decimal("1.10"), "1.10"),
    (decimal.Decimal("9" * 30), "9" * 30),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (pd.Period("2026-01", "M"), "2026-01"),
    (b"ab", "YWI="),
    (bytearray(b"ab"), "YWI="),
    (np.bool_(True), True),
    (np.int64(5), 5),
    (np.uint8(5), 5),
    (np.float32(0.5), 0.5),
    (np.float64("nan"), None),
    (np.longdouble(0.5), 0.5),
    (np.str_("a"), "a"),
    (np.bytes_(b"ab"), "YWI="),
    (np.datetime64("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
    (np.datetime64("2026-01-02T03:04:05.000000001", "ns"), "2026-01-02T03:04:05.000000001"),
    (np.timedelta64(2, "s"), "PT2S"),
    (np.timedelta64(2_000_000_000, "ns"), "PT2S"),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array(5), 5),
    (np.array([1.5, np.nan]), [1.5, None]),
    (np.array(["2026-01-02", "NaT"], dtype="datetime64[D]"), ["2026-01-02", None]),
    (np.array([1, "a", None], dtype=object), [1, "a", None]),
    (pd.Index([1, 2]), [1, 2]),
    (pd.array([1, None], dtype="Int64"), [1, None]),
    (pa.scalar(5), 5),
    (pa.scalar(None), None),
    (pa.array([1, None]), [1, None]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), IN, ids=lambda value: repr(value)[:40])
def test_from_python(engine: Sandbox, value: Any, expected: Any) -> None:
    assert evaluated(engine, "{{ v }}", v=value) == expected
    assert evaluated(engine, "{{ [v] }}", v={"k": [value]}) == [{"k": [expected]}]
    same = {type(None): "v === null", list: "isArray(v)", dict: "isObject(v)"}
    kinds = {bool: "boolean", str: "string", int: "number", float: "number"}
    check = same.get(type(expected)) or f"typeof v === '{kinds[type(expected)]}'"
    assert evaluated(engine, f"{{{{ {check} }}}}", v=value) is True


@pytest.mark.parametrize(
    "value",
    [
        "\ud800", {"\udc00": 1}, CYCLE, {"k": CYCLE}, object(), 1j, np.complex128(1j), lambda: 1, 10**5000, int,
        pd.Interval(0, 1), (i for i in ()), memoryview,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_cannot_be_sent(value: Any) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        to_json([value])


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**53),
        2**64,
        [1, 2**53, 1.5, 12345678901234567.5],
        {"a": [{"id": 1}, {"id": 2**60}]},
        [12345678901234567.5, "1,1234567890123456789,2", 2**63],
        np.int64(2**62),
        10**4000,
    ],
)
def test_integers_beyond_keep_their_digits(engine: Sandbox, value: Any) -> None:
    assert evaluated(engine, "{{ v }}", v=value) == value
    rows = [{"v": 0}, {"v": value}]
    assert render_rows(compile_value("{{ v }}"), {}, rows, sandbox=engine) == [0, value]


def test_integers_beyond_are_bigints(engine: Sandbox) -> None:
    assert evaluated(engine, "{{ typeof v }}", v=2**53) == "bigint"
    assert evaluated(engine, "{{ typeof v }}", v=2**53 - 1) == "number"
    assert evaluated(engine, "{{ v + 1n }}", v=2**60) == 2**60 + 1
    assert evaluated(engine, "id {{ v }}", v=2**60 + 1) == f"id {2**60 + 1}"
    assert evaluated(engine, "{{ v.find(r => r.id == 1152921504606846977n).n }}",
                     v=[{"id": 2**60, "n": 1}, {"id": 2**60 + 1, "n": 2}]) == 2  # fmt: skip
    with pytest.raises(TemplateError, match=r"(?i)bigint"):
        evaluated(engine, "{{ v + 1 }}", v=2**60)


@pytest.mark.parametrize(
    "value",
    ["1234567890123456789", ",12345678901234567890,", "[1234567890123456789]", 1.2345678901234567,
     {"k:1234567890123456789,": 1}, 1234567890123456.8, 1e22, [0.1234567890123456, 9007199254740991],
     "!", "!{}"],
)  # fmt: skip
def test_what_only_looks_like_a_large_integer_stays(engine: Sandbox, value: Any) -> None:
    for item in (value, [value], {"a": value}):
        assert evaluated(engine, "{{ v }}", v=item) == item


LEAVES = st.none() | st.integers(-(2**66), 2**66) | st.floats(-1e15, 1e15) | st.text("0123456789,[]:\"-e.!")  # fmt: skip
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@settings(max_examples=300)
@given(value=NESTED)
def test_any_value_comes_back(wasm: Sandbox, value: Any) -> None:
    assert evaluated(wasm, "{{ v }}", v=value) == value


OUT = [
    ("null", None),
    ("undefined", None),
    ("NaN", None),
    ("-1 / 0", None),
    ("true", True),
    ("'é😀\\0'", "é😀\x00"),
    ("[1, {a: 'b'}]", [1, {"a": "b"}]),
    ("5", 5),
    ("5.0", 5),
    ("-0", 0),
    ("5.5", 5.5),
    ("2 ** 53 - 1", 2**53 - 1),
    ("2 ** 60", 1152921504606847000),
    ("1e20", 10**20),
    ("1e21", 1e21),
    ("10n", 10),
    ("2n ** 64n", 2**64),
    ("-(2n ** 200n)", -(2**200)),
    ("[{a: 2n ** 64n}, Object(3n)]", [{"a": 2**64}, 3]),
    ("BigInt(2 ** 53 - 1) + 2n", 2**53 + 1),
    ("10n ** 4299n", 10**4299),
    ("'\"10n\"'", '"10n"'),
    ("new Date(0)", "1970-01-01T00:00:00.000Z"),
    ("[new Date(NaN)]", [None]),
    ("new Set([1, 'a', 1])", [1, "a"]),
    ("(() => { const s = new Set([1]); return [s, s] })()", [[1], [1]]),
    ("new Map([['a', 1], [2, new Map([['__proto__', 3]])]])", {"a": 1, "2": {"__proto__": 3}}),
    ("Map.groupBy([1, 2, 3], x => x % 2 ? 'odd' : 'even')", {"odd": [1, 3], "even": [2]}),
    ("({toJSON() { return [7] }})", [7]),
    ("({a: undefined, b: () => 1, c: [undefined, () => 1, NaN]})", {"c": [None, None, None]}),
]


@pytest.mark.parametrize(("source", "expected"), OUT, ids=lambda value: str(value)[:40])
def test_from_javascript(engine: Sandbox, source: str, expected: Any) -> None:
    result = evaluated(engine, f"{{{{ {source} }}}}")
    assert (result, type(result)) == (expected, type(expected))
    assert evaluated(engine, f"{{{{ {{k: [{source}]}} }}}}") == {"k": [expected]}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("new Set([1, 2n])", "[1,2]"),
        ("new Map([['a', 2n ** 64n]])", '{"a":18446744073709551616}'),
        ("2n ** 64n", "18446744073709551616"),
        ("({toJSON() {}})", ""),
        ("json([1n])", "[1]"),
    ],
)
def test_inside_text(engine: Sandbox, source: str, text: str) -> None:
    assert evaluated(engine, f"<{{{{ {source} }}}}>") == f"<{text}>"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("10n ** 4300n", "more than 4300 digits"),
        ("[-(10n ** 4300n)]", "more than 4300 digits"),
        ("(() => { const a = {}; a.a = a; return a })()", "circular"),
        ("(() => { const m = new Map(); m.set(1, m); return m })()", "circular"),
        ("(() => { const s = new Set(); s.add([s]); return s })()", "circular"),
        ("new Map([[1, 1], ['1', 2]])", "same text"),
        ("new Map([[Symbol.iterator, 1]])", "Symbol|symbol"),
        ("'\\ud800'", "surrogate"),
        ("[{a: 'x\\udc00'}]", "surrogate"),
        ("() => 1", "function"),
        ("Symbol('a')", "symbol"),
        ("Promise.resolve(1)", "promise"),
    ],
)
def test_errors_from_javascript(engine: Sandbox, source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        evaluated(engine, f"{{{{ {source} }}}}")
    assert caught.value.code == "runtime"


def test_a_thrown_half_of_a_pair_is_still_an_error(engine: Sandbox) -> None:
    with pytest.raises(TemplateError):
        evaluated(engine, "{{ (() => { throw new Error('\\ud800') })() }}")


@settings(max_examples=50, deadline=None)
@given(st.integers(-(10**40), 10**40))
def test_any_bigint_comes_out_exactly(engine: Sandbox, number: int) -> None:
    assert evaluated(engine, "{{ BigInt(v) * 10n + 1n }}", v=str(number)) == number * 10 + 1
