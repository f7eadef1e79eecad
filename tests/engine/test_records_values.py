"""Values as JSON of a limited size, without secrets, and back."""

from __future__ import annotations

import json
import threading
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.engine.records.values import StoredValue, clean_text, pack, unpack
from flowlib_nb.models.secret import MASK, Secret

CANARY = "canary-91f0c3ab"
LIMIT = 100_000


def same(text: str) -> str:
    return text


def redact(text: str) -> str:
    return text.replace(CANARY, MASK)


def raw(stored: StoredValue) -> bytes:
    return zlib.decompress(stored.content) if stored.encoding == "zlib" else stored.content


def back(value: Any, redact: Any = same, limit: int = LIMIT) -> Any:
    return unpack(pack(value, redact, limit))


class Shy:
    def __repr__(self) -> str:
        return CANARY

    __str__ = __repr__


@dataclass
class Order:
    id: int
    note: object


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        ("grüße\n\0", "grüße\n\0"),
        ("half \ud800", "half ?"),
        ([1, (2, 3), {4}], [1, [2, 3], [4]]),
        ({"a": {"b": []}, 3: {}, None: 1}, {"a": {"b": []}, "3": {}, "null": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(days=1), "P1D"),
        (Decimal("1.10"), "1.10"),
        (b"ab", "YWI="),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        (np.array(["2020-01-01"], dtype="M8[D]"), ["2020-01-01"]),
        (pd.Series([1.0, None]), [1.0, None]),
        (pa.array([1, None]), [1, None]),
        (pd.Timestamp("2020-01-01"), "2020-01-01T00:00:00"),
        (Order(1, "x"), {"id": 1, "note": "x"}),
        (Shy(), "<object of type Shy>"),
        ([1, Shy(), Order(2, Shy())], [1, "<object of type Shy>", {"id": 2, "note": "<object of type Shy>"}]),
        ({Shy(): 1}, {"<object of type Shy>": 1}),
        ({"df": pd.DataFrame({"a": [1, None]})}, {"df": [{"a": 1.0}, {"a": None}]}),
        pytest.param(10**5000, "<integer of 16610 bits>", id="huge"),
    ],
)  # fmt: skip
def test_values_and_what_becomes_of_them(value: object, expected: object) -> None:
    assert back(value) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)  # fmt: skip


@given(value=JSON, limit=st.integers(min_value=20, max_value=400))
def test_json_is_valid_within_the_limit_and_whole_where_it_fits(value: Any, limit: int) -> None:
    stored = pack(value, same, limit)
    text = raw(stored)
    assert len(text) <= limit
    read = json.loads(text)
    whole = raw(pack(value, same, 10**6))
    assert stored.truncated == (len(whole) > limit)
    if not stored.truncated:
        assert read == json.loads(whole)


@given(value=JSON)
def test_what_is_small_comes_back_as_it_was(value: Any) -> None:
    def clean(part: Any) -> Any:
        if isinstance(part, str):
            return part.encode("utf-8", "replace").decode()
        if isinstance(part, list):
            return [clean(item) for item in part]
        if isinstance(part, dict):
            return {clean(key): clean(item) for key, item in part.items()}
        return part

    assert back(value) == clean(value)


def test_frames_come_back_with_their_types() -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "b": [True, False],
            "f": [1.5, None],
            "t": pd.to_datetime(["2020-01-01 00:00:00.123456789", None]),
            "z": pd.to_datetime(["2020-01-01", None], utc=True),
            "d": pd.to_timedelta(["1 days 2 s", None]),
            "c": pd.Categorical(["x", None]),
            "s": ["text", None],
            "o": pd.Series([[1, 2], {"k": 1}], dtype=object),
        }
    )
    stored = pack(frame, same, LIMIT)
    assert (stored.shape, stored.rows, stored.truncated) == ("frame", 2, False)
    pd.testing.assert_frame_equal(unpack(stored), frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": pd.Series([], dtype="int64"), "b": pd.Series([], dtype="float64")}),
        pd.DataFrame([[1, 2.5]], columns=["x", "x"]),
    ],
)
def test_odd_frames_come_back(frame: pd.DataFrame) -> None:
    read = back(frame)
    assert read.shape == frame.shape
    assert list(read.columns) == list(frame.columns)
    assert list(read.dtypes) == list(frame.dtypes)


def test_of_a_long_list_the_first_whole_rows_are_kept() -> None:
    rows = [{"id": number, "name": f"row {number}"} for number in range(50_000)]
    stored = pack(rows, same, 10_000)
    kept = unpack(stored)
    assert (stored.rows, stored.truncated) == (50_000, True)
    assert kept == rows[: len(kept)]
    assert 5_000 < len(raw(stored)) <= 10_000


def test_of_a_long_frame_the_first_whole_rows_are_kept() -> None:
    frame = pd.DataFrame({"id": range(200_000), "name": "a name"})
    stored = pack(frame, same, 10_000)
    kept = unpack(stored)
    assert (stored.rows, stored.truncated, len(kept) > 200) == (200_000, True, True)
    pd.testing.assert_frame_equal(kept, frame.head(len(kept)))


