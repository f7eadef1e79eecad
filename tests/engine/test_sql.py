"""``sql`` over nodes and DataFrames: tables without copies, types, zones, errors."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.engine.actions.sql import SqlAction
from flowlib_nb.engine.actions.sql.text import bind_templates, is_streamable, name_markers
from flowlib_nb.errors import NodeError
from flowlib_nb.frames import convert
from flowlib_nb.models.flow import NodeDefinition


def query(sql: str, inputs: dict | None = None, more: str = "", **variables: object) -> fl.Run:
    """Run a query over nodes that hold the inputs, and over variables of a notebook."""
    given = dict(inputs or {})
    nodes = "".join(f"  {name}: {{uses: input}}\n" for name in given)
    text = f"nodes:\n{nodes}  answer: {{uses: sql, with: {{query: {json.dumps(sql)}{more}}}}}\n"
    return fl.Flow.from_yaml(text).run(given, functions=variables)


def answer(sql: str, inputs: dict | None = None, **variables: object) -> pd.DataFrame:
    return query(sql, inputs, **variables).raise_for_status().df


def refusal(sql: str, **variables: object) -> str:
    """What is said of a query with a wrong table, before the run or in it."""
    try:
        return str(query(sql, **variables).error)
    except fl.FlowValidationError as error:
        return str(error)


class TestTables:
    def test_frames_and_records_reach_duckdb_without_python_rows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a Python object was made for each row")

        frame = pd.DataFrame({"n": range(1000), "t": ["x"] * 1000})
        records = [{"n": n, "w": n / 2} for n in range(1000)]
        monkeypatch.setattr(pd.DataFrame, "to_dict", refuse)
        monkeypatch.setattr(pd.DataFrame, "itertuples", refuse)
        monkeypatch.setattr(convert, "_from_records", refuse)
        found = answer(
            "select count(*) as n, sum(w) as w from a join b using (n)", {"a": frame, "b": records}
        )
        assert found.iloc[0].tolist() == [1000, 249750.0]

    def test_variables_of_the_notebook_are_tables(self) -> None:
        orders = pd.DataFrame({"id": [1, 2], "region": ["EU", "US"]})
        regions = pa.table({"region": ["EU"], "name": ["Europe"]})
        found = answer("select id, name from orders join regions using (region)",
                       orders=orders, regions=regions)  # fmt: skip
        assert found.to_numpy().tolist() == [[1, "Europe"]]

    def test_a_node_comes_before_a_variable(self) -> None:
        found = answer("select n from t", {"t": [{"n": 1}]}, t=pd.DataFrame({"n": [2]}))
        assert found["n"].tolist() == [1]

    def test_other_variables_are_no_tables(self) -> None:
        for value in (lambda: 1, [{"n": 1}], "text", pd.Series([1])):
            assert "names the table 't'" in refusal("select * from t", t=value)

    def test_unknown_tables_are_named_with_what_was_meant(self) -> None:
        error = refusal("select * from ordrs", orders=pd.DataFrame({"n": [1]}))
        assert "'ordrs'" in error
        assert "Did you mean 'orders'?" in error

    def test_unknown_tables_are_found_before_the_run(self) -> None:
        def found(sql: str) -> list[tuple[int, str]]:
            problems = SqlAction().check_names({"query": sql}, ["rows"], {"frame": pd.DataFrame()})
            return [(problem.offset, problem.message) for problem in problems]

        sql = "select {{ 1 }}, * from rows, frame, fram"
        ((offset, message),) = found(sql)
        assert offset == sql.rindex("fram")
        assert "Did you mean 'frame'?" in message
        assert found("with fram as (from rows) select * from fram") == []
        assert found("from range(3)") == found("select '{{ 1 }}'") == []

    def test_a_querys_own_tables_are_known(self) -> None:
        sql = "with a as (select 1 as n), b as (select n from a) select * from b, range(2) r(i)"
        assert len(answer(sql)) == 2
        assert len(answer("select table_name from information_schema.tables limit 0")) == 0
        assert list(answer("select view_name from duckdb_views")) == ["view_name"]

    def test_responses_and_failed_iterations(self) -> None:
        response = {"status": 200, "headers": {}, "url": "", "body": [{"n": 1}, None, {"m": 2}]}
        found = answer("select count(*) as rows, sum(n) as n, sum(m) as m from r", {"r": response})
        assert found.iloc[0].tolist() == [3, 1, 2]

    def test_a_value_without_columns_is_refused(self) -> None:
        assert "no columns" in str(query("select * from t", {"t": None}).error)

    def test_two_columns_of_one_name_are_refused(self) -> None:
        frame = pd.DataFrame([[1, 2]], columns=["n", "n"])
        assert "several columns named 'n'" in str(query("select * from t", {"t": frame}).error)


class TestTypes:
    def test_nested_values_keep_their_structure(self) -> None:
        rows = [{"o": {"a": 1, "b": [1, 2]}, "l": [{"c": 1}]}, {"o": None, "l": []}]
        found = answer("select o, l, o.b[1] as first, len(l) as n from t order by n desc",
                       {"t": rows})  # fmt: skip
        assert found["o"].tolist() == [{"a": 1, "b": [1, 2]}, None]
        assert found["l"].tolist() == [[{"c": 1}], []]
        assert found["n"].tolist() == [1, 0]
        assert found["first"].dtype == "Int64"

    def test_a_mixed_column_still_works(self) -> None:
        found = answer("select n from t where v = 'x'",
                       {"t": [{"n": 1, "v": 1}, {"n": 2, "v": "x"}]})  # fmt: skip
        assert found["n"].tolist() == [2]

    def test_keys_that_only_later_rows_have_are_columns(self) -> None:
        found = answer("select a, b from t", {"t": [{"a": 1}, {"b": 2**53 + 1}]})
        assert found["b"].dtype == "Int64"
        assert found["b"][1] == 2**53 + 1

    def test_scalars(self) -> None:
        row = {"d": date(2024, 2, 3), "m": datetime(2024, 2, 3, 4, 5, 6, 7), "x": Decimal("1.10"),
               "b": b"\x00\xff", "t": True}  # fmt: skip
        found = answer("select * from t", {"t": pd.DataFrame([row])}).iloc[0]
        assert (found["d"], found["m"], found["b"]) == (row["d"], row["m"], row["b"])
        assert (found["x"], found["t"]) == (1.1, True)

    def test_sums_of_integers_are_integers(self) -> None:
        assert (
            answer("select sum(n) as s from t", {"t": [{"n": 1}, {"n": 2}]})["s"].dtype == "int64"
        )
        large = answer("select sum(n) as s from t", {"t": [{"n": 2**62}] * 4})
        assert large["s"].tolist() == [2**64]


class TestZones:
    BERLIN = pd.to_datetime(["2024-07-01 00:30", "2024-01-01 00:30"]).tz_localize("Europe/Berlin")

    def test_moments_keep_their_zone(self) -> None:
        frame = pd.DataFrame({"moment": self.BERLIN})
        found = answer("select moment, max(moment) over () as latest from t", {"t": frame})
        assert str(found["moment"].dt.tz) == "Europe/Berlin"
        assert str(found["latest"].dt.tz) == "Europe/Berlin"
        assert found["moment"].tolist() == frame["moment"].tolist()

    def test_days_are_days_of_that_zone(self) -> None:
        found = answer(
            "select moment::date as day from t", {"t": pd.DataFrame({"moment": self.BERLIN})}
        )
        assert found["day"].tolist() == [date(2024, 7, 1), date(2024, 1, 1)]

    def test_several_zones_stay_apart(self) -> None:
        frame = pd.DataFrame({"a": self.BERLIN, "b": self.BERLIN.tz_convert("Asia/Tokyo")})
        found = answer("select a, b, least(a, b) as least from t", {"t": frame})
        zones = [str(found[name].dt.tz) for name in found]
        assert zones == ["Europe/Berlin", "Asia/Tokyo", "UTC"]

    def test_offsets_stay_offsets(self) -> None:
        at = datetime.fromisoformat("2024-07-01T00:30:00+02:00")
        found = answer("select moment from t", {"t": pd.DataFrame({"moment": [at]})})
        assert found["moment"][0].isoformat() == at.isoformat()

    def test_moments_without_a_zone_stay_without(self) -> None:
        frame = pd.DataFrame({"moment": self.BERLIN.tz_localize(None)})
        assert answer("select moment from t", {"t": frame})["moment"].dt.tz is None

    def test_the_machines_zone_plays_no_part(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", "America/New_York")
        found = answer("select '2024-07-01 00:30+00'::timestamptz as moment")
        assert found["moment"][0] == datetime(2024, 7, 1, 0, 30, tzinfo=UTC)
        assert str(found["moment"].dt.tz) == "UTC"

    def test_moments_of_which_some_have_a_zone_are_no_column(self) -> None:
        rows = [{"moment": datetime(2024, 1, 1)}, {"moment": datetime(2024, 1, 1, tzinfo=UTC)}]
        assert "TIME ZONE" in str(query("select * from t", {"t": rows}).error)


class TestLimits:
    def test_more_rows_than_asked_for_are_an_error(self) -> None:
        assert "more than 10 rows" in str(query("from range(11)", more=", max_rows: 10").error)
        assert query("from range(10)", more=", max_rows: 10").status == "success"

    def test_cancelling_ends_the_query(self) -> None:
        sql = "select count(*) from range(1000000) a, range(1000000) b where hash(a, b) = 1"
        before = {thread.ident for thread in threading.enumerate()}
        run = fl.Flow.from_yaml(
            f"nodes: {{a: {{uses: sql, with: {{query: {json.dumps(sql)}}}}}}}"
        ).start(functions={})
        while run["a"].status.value == "pending":
            time.sleep(0.01)
        run.cancel()
        assert run.status == "cancelled"
        for thread in threading.enumerate():
            if thread.ident not in before and thread.name in ("flowlib-work", "flowlib-stop"):
                thread.join(20)
                assert not thread.is_alive()

    def test_a_query_that_reaches_its_timeout_ends(self) -> None:
        sql = "select count(*) from range(1000000) a, range(1000000) b where hash(a, b) = 1"
        text = f"nodes: {{a: {{uses: sql, timeout: 0.2, with: {{query: {json.dumps(sql)}}}}}}}"
        assert "timeout" in str(fl.Flow.from_yaml(text).run(functions={}).error)


class TestText:
    @pytest.mark.parametrize(
        "sql",
        ["select '{{ a }}'", 'select "{{ a }}"', "select 'it''s {{ a }}'", "select $$ {{ a }} $$",
         "select $x$ $$ {{ a }} $x$", "select e'\\' {{ a }}'", "select '{{ a }}", "select `{{ a }}`"],
    )  # fmt: skip
    def test_templates_in_quotes_are_refused(self, sql: str) -> None:
        with pytest.raises(fl.TemplateError, match="without quotes"):
            bind_templates(sql)

    @pytest.mark.parametrize("sql", ["select 1 -- {{ a }}", "select /* /* */ {{ a }} */ 1"])
    def test_templates_in_comments_are_refused(self, sql: str) -> None:
        with pytest.raises(fl.TemplateError, match="comment"):
            bind_templates(sql)

    @pytest.mark.parametrize(
        "sql",
        ["select {{ a }} -- it's", "select /* ' */ {{ a }}", "select '' || {{ a }}",
         "select 'a\\' || {{ a }}", "select data #> {{ a }}", "select \"a'b\", {{ a }}"],
    )  # fmt: skip
    def test_templates_in_code_are_bound(self, sql: str) -> None:
        text, codes = bind_templates(sql)
        assert text.replace(" $1 ", "{{ a }}") == sql
        assert [code.source for code in codes] == ["a"]

    def test_a_template_never_joins_a_word(self) -> None:
        assert len(answer("select * from range(5) limit{{ 1 + 1 }}")) == 2

    def test_markers_are_named_in_code_only(self) -> None:
        text, used = name_markers("select $1::int, '$2 :x', \"$3\" -- $4\n, $2", 2, "postgresql")
        assert text == "select :p1\\:\\:int, '$2 \\:x', \"$3\" -- $4\n, :p2"
        assert used == {1, 2}

    def test_what_may_be_in_quotes_is_refused(self) -> None:
        with pytest.raises(NodeError, match="not clear"):
            name_markers("select 'it\\'s', $1, 'x'", 1, "mysql")
        with pytest.raises(NodeError, match="not clear"):
            name_markers("select 1 /* /* */ , $1 /* */ */", 1, "oracle")
        assert name_markers("select a # $1\n", 0, "mysql")[1] == set()

    @pytest.mark.parametrize(("sql", "values", "word"), [
        ("select $2", 1, "names \\$2"), ("select 1", 1, "never uses the value \\$1"),
        ("select $0", 0, "names \\$0"),
    ])  # fmt: skip
    def test_markers_and_values_must_fit(self, sql: str, values: int, word: str) -> None:
        with pytest.raises(NodeError, match=word):
            name_markers(sql, values, "sqlite")

    @pytest.mark.parametrize(("sql", "streams"), [
        ("select 1", True), (" -- x\n(select 1)", True), ("with a as (select 1) table a;", True),
        ("with a as (insert into t values (1) returning *) select * from a", False),
        ("select 'insert into'", True), ("select 1 into t", False), ("select 1; select 2", False),
        ("insert into t values (1) returning n", False), ("select * from t for update", False),
        ("", False), ("explain select 1", False),
    ])  # fmt: skip
    def test_only_what_reads_is_streamed(self, sql: str, streams: bool) -> None:
        assert is_streamable(sql, "postgresql") is streams

    @given(st.text(alphabet="'\"`\\$-/*#e1x \n", max_size=30), st.sampled_from(["mysql", "sqlite"]))
    def test_a_marker_that_is_named_is_code_by_every_reading(
        self, before: str, dialect: str
    ) -> None:
        try:
            _, used = name_markers(f"{before} $1 ", 1, dialect)
        except NodeError:
            return
        # Nothing before it is open: a quote behind it is opened by itself, closed by itself.
        _, again = name_markers(f"{before} '$2' $1 ", 1, dialect)
        assert used == again == {1}


def test_a_credential_makes_it_another_action(workspace: Path) -> None:
    action = SqlAction()
    there = action.for_node(NodeDefinition(uses="sql", credential="db"))
    here = action.for_node(NodeDefinition(uses="sql"))
    wrong = {"query": "replace into orders set n = 1"}
    assert here is action
    assert there.name == "sql"
    assert (list(there.check(wrong)), there.references({"query": "from orders"})) == ([], ())
    assert list(here.check(wrong))
    assert list(there.check_names({"query": "from orders"}, [], {})) == []
    assert list(here.check_names({"query": "from orders"}, [], {}))
    assert "orders" in here.references({"query": "from orders"})
