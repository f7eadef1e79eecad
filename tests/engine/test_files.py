"""``file.read`` and ``file.write``."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.engine.actions.files import FileOptions
from flowlib_nb.engine.actions.files.csv_format import read_csv, write_csv
from flowlib_nb.engine.actions.files.errors import FormatError
from flowlib_nb.engine.actions.files.formats import (
    JsonOptions,
    ParquetReadOptions,
    ParquetWriteOptions,
    decode_json,
    decode_ndjson,
    decode_parquet,
    encode_json,
    encode_ndjson,
    encode_parquet,
)
from flowlib_nb.frames import to_frame


@pytest.fixture(autouse=True)
def _options() -> object:
    FileOptions.clear_instance()
    yield
    FileOptions.clear_instance()


def read(more: str, variables: dict | None = None) -> fl.Run:
    text = f"nodes: {{a: {{uses: file.read, with: {{{more}}}}}}}"
    return fl.Flow.from_yaml(text).run(functions=variables or {})


def write(data: object, more: str) -> fl.Run:
    text = f"nodes:\n  data: {{uses: input}}\n  a: {{uses: file.write, with: {{from: data, {more}}}}}\noutput: a"
    return fl.Flow.from_yaml(text).run({"data": data}, functions={})


def problems(more: str, uses: str = "file.write") -> str:
    flow = fl.Flow.from_yaml(f"nodes: {{a: {{uses: {uses}, with: {{{more}}}}}}}")
    return " ".join(str(problem) for problem in flow.validate())


ROWS = [{"id": 2**53 + 1, "name": "Ännä", "ok": True}, {"id": None, "name": None, "ok": None}]


class TestRoundTrips:
    @pytest.mark.parametrize("suffix", ["csv", "tsv", "json", "ndjson", "jsonl", "parquet", "CSV"])
    def test_every_format(self, workspace: Path, suffix: str) -> None:
        wrote = write(ROWS, f"path: out/deep/x.{suffix}").raise_for_status().output
        file = workspace / "out" / "deep" / f"x.{suffix}"
        assert wrote == {"path": f"out/deep/x.{suffix}", "rows": 2, "bytes": file.stat().st_size}
        frame = read(f"path: out/deep/x.{suffix}").raise_for_status().df
        assert frame["id"].dtype == "Int64"
        assert frame["ok"].dtype == "boolean"
        assert [None if pd.isna(v) else v for v in frame["id"]] == [2**53 + 1, None]
        assert frame["name"].tolist()[0] == "Ännä"
        assert pd.isna(frame["name"].tolist()[1])
        assert os.listdir(file.parent) == [file.name]

    integers = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6)

    @given(integers, st.sampled_from(["csv", "json", "ndjson", "parquet"]), st.booleans())
    def test_integers_stay_integers(
        self, values: list[int | None], kind: str, is_frame: bool
    ) -> None:
        data: object = [{"n": n, "t": f"r{i}"} for i, n in enumerate(values)]
        if is_frame:
            data = to_frame(data)
        found = to_frame(round_trip(data, kind))["n"].tolist()
        assert [None if pd.isna(n) else n for n in found] == values
        assert all(type(n) is int for n in found if not pd.isna(n))

    @given(st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
    def test_texts_survive_csv(self, values: list[str | None]) -> None:
        # The letters in front keep the reader from taking them for numbers.
        data = [{"a": None if text is None else f"t{text}", "b": ""} for text in values]
        frame = read_csv(write_csv(data, separator=",", header=True),
                         separator=",", header=True, kinds={})  # fmt: skip
        found = [None if pd.isna(text) else text for text in frame["a"].tolist()]
        assert found == [row["a"] for row in data]
        assert set(frame["b"]) == {""}

    @given(st.lists(st.none() | st.floats(allow_nan=False), min_size=1, max_size=5))
    def test_numbers_survive_csv(self, values: list[float | None]) -> None:
        frame = to_frame(round_trip(pd.DataFrame({"x": values}, dtype=float), "csv"))
        found = [None if pd.isna(x) else x for x in frame["x"].tolist()]
        assert found == values

    def test_a_single_column_keeps_its_gaps(self) -> None:
        frame = read_csv("n\n1\n\n3\n", separator=",", header=True, kinds={})
        assert frame["n"].astype(object).where(frame["n"].notna(), None).tolist() == [1, None, 3]

    def test_integers_beyond_64_bits(self) -> None:
        for kind in ("csv", "json", "ndjson"):
            assert to_frame(round_trip([{"n": 2**70}, {"n": 1}], kind))["n"].tolist() == [2**70, 1]


def round_trip(data: object, kind: str) -> object:
    if kind == "csv":
        return read_csv(write_csv(data, separator=",", header=True),
                        separator=",", header=True, kinds={})  # fmt: skip
    if kind == "json":
        return decode_json(encode_json(data, JsonOptions()), "utf-8")
    if kind == "ndjson":
        return decode_ndjson(encode_ndjson(data), "utf-8")
    raw = encode_parquet(data, ParquetWriteOptions())
    return decode_parquet(raw, ParquetReadOptions(), 10**9)


class TestCsv:
    def test_what_is_nested_is_flat(self) -> None:
        rows = [
            {"id": 1, "address": {"city": "Bonn", "geo": {"lat": 50.7}}, "tags": ["a", 'b"c']},
            {"id": 2, "address": {"zip": "00501"}, "tags": [], "mixed": {}},
            {"id": 3, "address": None, "tags": None, "mixed": 1},
        ]
        assert write_csv(rows, separator=",", header=True) == (
            "id,address.city,address.geo.lat,address.zip,tags,mixed\n"
            '1,Bonn,50.7,,"[""a"",""b\\""c""]",\n'
            "2,,,00501,[],{}\n"
            "3,,,,,1\n"
        )

    def test_cells_are_as_in_json(self) -> None:
        row = {"d": date(2024, 2, 3), "m": datetime(2024, 2, 3, 4, 5, tzinfo=UTC), "x": Decimal("1.10"),
               "b": b"\xff", "t": True, "f": 1.0, "inf": float("inf"), "nan": float("nan")}  # fmt: skip
        text = write_csv(pd.DataFrame([row]), separator=";", header=False)
        assert text == "2024-02-03;2024-02-03T04:05:00+00:00;1.10;/w==;true;1.0;inf;\n"

    @pytest.mark.parametrize(
        ("fields", "dtype", "first"),
        [
            (["1", "-2"], "int64", 1), (["1", ""], "Int64", 1), (["007", "1"], "str", "007"),
            (["1.5", "2"], "float64", 1.5), (["1e3", ""], "float64", 1000.0),
            (["true", "False"], "bool", True), (["true", ""], "boolean", True),
            (["2024-02-03", "2024-02-04"], "object", date(2024, 2, 3)),
            (["2024-02-31", "2024-02-04"], "str", "2024-02-31"),
            (["2024-02-03 04:05", "2024-02-03T04:05:06.5"], "datetime64[us]", datetime(2024, 2, 3, 4, 5)),
            (["2024-02-03T04:05:00+02:00", "2024-02-03 04:05Z"], "datetime64[us, UTC]",
             datetime(2024, 2, 3, 2, 5, tzinfo=UTC)),
            (["NA", "null"], "str", "NA"), (["+49", "1"], "str", "+49"), (["1", "x"], "str", "1"),
            (["1_000", "2"], "str", "1_000"), (["0x10", "2"], "str", "0x10"),
        ],
    )  # fmt: skip
    def test_types_by_the_fields(self, fields: list[str], dtype: str, first: object) -> None:
        text = "c,k\n" + "".join(f"{field},k\n" for field in fields)
        column = read_csv(text, separator=",", header=True, kinds={})["c"]
        assert str(column.dtype) == dtype
        assert column[0] == first

    def test_types_by_request(self, workspace: Path) -> None:
        (workspace / "x.csv").write_text("zip;n;t\n50667;1;007\n", encoding="utf-8")
        more = "path: x.csv, csv: {separator: ';', dtype: {zip: str, n: float}}"
        frame = read(more).raise_for_status().df
        assert frame.iloc[0].tolist() == ["50667", 1.0, "007"]
        more = "path: x.csv, csv: {separator: ';', dtype: {t: int}}"
        assert "'t' holds something that is not int" in str(read(more).error)
        more = "path: x.csv, csv: {separator: ';', dtype: {u: int}}"
        assert "no column 'u'" in str(read(more).error)

    def test_without_a_header(self, workspace: Path) -> None:
        (workspace / "x.csv").write_text("1,a\n2,b\n")
        frame = read("path: x.csv, csv: {header: false}").raise_for_status().df
        assert frame.to_dict("list") == {"column1": [1, 2], "column2": ["a", "b"]}

    @pytest.mark.parametrize(
        ("text", "word"),
        [("a,b\n1\n", "Expected 2 columns, got 1"), ("a,a\n1,2\n", "two columns are named 'a'"),
         ('a,"b\n', "not CSV")],
    )  # fmt: skip
    def test_what_is_no_csv(self, text: str, word: str) -> None:
        with pytest.raises(FormatError, match=word):
            read_csv(text, separator=",", header=True, kinds={})

    def test_quoted_breaks_and_names(self) -> None:
        frame = read_csv('"a\nb","c,d"\r\n"x\ny","p""q"\r\n', separator=",", header=True, kinds={})
        assert frame.to_dict("list") == {"a\nb": ["x\ny"], "c,d": ['p"q']}

    def test_nothing(self) -> None:
        assert read_csv("", separator=",", header=True, kinds={}).empty
        assert list(read_csv("a,b\n", separator=",", header=True, kinds={})) == ["a", "b"]
        with pytest.raises(FormatError, match="no columns"):
            write_csv(None, separator=",", header=True)
        with pytest.raises(FormatError, match=r"two columns named 'a\.b'"):
            write_csv([{"a": {"b": 1}, "a.b": 2}], separator=",", header=True)


class TestOtherFormats:
    def test_json_is_any_value(self, workspace: Path) -> None:
        write({"a": [1, {"b": None}], "x": float("nan")}, "path: x.json, json: {indent: 2}")
        assert (workspace / "x.json").read_text() == json.dumps(
            {"a": [1, {"b": None}], "x": None}, indent=2
        ) + "\n"
        assert read("path: x.json").output == {"a": [1, {"b": None}], "x": None}

    def test_a_line_that_is_not_json_is_named(self, workspace: Path) -> None:
        (workspace / "x.ndjson").write_text('{"a": 1}\n\n{"a": 2}\n{"a"')
        assert "line 4 is not JSON" in str(read("path: x.ndjson").error)
        (workspace / "x.json").write_text("<html>")
        assert "it is not JSON" in str(read("path: x.json").error)

    def test_parquet_keeps_types(self, workspace: Path) -> None:
        frame = pd.DataFrame({
            "at": pd.to_datetime(["2024-07-01"]).tz_localize("Europe/Berlin"),
            "nested": [{"a": [1, 2]}],
        })  # fmt: skip
        write(frame, "path: x.parquet, parquet: {compression: zstd}").raise_for_status()
        found = read("path: x.parquet").df
        assert str(found["at"].dt.tz) == "Europe/Berlin"
        assert found["nested"].tolist() == [{"a": [1, 2]}]
        assert list(read("path: x.parquet, parquet: {columns: [at]}").df) == ["at"]
        assert "no column 'b'" in str(read("path: x.parquet, parquet: {columns: [b]}").error)

    def test_parquet_wants_one_type_a_column(self, workspace: Path) -> None:
        error = write([{"n": 1}, {"n": "x"}], "path: x.parquet").error
        assert "column 'n'" in str(error)
        assert not (workspace / "x.parquet").exists()

    def test_parquet_is_not_decompressed_beyond_its_limit(self, workspace: Path) -> None:
        table = pa.table({"t": ["x" * 10_000_000, "y" * 10_000_000]})
        pq.write_table(table, workspace / "x.parquet", compression="zstd", use_dictionary=False)
        error = read("path: x.parquet, max_bytes: 1000000").error
        assert "larger than 10,000,000 bytes" in str(error)
        (workspace / "y.parquet").write_bytes(b"PAR1")
        assert "not Parquet" in str(read("path: y.parquet").error)

    def test_encodings(self, workspace: Path) -> None:
        for suffix in ("csv", "json", "ndjson"):
            write([{"a": "é"}], f"path: x.{suffix}, encoding: latin-1").raise_for_status()
            assert "é".encode("latin-1") in (workspace / f"x.{suffix}").read_bytes()
            assert read(f"path: x.{suffix}, encoding: latin-1").df["a"].tolist() == ["é"]
            assert "not utf-8 text (byte" in str(read(f"path: x.{suffix}").error)
            assert "has no '→'" in str(
                write([{"a": "→"}], f"path: y.{suffix}, encoding: latin-1").error
            )
        (workspace / "bom.csv").write_bytes(b"\xef\xbb\xbfa\n1\n")
        assert list(read("path: bom.csv").df) == ["a"]

    def test_other_extensions_need_a_format(self, workspace: Path) -> None:
        assert "format:" in str(write(ROWS, "path: x.txt").error)
        write(ROWS, "path: x.txt, format: ndjson").raise_for_status()
        assert len(read("path: x.txt, format: ndjson").output) == 2


class TestParameters:
    @pytest.mark.parametrize(("more", "word"), [
        ("path: x.csv", "needs either value"),
        ("path: x.csv, value: 1, from: a", "needs either value"),
        ("path: x.csv, value: 1, csv: {seperator: ;}", "Did you mean 'separator'"),
        ("path: x.csv, value: 1, csv: {separator: ';;'}", "one ASCII character"),
        ("path: x.csv, value: 1, json: {indent: 2}", "does not go with"),
        ("path: x.csv, value: 1, format: xml", "'csv', 'json', 'ndjson' or 'parquet'"),
        ("path: x.csv, value: 1, encoding: base64", "no encoding of text"),
    ])  # fmt: skip
    def test_are_checked_before_anything_runs(self, more: str, word: str) -> None:
        assert word in problems(more)

    def test_values_of_templates(self, workspace: Path) -> None:
        text = """