def test_what_is_short_beside_a_long_list_is_kept() -> None:
    response = {"status": 200, "headers": {"a": "b"}, "body": list(range(10**5)), "url": "http://x"}
    stored = pack({"body": response["body"], "total": 5}, same, 2_000)
    assert unpack(stored)["total"] == 5
    stored = pack(response, same, 2_000)
    assert (stored.rows, stored.truncated) == (10**5, True)
    kept = unpack(stored)
    assert (kept["status"], kept["headers"], kept["url"]) == (200, {"a": "b"}, "http://x")
    assert kept["body"] == list(range(len(kept["body"])))
    assert len(kept["body"]) > 100


def test_what_takes_exactly_the_limit_is_whole() -> None:
    rows = [{"id": number, "t": "ü\n"} for number in range(300)]
    size = len(raw(pack(rows, same, LIMIT)))
    assert not pack(rows, same, size).truncated
    assert pack(rows, same, size - 1).truncated


def test_of_long_bytes_the_first_are_kept() -> None:
    stored = pack(b"abc" * 10_000, same, 1_000)
    assert (stored.truncated, unpack(stored)[:8]) == (True, "YWJjYWJj")
    assert 500 < len(raw(stored)) <= 1_000


def test_no_more_is_looked_at_than_is_kept() -> None:
    seen = 0

    class Counting(list[int]):
        def __iter__(self) -> Any:
            nonlocal seen
            for item in super().__iter__():
                seen += 1
                yield item

    pack(Counting(range(1_000_000)), same, 3_000)
    assert seen < 10_000


@pytest.mark.parametrize(
    "value",
    [
        CANARY,
        f"a {CANARY} b",
        {CANARY: CANARY},
        [{"deep": [[f"x{CANARY}"]]}],
        (CANARY, {CANARY}),
        CANARY.encode(),
        bytearray(b"\xff" + CANARY.encode()),
        Order(1, CANARY),
        pd.DataFrame({"a": [1, 2], CANARY: ["x", CANARY]}),
        {"rows": pd.DataFrame({CANARY: [CANARY]})},
        pd.Series([CANARY]),
        pd.Categorical([CANARY]),
        np.array([CANARY], dtype=object),
        pa.array([CANARY]),
        Secret(CANARY),
        [Order(1, Secret(CANARY))],
        pd.DataFrame({"a": [Secret(CANARY)]}),
        Shy(),
        {Shy(): Shy()},
        type(CANARY, (), {})(),
    ],
)
def test_no_secret_is_kept(value: Any) -> None:
    for limit in (LIMIT, 60, 40):
        stored = pack(value, redact, limit)
        text = raw(stored)
        assert CANARY.encode() not in text
        assert CANARY not in str(unpack(stored))
        import base64

        for shift in range(3):
            encoded = base64.b64encode(b"x" * shift + CANARY.encode())[4:-4]
            assert encoded not in text
        assert CANARY not in repr(stored)


def test_secrets_that_json_writes_otherwise_or_that_are_numbers() -> None:
    secret = 'pass"wo\\rd\nü'
    assert back({"a": f"<{secret}>"}, lambda text: text.replace(secret, MASK)) == {"a": f"<{MASK}>"}
    pin = lambda text: text.replace("73519264", MASK)  # noqa: E731
    assert back({"pin": 73519264, "n": 1, "x": 1.73519264}, pin) == {
        "pin": MASK,
        "n": 1,
        "x": f"1.{MASK}",
    }
    frame = back(pd.DataFrame({"pin": [73519264, 1]}), pin)
    assert frame["pin"].tolist() == [MASK, 1]


def test_no_half_of_a_secret_is_left_where_a_text_is_cut() -> None:
    for place in range(50, 110):
        kept = back("x" * place + CANARY + "y" * 500, redact, 100)
        assert kept.strip("xy") in ("", *(MASK[:length] for length in range(1, 5)))


def test_endless_and_deep_values_end() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert "<nested too deeply>" in str(back(endless))
    wide: list[Any] = []
    wide += [wide, wide]
    assert pack(wide, same, 5_000).truncated
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert "<nested too deeply>" in str(back(deep))


def test_what_another_thread_changes_meanwhile_never_fails() -> None:
    shared: dict[str, Any] = {str(number): [number] * 20 for number in range(300)}
    frame = pd.DataFrame({"a": range(3000)})
    stop = threading.Event()

    def change() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            shared.pop(str(turn % 300), None)
            shared[f"n{turn % 500}"] = {"a": turn}
            for items in list(shared.values()):
                items.clear()
            frame[f"c{turn % 7}"] = turn
            if turn % 3 == 0:
                del frame[frame.columns[-1]]

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(150):
            json.loads(raw(pack(shared, same, 20_000)))
            json.loads(raw(pack(frame, same, 20_000)))
    finally:
        stop.set()
        changer.join()


def test_an_object_that_is_not_what_it_says() -> None:
    class Broken(dict[str, int]):
        def items(self) -> Any:
            raise OSError(CANARY)

    assert back(Broken(a=1)) == "<object of type Broken>"


def test_a_fault_of_the_redaction_is_never_passed_over() -> None:
    def broken(text: str) -> str:
        raise ValueError(CANARY)

    for value in ("text", "x" * 10**6, b"x", Shy()):
        with pytest.raises(ValueError, match=CANARY):
            pack(value, broken, 1000)


def test_texts() -> None:
    assert clean_text(f"a\0{CANARY}\ud800", redact, 100) == f"a␀{MASK}?"
    assert clean_text("x" * 50 + CANARY, redact, 55) == "x" * 50 + MASK
    assert clean_text("x" * 60, redact, 10) == "x" * 9 + "…"
