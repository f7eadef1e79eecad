"""``df.flow.map``: templates over the rows of a frame."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.errors import Position
from flowlib_nb.frames import batches
from flowlib_nb.sandbox import Sandbox, pool


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Sandbox]:
    box = Sandbox(time_limit=0.5, memory_limit=16, output_limit=1, workers=1)
    yield box
    box.close()


@pytest.fixture
def several_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    box = Sandbox(time_limit=0.5, memory_limit=16, output_limit=1, workers=3)
    monkeypatch.setattr(pool, "sandbox", lambda: box)
    yield
    box.close()


@pytest.fixture(autouse=True)
def box(shared_box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(pool, "sandbox", lambda: shared_box)
    return shared_box


def flow(frame: pd.DataFrame) -> Any:
    return frame.flow


SALES = pd.DataFrame({"price": [1.5, 2.0, None], "qty": [2, 3, 4], "unit price": ["a", "b", None]})


def test_a_template_gives_a_series() -> None:
    result = flow(SALES).map("{{ price * qty }}")
    pd.testing.assert_series_equal(result, pd.Series([3, 6, pd.NA], dtype="Int64"))
    assert flow(SALES).map("{{ qty }} of {{ row['unit price'] }}").tolist() == [
        "2 of a", "3 of b", "4 of ",
    ]  # fmt: skip


def test_a_mapping_gives_a_frame() -> None:
    result = flow(SALES).map({"total": "{{ qty * 2 }}", "fixed": "text", 5: "{{ qty > 2 }}"})
    assert list(result.columns) == ["total", "fixed", 5]
    assert result["total"].tolist() == [4, 6, 8]
    assert result["fixed"].tolist() == ["text"] * 3
    assert result[5].dtype == bool
    assert flow(SALES).map({}).shape == (3, 0)


def test_a_compiled_template() -> None:
    assert flow(SALES).map(fl.compile_template("{{ qty }}")).tolist() == [2, 3, 4]


def test_the_frame_is_not_changed() -> None:
    before = SALES.copy()
    flow(SALES).map({"a": "{{ row.qty = 5 }}"})
    pd.testing.assert_frame_equal(SALES, before)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["x", "x", "y"], name="key"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)], names=["k", None]),
        pd.date_range("2026-01-01", periods=3, tz="UTC"),
        pd.RangeIndex(5, 11, 2),
        pd.Index([3, None, 1], dtype="Int64"),
    ],
    ids=lambda index: type(index).__name__,
)
def test_the_index_is_kept(index: Any) -> None:
    frame = SALES.set_axis(index)
    result = flow(frame).map("{{ [qty] }}", batch_rows=2)
    assert result.tolist() == [[2], [3], [4]]
    pd.testing.assert_index_equal(result.index, index)
    several = flow(frame).map({"a": "{{ qty }}", "b": "{{ {qty} }}"})
    assert several["b"].tolist() == [{"qty": 2}, {"qty": 3}, {"qty": 4}]
    pd.testing.assert_index_equal(several.index, index)
    pd.testing.assert_index_equal(flow(frame[:0]).map("{{ qty }}").index, index[:0])


@pytest.mark.parametrize(
    ("source", "dtype", "values"),
    [
        ("n", "int64", [1, 2, 3]),
        ("n > 1 ? n : null", "Int64", [pd.NA, 2, 3]),
        ("n > 1", "bool", [False, True, True]),
        ("n > 1 ? true : null", "boolean", [pd.NA, True, True]),
        ("n / 2", "float64", [0.5, 1.0, 1.5]),
        ("n > 1 ? n / 2 : undefined", "float64", [np.nan, 1.0, 1.5]),
        ("'x' + n", pd.Series(["x"]).dtype, ["x1", "x2", "x3"]),
        ("n > 1 ? n : 'x'", "object", ["x", 2, 3]),
        ("null", "object", [None, None, None]),
        ("BigInt(n) ** 70n", "object", [1, 2**70, 3**70]),
        ("n > 1 ? 2n ** 60n : null", "Int64", [pd.NA, 2**60, 2**60]),
    ],
)
def test_dtypes(source: str, dtype: Any, values: list[Any]) -> None:
    result = flow(pd.DataFrame({"n": [1, 2, 3]})).map(f"{{{{ {source} }}}}")
    expected = pd.Series(values, dtype=dtype)
    pd.testing.assert_series_equal(result, expected)


MOMENTS = pd.to_datetime(["2026-01-02T03:04:05", None])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (MOMENTS, ["2026-01-02T03:04:05", None]),
        (MOMENTS.tz_localize("Europe/Berlin"), ["2026-01-02T03:04:05+01:00", None]),
        (pd.to_timedelta(["1D", None]), ["P1D", None]),
        (pd.period_range("2026-01", periods=2, freq="M"), ["2026-01", "2026-02"]),
        (pd.Categorical(["a", None]), ["a", None]),
        (pd.Categorical([MOMENTS[0], None]), ["2026-01-02T03:04:05", None]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
        (pd.array([True, None], dtype="boolean"), [True, None]),
        (pd.array(["a", None], dtype="string"), ["a", None]),
        (pd.array([1, None], dtype="int64[pyarrow]"), [1, None]),
        (pd.array([MOMENTS[0], None], dtype="timestamp[us][pyarrow]"), ["2026-01-02T03:04:05", None]),
        (np.array([1, 2], dtype="uint8"), [1, 2]),
        (np.array([0.5, np.inf], dtype="float32"), [0.5, None]),
        ([decimal.Decimal("1.10"), None], ["1.10", None]),
        ([b"ab", None], ["YWI=", None]),
        ([dt.date(2026, 1, 2), np.int64(5)], ["2026-01-02", 5]),
        ([{"a": [np.nan, np.float64(1.5)]}, pd.NA], [{"a": [None, 1.5]}, None]),
        ([[1, None], np.array([1, 2])], [[1, None], [1, 2]]),
    ],
    ids=str,
)  # fmt: skip
def test_values_of_columns(column: Any, expected: list[Any]) -> None:
    frame = pd.DataFrame(
        {"x": pd.Series(column, dtype=object if isinstance(column, list) else None)}
    )
    result = flow(frame).map("{{ json(x ?? null) }}")
    assert [fl.render("{{ JSON.parse(t) }}", {"t": text}) for text in result] == expected
    assert flow(frame).map("{{ json(row) }}").tolist() == [
        "{}" if text == "null" else f'{{"x":{text}}}' for text in result
    ]


def test_names_of_columns() -> None:
    frame = pd.DataFrame(
        [[1, 2, 3, 4, 5, 6]], columns=["row", "a b", 0, ("t", 1), "class", "values"]
    )
    source = "[row.row, row['a b'], row[0], row['(\\'t\\', 1)'], row.class, values]"
    assert flow(frame).map(f"{{{{ {source} }}}}")[0] == [1, 2, 3, 4, 5, 6]
    assert flow(frame).map("{{ Object.keys(row).length }}")[0] == 6
    # Where only some columns of the row are asked for, only those are sent.
    frame["bad"] = [object()]
    assert flow(frame).map("{{ row.row + row.values }}")[0] == 7
    with pytest.raises(fl.TemplateError, match="no column 'clas'\nDid you mean 'class'"):
        flow(frame).map("{{ row['clas'] }}")
    assert flow(frame[["row"]]).map("{{ typeof row.toString }}")[0] == "function"
    with pytest.raises(fl.TemplateError, match=r"row\.bad: a value of type object"):
        flow(frame).map("{{ Object.keys(row) }}")


def test_two_columns_of_one_name() -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    assert flow(frame).map("{{ b }}")[0] == 3
    for template in ("{{ a }}", "{{ row }}", "{{ row.a }}"):
        with pytest.raises(fl.InputError, match="2 columns named 'a'"):
            flow(frame).map(template)


@pytest.mark.parametrize(
    ("template", "message", "position"),
    [
        ("{{ 1 + * 2 }}", "'*'", Position(1, 8)),
        ("x {{ missing }}", "missing is not defined", Position(1, 6)),
        ({"a": "{{ qty }}", "b": "x {{ missing }}"}, "missing is not defined", Position(1, 6)),
    ],
)
def test_templates_that_are_wrong(template: Any, message: str, position: Position) -> None:
    for frame in (SALES, SALES[:0]):
        with pytest.raises(fl.TemplateError) as caught:
            flow(frame).map(template, on_error="null")
        assert message in caught.value.message
        assert caught.value.position == position


@pytest.mark.parametrize(
    ("template", "options"),
    [
        ("{{ qty }}", {"on_error": "skip"}),
        ("{{ qty }}", {"batch_rows": 0}),
        (5, {}),
        ({"a": ["{{ qty }}"]}, {}),
        ("price * qty", {}),
        ({"a": "price", "b": "qty"}, {}),
        ("{{ qty }}", {"progress": True}),
    ],
)
def test_arguments_that_are_wrong(template: Any, options: Any) -> None:
    with pytest.raises(fl.InputError):
        flow(SALES).map(template, **options)


FAILING = pd.DataFrame({"a": [{"b": 1}, None, {"b": 3}]}, index=["x", "y", "z"])


def test_a_row_that_fails_is_named() -> None:
    with pytest.raises(fl.TemplateError) as caught:
        flow(FAILING).map("{{ 1 +\n a.b }}", batch_rows=1)
    assert caught.value.message.startswith("row 'y': TypeError: cannot read property 'b'")
    assert caught.value.position == Position(2, 3)
    frame = FAILING.set_axis(pd.MultiIndex.from_tuples([("k", 0), ("k", 1), ("k", 2)]))
    with pytest.raises(fl.TemplateError, match=r"row \('k', 1\), column 'c': TypeError"):
        flow(frame).map({"b": "{{ 1 }}", "c": "{{ a.b }}"})
    with pytest.raises(fl.TemplateError, match="row 1: "):
        flow(FAILING.reset_index()).map("{{ a.b }}")


def test_errors_as_missing_values() -> None:
    result = flow(FAILING).map("{{ a.b }}", on_error="null")
    assert result.dtype == "Int64"
    assert result.isna().tolist() == [False, True, False]
    assert result.attrs == {}
    several = flow(FAILING).map({"b": "{{ a.b }}", "c": "{{ 1 }}"}, on_error="null")
    assert several["c"].tolist() == [1, 1, 1]


def test_errors_are_collected() -> None:
    result = flow(FAILING).map("{{ a.b }}", on_error="collect")
    errors = result.attrs["flow_errors"]
    assert [(e["row"], e["label"], e["column"], e["code"]) for e in errors] == [
        (1, "y", None, "runtime")
    ]
    assert "line 1, column 5: template runtime error in {{ a.b }}" in errors[0]["error"]
    several = flow(FAILING).map({"b": "{{ a.b }}", "c": "{{ a.b.c.d }}"}, on_error="collect")
    errors = several.attrs["flow_errors"]
    assert [(e["label"], e["column"]) for e in errors] == [
        ("x", "c"), ("y", "b"), ("y", "c"), ("z", "c"),
    ]  # fmt: skip
    assert flow(SALES).map("{{ qty }}", on_error="collect").attrs["flow_errors"] == []


def test_collected_errors_do_not_disturb_pandas(tmp_path: Path) -> None:
    frame = FAILING.set_axis(pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"]))
    one, two = (flow(frame).map({n: "{{ a.b }}"}, on_error="collect") for n in "xy")
    assert len(pd.concat([one, two], axis=1)) == 3
    one.to_parquet(tmp_path / "one.parquet")
    (error,) = pd.read_parquet(tmp_path / "one.parquet").attrs["flow_errors"]
    assert error["label"] == "2026-01-02 00:00:00"
    assert pd.DataFrame([error])["row"].tolist() == [1]


def test_what_is_missing_stays_missing() -> None:
    frame = pd.DataFrame(
        {
            "price": [10.5, None, np.inf],
            "qty": pd.array([3, 2, None], dtype="Int64"),
            "name": ["a", None, "c"],
            "when": pd.to_datetime(["2026-01-01", None, None]),
        }
    )
    mapped = flow(frame).map(
        {
            "total": "{{ price * qty }}",
            "by_row": "{{ row.price * row.qty }}",
            "plus": "{{ qty + 1 }}",
            "filled": "{{ (price ?? 0) + (row.qty ?? 0) }}",
            "text": "{{ name }}!",
            "year": "{{ new Date(when).getFullYear() }}",
            "there": "{{ price === undefined ? 'no' : 'yes' }}",
        }
    )
    assert mapped["total"].isna().tolist() == [False, True, True]
    assert mapped["by_row"].isna().tolist() == [False, True, True]
    assert mapped["plus"].tolist() == [4, 3, pd.NA]
    assert mapped["filled"].tolist() == [13.5, 2, 0]
    assert mapped["text"].tolist() == ["a!", "!", "c!"]
    assert mapped["year"].tolist() == [2026, pd.NA, pd.NA]
    assert mapped["there"].tolist() == ["yes", "no", "no"]


def test_values_that_cannot_be_sent_are_their_rows_errors() -> None:
    frame = pd.DataFrame(
        {"n": [1, 2**53, 3, 4], "o": pd.Series(["a", "b", object(), "\ud800"], dtype=object)}
    )
    assert flow(frame).map("{{ n }}").tolist() == [1, 2**53, 3, 4]
    with pytest.raises(fl.TemplateError, match="row 2: o: a value of type object has no JSON form"):
        flow(frame).map("{{ o }}")
    result = flow(frame).map("{{ n + String(o) }}", on_error="collect")
    assert result.tolist()[:2] == ["1a", "9007199254740992b"]
    assert result.isna().tolist() == [False, False, True, True]
    errors = result.attrs["flow_errors"]
    assert [error["label"] for error in errors] == [2, 3]
    assert "o: a value of type object has no JSON form" in errors[0]["error"]
    assert "o: a text with half of a surrogate pair" in errors[1]["error"]


def test_rows_that_are_too_much_together_are_split(box: Sandbox) -> None:
    frame = pd.DataFrame({"n": range(2000)})
    # 2000 × 2 kB: more than the output limit of 1 MB.
    sizes = flow(frame).map("{{ 'x'.repeat(2000) }}").str.len()
    assert sizes.tolist() == [2000] * 2000
    # More than the memory limit of 16 MB goes in.
    frame = pd.DataFrame({"s": ["x" * 10_000] * 3000})
    assert flow(frame).map("{{ s.length }}").tolist() == [10_000] * 3000
    # 10 ms each: more than the time limit of 0.5 s.
    frame = pd.DataFrame({"n": range(100)})
    slow = "(() => { let s = 0; for (let i = 0; i < 2e5; i++) s += i; return s })()"
    assert flow(frame).map(f"{{{{ {slow} }}}}").nunique() == 1


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("n === 70 ? (() => { while (true) {} })() : n", "timeout"),
        ("n === 70 ? 'x'.repeat(2 ** 29) : n", "memory"),
        ("n === 70 ? 'x'.repeat(2 ** 21) : n", "output_size"),
    ],
)
def test_one_row_that_reaches_a_limit(source: str, code: str) -> None:
    frame = pd.DataFrame({"n": range(100)})
    result = flow(frame).map(f"{{{{ {source} }}}}", on_error="collect")
    assert result.dtype == "Int64"
    assert result[result.isna()].index.tolist() == [70]
    assert f"template {code} error" in result.attrs["flow_errors"][0]["error"]
    if code != "timeout":
        with pytest.raises(fl.TemplateError, match="row 70: ") as caught:
            flow(frame).map(f"{{{{ {source} }}}}")
        assert caught.value.code == code


@pytest.mark.usefixtures("several_workers")
def test_several_workers_keep_the_order() -> None:
    frame = pd.DataFrame({"n": range(3000)})
    calls: list[int] = []
    result = flow(frame).map("{{ n }}", batch_rows=100, progress=lambda done, _: calls.append(done))
    assert result.tolist() == list(range(3000))
    assert calls == list(range(100, 3001, 100))
    heavy = "{{ n > 1000 && n < 1200 ? 'x'.repeat(20000) : n === 2500 ? 'x'.repeat(2 ** 21) : n }}"
    result = flow(frame).map(heavy, batch_rows=400, on_error="collect")
    assert [error["label"] for error in result.attrs["flow_errors"]] == [2500]
    assert [n for n in range(3000) if result[n] != n and n != 2500] == list(range(1001, 1200))
    with pytest.raises(fl.TemplateError, match="row 2500"):
        flow(frame).map("{{ n < 2500 ? n : n.a.b }}", batch_rows=100)


def test_an_interrupt_ends_it() -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flow(SALES).map("{{ qty }}", batch_rows=1, progress=interrupt)
    assert flow(SALES).map("{{ qty }}").tolist() == [2, 3, 4]


def test_empty_frames() -> None:
    frame = pd.DataFrame({"a": pd.Series([], dtype="int64")}, index=pd.Index([], name="k"))
    result = flow(frame).map("{{ a }}")
    assert (len(result), result.index.name) == (0, "k")
    assert flow(frame).map({"b": "{{ a }}"}).shape == (0, 1)
    assert flow(pd.DataFrame(index=[1, 2])).map("{{ 1 }}").tolist() == [1, 1]


def test_progress() -> None:
    calls: list[tuple[int, int]] = []
    flow(SALES).map("{{ qty }}", batch_rows=2, progress=lambda *call: calls.append(call))
    assert calls == [(2, 3), (3, 3)]


def test_the_progress_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython

    shown: list[Any] = []

    class Handle:
        def update(self, text: Any, raw: bool) -> None:
            shown.append(text)

    def display(text: Any, **_: Any) -> Handle:
        shown.append(text)
        return Handle()

    monkeypatch.setattr(IPython.display, "display", display)
    batches.ProgressLine()(1, 2)
    assert shown == []  # no shell
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(batches, "SHOWN_AFTER", 0.0)
    batches.ProgressLine()(1, 2)
    assert shown == []  # a terminal's
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(batches, "SHOWN_AFTER", 60.0)
    batches.ProgressLine()(1, 2)
    assert shown == []  # not long
    monkeypatch.setattr(batches, "SHOWN_AFTER", 0.0)
    line = batches.ProgressLine()
    line(1000, 2000)
    line(2000, 2000)
    assert shown == [{"text/plain": "1,000 of 2,000 rows"}, {"text/plain": "2,000 of 2,000 rows"}]


CELLS = st.one_of(
    st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=30),
    st.lists(st.none() | st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=30),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30),
    st.lists(st.none() | st.text(), min_size=1, max_size=30),
    st.lists(st.none() | st.booleans(), min_size=1, max_size=30),
    st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 9)), min_size=1, max_size=30),
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CELLS, st.integers(1, 40))
def test_any_column_comes_back(cells: list[Any], batch_rows: int) -> None:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object)})
    result = flow(frame).map("{{ x }}", batch_rows=batch_rows)
    back = [None if item is pd.NA or item != item else item for item in result.tolist()]
    # JavaScript does not tell 1.0 from 1, and writes large numbers with fewer digits.
    assert [float(item) if isinstance(cell, float) else item for item, cell in zip(back, cells, strict=True)] == cells  # fmt: skip
    assert flow(frame).map("{{ row.x }}").equals(result)


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout  # fmt: skip


@pytest.mark.parametrize(
    "imports",
    [
        "import flowlib_nb; assert 'pandas' not in sys.modules; import pandas",
        "import pandas, flowlib_nb",
        "import flowlib_nb, importlib.util; importlib.util.find_spec('pandas'); import pandas",
        "import flowlib_nb, importlib; importlib.reload(flowlib_nb); import pandas; importlib.reload(flowlib_nb)",
        "import flowlib_nb.frames.accessor, pandas",
    ],
)
def test_frames_get_flow_in_whatever_order(imports: str) -> None:
    code = f"""
import sys, warnings
warnings.simplefilter('error', UserWarning)
before = list(sys.meta_path)
{imports}
import pandas
print(pandas.DataFrame(dict(a=[1])).flow.map.__name__)
print([f for f in sys.meta_path if 'flowlib' in type(f).__module__])
print(type(pandas.__spec__.loader).__name__, pandas.__spec__.origin == pandas.__file__)
"""
    assert run(code).splitlines() == ["map", "[]", "SourceFileLoader True"]


def test_a_mapping_may_hold_compiled_templates_and_names_the_column_that_is_wrong() -> None:
    mapped = flow(SALES).map({"a": fl.compile_template("{{ qty + 1 }}"), "b": "x"})
    assert mapped["a"].tolist() == [3, 4, 5]
    assert mapped["b"].tolist() == ["x"] * 3
    with pytest.raises(fl.TemplateError, match="column 'b': "):
        flow(SALES).map({"a": "{{ qty }}", "b": "{{ qty + }}"})
    with pytest.raises(fl.TemplateError, match="'class' is a word of JavaScript"):
        flow(SALES).map("{{ class }}")
    with pytest.raises(fl.TemplateError, match="Did you mean 'price'"):
        flow(SALES).map("{{ pric * qty }}")
