from __future__ import annotations

import pandas as pd
import pytest

from flowlib_nb.frames import row_count, to_frame, to_plain

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


@pytest.mark.parametrize("value", [[1, 2], None, "x", [], {"a": 1}, [{"a": 1}, {"a": 2}]])
def test_rows_are_counted_without_a_frame(value: object) -> None:
    assert row_count(value) == len(to_frame(value))
