from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.frames import row_count, to_frame, to_plain
from flowlib_nb.frames.convert import MixedColumnError, from_arrow, is_table, to_arrow

RESPONSE = {"status": 200, "headers": {}, "url": "", "body": {"x": 1}}


@pytest.mark.parametrize(
    ("value", "columns", "rows"),
    [
        ([{"a": 1}, {"b": 2}], ["a", "b"], 2),
        ([1, None], ["value"], 2),
        ([], ["value"], 0),
        ({"a": [1, 2], "b": ["x", "y"]}, ["a", "b"], 2),
        ({"a": 1, "b": [1, 2]}, ["a", "b"], 1),
        ("text", ["value"], 1),
        (None, [], 0),
        ({"status": 200, "headers": {}, "url": "", "body": [{"x": 1}]}, ["x"], 1),
        (pd.Series([1, 2], name="s"), ["s"], 2),
        ([{"a": {"b": [1]}}], ["a"], 1),
        ([{"a": 1}, None, {"b": 2}], ["a", "b"], 3),
        ([None, None], ["value"], 2),
        ([RESPONSE, None, RESPONSE], ["x"], 3),
    ],
)
def test_every_value_is_a_frame(value: object, columns: list[str], rows: int) -> None:
    frame = to_frame(value)
    assert list(frame.columns) == columns
    assert len(frame) == rows


def test_integers_and_booleans_survive_gaps() -> None:
    frame = to_frame([{"n": 2**53 + 1, "b": True}, {"n": None, "b": None}, {}])
    assert frame["n"].dtype == "Int64"
    assert frame["n"][0] == 2**53 + 1
    assert frame["b"].dtype == "boolean"


def test_a_failed_iteration_is_a_row_of_gaps() -> None:
    frame = to_frame([{"n": 1}, None])
    assert frame["n"].dtype == "Int64"
    assert frame["n"].isna().tolist() == [False, True]


def test_integers_beyond_64_bits_stay_whole() -> None:
    assert to_frame([{"n": 2**70}, {"n": None}])["n"][0] == 2**70


def test_a_frame_is_itself() -> None:
    frame = pd.DataFrame({"a": [1]})
    assert to_frame(frame) is frame
    assert row_count(frame) == 1


def test_frames_become_records_at_any_depth() -> None:
    frame = pd.DataFrame({"n": [1, 2], "x": [1.5, None]})
    plain = to_plain({"rows": frame, "list": [frame["n"]], "other": "text"})
    assert plain == {
        "rows": [{"n": 1, "x": 1.5}, {"n": 2, "x": None}], "list": [[1, 2]], "other": "text",
    }  # fmt: skip
    assert type(plain["rows"][0]["n"]) is int


@pytest.mark.parametrize(
    "value",
    [[1, 2], None, "x", [], {"a": 1}, {"a": [1, 2]}, {"a": [], "b": []}, [{"a": 1}, {"a": 2}]],
)
def test_rows_are_counted_without_a_frame(value: object) -> None:
    assert row_count(value) == len(to_frame(value))


@pytest.mark.parametrize(
    "value",
    [
        [{"a": 1}, None, {"b": "x"}],
        {"a": [1, 2], "b": ["x", None]},
        {"a": 1, "b": [{"c": 2}, {"c": 3}]},
        [1, 2, None],
        "text",
        None,
        [RESPONSE, RESPONSE],
        pd.Series([1.5], name="s"),
        pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), 3: ["x", "y"]}),
        pa.table({"n": [1, None]}),
    ],
    ids=repr,
)
def test_arrow_tables_have_the_columns_of_frames(value: object) -> None:
    table, frame = to_arrow(value), to_frame(value)
    assert table.column_names == [str(name) for name in frame.columns]
    assert len(table) == len(frame) == row_count(value)
    for name, column in zip(frame.columns, table.columns, strict=True):
        missing = frame[name].isna().tolist()
        found = column.to_pylist()
        assert [item is None for item in found] == missing
        known = [
            item for item in frame[name].tolist() if not isinstance(item, float) or item == item
        ]
        assert [item for item in found if item is not None] == [
            i for i in known if i is not None and i is not pd.NA
        ]


def test_arrow_keeps_structure_and_types() -> None:
    rows = [
        {"o": {"a": 1}, "l": [{"b": [1]}], "u": UUID(int=1), "x": Decimal("1.10"), "n": 2**63 - 1},
        {"o": {"c": "x"}, "l": None, "u": None, "x": Decimal("20"), "n": None},
    ]
    frame = from_arrow(to_arrow(rows))
    assert frame["o"].tolist() == [{"a": 1, "c": None}, {"a": None, "c": "x"}]
    assert frame["l"].tolist() == [[{"b": [1]}], None]
    assert frame["u"].tolist()[0] == "00000000-0000-0000-0000-000000000001"
    assert frame["x"].tolist() == [Decimal("1.10"), Decimal("20.00")]
    assert frame["n"].dtype == "Int64"
    assert frame["n"][0] == 2**63 - 1


@pytest.mark.parametrize(
    "items",
    [
        [1, "x"],
        [True, 1],
        [{"a": 1}, 2],
        [2**70, 1],
        [object()],
        [datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)],
    ],
)
def test_mixed_columns_are_named(items: list) -> None:
    with pytest.raises(MixedColumnError, match="column 'v'"):
        to_arrow([{"v": item} for item in items])


def test_frames_from_arrow() -> None:
    table = pa.table(
        {
            "total": pa.array([Decimal(3), None], pa.decimal128(38, 0)),
            "large": pa.array([Decimal(2**70), None], pa.decimal128(38, 0)),
            "price": pa.array([Decimal("1.10"), None], pa.decimal128(9, 2)),
            "small": pa.array([1, None], pa.int8()),
            "yes": pa.array([True, None]),
            "day": pa.array([date(2024, 2, 3), None]),
            "zoned": pa.array([0, None], pa.timestamp("ms", "Europe/Berlin")),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        }
    )
    frame = from_arrow(table)
    assert [str(frame[name].dtype) for name in ("total", "small", "yes")] == [
        "Int64",
        "Int8",
        "boolean",
    ]
    assert frame["large"].tolist() == [2**70, None]
    assert frame["price"][0] == Decimal("1.10")
    assert from_arrow(table, exact=False)["price"].dtype == "float64"
    assert frame["day"][0] == date(2024, 2, 3)
    assert str(frame["zoned"].dt.tz) == "Europe/Berlin"
    assert frame["map"].tolist() == [{"k": 1}, None]


def test_frames_from_arrow_may_have_columns_of_one_name_or_none() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])
    assert from_arrow(table).to_numpy().tolist() == [[1, 2]]
    assert from_arrow(pa.table({})).shape == (0, 0)


def test_tables_are_frames_of_any_library_that_speaks_arrow() -> None:
    class Other:
        columns = ("n",)

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.table({"n": [1, None]}).__arrow_c_stream__(requested_schema)

        def __len__(self) -> int:
            return 2

    for value in (Other(), pa.table({"n": [1, None]}), pa.record_batch({"n": [1, None]})):
        assert is_table(value)
        assert to_frame(value)["n"].dtype == "Int64"
        assert row_count(value) == len(to_arrow(value)) == 2
    assert not any(is_table(value) for value in (pd.Series([1]), [], {}, None, pd.DataFrame))


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_integers_survive_arrow(items: list[int | None]) -> None:
    for value in ([{"n": item} for item in items], to_frame([{"n": item} for item in items])):
        found = from_arrow(to_arrow(value))["n"].tolist()
        assert [None if pd.isna(item) else item for item in found] == items