nodes:
  rows: {uses: js, with: {code: "[{n: 1}, {n: 2}]"}}
  a: {uses: file.write, with: {path: "x-{{ rows.length }}.csv", value: "{{ rows.slice(1) }}"}}
"""
        assert fl.Flow.from_yaml(text).run(functions={}).output["rows"] == 1
        assert (workspace / "x-2.csv").read_text() == "n\n2\n"

    def test_from_a_variable_of_the_notebook(self, workspace: Path) -> None:
        text = "nodes: {a: {uses: file.write, with: {from: table, path: x.csv}}}"
        run = fl.Flow.from_yaml(text).run(functions={"table": pa.table({"n": [1]})})
        assert run.raise_for_status().output["rows"] == 1
        error = fl.Flow.from_yaml(text).run(functions={"table": 3}).error
        assert "neither a node nor a DataFrame" in str(error)


class TestPaths:
    @pytest.mark.parametrize(
        "path", ["../x.csv", "link/x.csv", "a/../../x.csv", "{outside}/x.csv", "dangling.csv"]
    )
    def test_outside_is_refused(self, workspace: Path, path: str) -> None:
        (workspace.parent / "x.csv").write_text("n\n1\n")
        (workspace / "link").symlink_to(workspace.parent)
        (workspace / "dangling.csv").symlink_to(workspace.parent / "new.csv")
        path = path.format(outside=workspace.parent)
        assert "leads out of the workspace" in str(read(f"path: '{path}'").error)
        assert "leads out of the workspace" in str(write(ROWS, f"path: '{path}'").error)
        assert (workspace.parent / "x.csv").read_text() == "n\n1\n"
        assert not (workspace.parent / "new.csv").exists()
        FileOptions.instance().allow_outside = True
        assert write(ROWS, f"path: '{path}'").status == "success"

    @pytest.mark.parametrize(
        "path", [".flowlib/vault.json", "a/../.flowlib/x.csv", ".FLOWLIB/x.csv"]
    )
    def test_the_vaults_folder_is_refused(self, workspace: Path, path: str) -> None:
        (workspace / ".flowlib").mkdir()
        FileOptions.instance().allow_outside = True
        assert "cannot use" in str(read(f"path: {path}").error)
        assert "cannot use" in str(write(ROWS, f"path: {path}").error)

    def test_links_within_the_workspace_stay_links(self, workspace: Path) -> None:
        (workspace / "real.csv").write_text("n\n1\n")
        (workspace / "link.csv").symlink_to("real.csv")
        write([{"n": 2}], "path: link.csv").raise_for_status()
        assert (workspace / "link.csv").is_symlink()
        assert (workspace / "real.csv").read_text() == "n\n2\n"

    def test_missing_files_are_named_with_what_was_meant(self, workspace: Path) -> None:
        (workspace / "orders.csv").write_text("n\n1\n")
        error = str(read("path: ordrs.csv").error)
        assert "'ordrs.csv' does not exist" in error
        assert "Did you mean 'orders.csv'?" in error

    def test_only_ordinary_files(self, workspace: Path) -> None:
        (workspace / "folder.csv").mkdir()
        os.mkfifo(workspace / "fifo.csv")
        for name in ("folder.csv", "fifo.csv"):
            assert "not an ordinary file" in str(read(f"path: {name}").error)
            assert "not an ordinary file" in str(write(ROWS, f"path: {name}").error)

    def test_large_files_are_not_read(self, workspace: Path) -> None:
        (workspace / "x.csv").write_text("n\n12345\n")
        assert "larger than 7 bytes" in str(read("path: x.csv, max_bytes: 7").error)
        assert read("path: x.csv, max_bytes: 8").status == "success"


class TestWriting:
    def test_a_failure_leaves_the_old_file(
        self, workspace: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = workspace / "x.csv"
        file.write_text("old")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        assert "No space left" in str(write(ROWS, "path: x.csv").error)
        assert os.listdir(workspace) == ["x.csv"]
        assert file.read_text() == "old"

    def test_what_cannot_be_written_leaves_the_old_file(self, workspace: Path) -> None:
        (workspace / "x.csv").write_text("old")
        assert "has no JSON form" in str(write([{"a": object()}], "path: x.csv").error)
        assert (workspace / "x.csv").read_text() == "old"

    def test_modes(self, workspace: Path) -> None:
        before = os.umask(0o027)
        try:
            write(ROWS, "path: new.csv").raise_for_status()
        finally:
            os.umask(before)
        (workspace / "old.csv").touch()
        (workspace / "old.csv").chmod(0o604)
        write(ROWS, "path: old.csv").raise_for_status()
        modes = [stat.S_IMODE((workspace / name).stat().st_mode) for name in ("new.csv", "old.csv")]
        assert modes == [0o640, 0o604]
