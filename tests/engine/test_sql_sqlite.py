"""``sql`` with a credential: SQLite files, and connection strings that lead nowhere."""

from __future__ import annotations

import json
import logging
import pickle
import sqlite3
import threading
import time
import traceback
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.engine.actions.files import FileOptions
from flowlib_nb.engine.actions.sql.rows import frame_of_rows
from flowlib_nb.engine.records.writer import writer

SECRET = "p@ss:w/rd-SECRET'x"
ENCODED = quote(SECRET, safe="")


@pytest.fixture(autouse=True)
def _options() -> object:
    FileOptions.clear_instance()
    yield
    FileOptions.clear_instance()


@pytest.fixture
def vault(workspace: Path, key: str) -> fl.Vault:
    return fl.Vault.open()


@pytest.fixture
def shop(vault: fl.Vault, workspace: Path) -> Path:
    """A database file with three orders, as credential ``db``."""
    file = workspace / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table orders (id integer, name text, amount real)")
        connection.executemany(
            "insert into orders values (?, ?, ?)",
            [(1, "ann", 1.5), (2**53 + 1, "bob", 2), (None, "x'; drop table orders; --", None)],
        )
    connection.close()
    vault.set("db", {"type": "connection_string", "url": "sqlite:///shop.db"})
    return file


def run(sql: str, inputs: dict | None = None, *, credential: str = "db", more: str = "") -> fl.Run:
    given = dict(inputs or {})
    text = (
        f"inputs: {json.dumps(dict.fromkeys(given))}\n"
        f"nodes:\n  a:\n    uses: sql\n    credential: {credential}\n"
        f"    with: {{query: {json.dumps(sql)}{more}}}\n"
    )
    return fl.Flow.from_yaml(text).run(given, functions={})


def value(sql: str, inputs: dict | None = None, **options: str) -> object:
    return run(sql, inputs, **options).raise_for_status().output


def count(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        number = connection.execute("select count(*) from orders").fetchone()[0]
    connection.close()
    return number


class TestStatements:
    def test_rows_are_a_frame_whose_integers_stay(self, shop: Path) -> None:
        frame = value("select * from orders")
        assert isinstance(frame, pd.DataFrame)
        assert frame["id"].dtype == "Int64"
        assert frame["id"].tolist()[:2] == [1, 2**53 + 1]
        assert frame["amount"].dtype == "float64"

    def test_templates_and_parameters_are_bound(self, shop: Path) -> None:
        frame = value(
            "select name, $2 as two, $3 as three from orders where name = {{ inputs.name }}",
            {"name": "x'; drop table orders; --"},
            more=", parameters: ['{{ inputs.name.length }}', ':p1 %s ?']",
        )
        assert frame.to_numpy().tolist() == [["x'; drop table orders; --", 25, ":p1 %s ?"]]
        assert count(shop) == 3

    @pytest.mark.parametrize("text", [
        "' or 1=1 --", "x'; drop table orders; --", '"; --', ":p1", "%s", "?", "$1", "\\", "{{ 1 }}",
    ])  # fmt: skip
    def test_no_value_becomes_sql(self, shop: Path, text: str) -> None:
        sql = "select {{ inputs.x }} as x, ':a %s ?' as y, count(*) as n from orders where name = {{ inputs.x }}"
        frame = value(sql, {"x": text})
        assert frame["x"][0] == text
        assert frame["y"][0] == ":a %s ?"
        assert frame["n"][0] == (1 if text.startswith("x'") else 0)
        assert count(shop) == 3

    def test_lists_and_objects_are_json(self, shop: Path) -> None:
        sql = "select count(*) as n from orders where name in (select value from json_each({{ inputs.x }}))"
        assert value(sql, {"x": ["ann", "bob"]})["n"].tolist() == [2]

    @pytest.mark.parametrize(
        ("names", "condition", "left"),
        [
            (["ann", "bob"], "name in ({{ inputs.x }})", 1),
            (["ann", "bob"], "name NOT IN ( {{ inputs.x }} )", 2),
            ([], "name in ({{ inputs.x }})", 3),
            (["x'; drop table orders; --"], "name in({{ inputs.x }}) and 1 = {{ 1 }}", 2),
            ("ann", "name in ({{ inputs.x }})", 2),
            ("ann", "name in ({{ inputs.x }}, {{ 'bob' }})", 1),
        ],
    )
    def test_a_list_stands_for_the_values_of_in(
        self, shop: Path, names: object, condition: str, left: int
    ) -> None:
        run(f"delete from orders where {condition}", {"x": names}).raise_for_status()
        assert count(shop) == left

    def test_a_list_among_the_values_of_in_is_refused(self, shop: Path) -> None:
        error = run(
            "delete from orders where name not in ({{ inputs.x }}, 'z')", {"x": ["a"]}
        ).error
        assert "a list stands alone" in str(error)
        assert count(shop) == 3

    def test_changes_are_committed_and_counted(self, shop: Path) -> None:
        assert value("insert into orders (id) values ({{ inputs.n }}), (8)", {"n": 7}) == {
            "rows_affected": 2
        }
        assert count(shop) == 5
        assert value("create table more (n integer)") == {"rows_affected": 0}
        assert value("insert into orders (id) values (9) returning id")["id"].tolist() == [9]
        assert count(shop) == 6

    def test_errors_roll_back(self, shop: Path) -> None:
        with sqlite3.connect(shop) as connection:
            connection.execute("create table strict (n integer check (n < 3))")
        connection.close()
        error = run("insert into strict values (1), (2), (3)").error
        assert "CHECK constraint failed" in str(error)
        assert value("select count(*) as n from strict")["n"].tolist() == [0]

    def test_a_wrong_statement_is_one_clear_message(self, shop: Path) -> None:
        error = run("select * from nope").error
        assert error.message == "The query failed: no such table: nope"
        assert error.position.line == 3

    def test_more_rows_than_allowed(self, shop: Path) -> None:
        assert "more than 2 rows" in str(run("select * from orders", more=", max_rows: 2").error)
        assert len(value("select * from orders", more=", max_rows: 3")) == 3

    def test_a_second_column_of_a_name_gets_a_number(self, shop: Path) -> None:
        assert list(value("select 1 as n, 2 as n, 3 as n_2")) == ["n", "n_2", "n_2_2"]

    def test_no_rows_still_have_columns(self, shop: Path) -> None:
        assert list(value("select id, name from orders where 0")) == ["id", "name"]

    def test_the_connection_is_closed(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Records connect as well.
        writer().flush()
        monkeypatch.setattr(fl.RunRecords.instance(), "enabled", False)
        opened: list[sqlite3.Connection] = []
        original = sqlite3.connect
        monkeypatch.setattr(
            sqlite3.dbapi2,
            "connect",
            lambda *a, **k: opened.append(original(*a, **k)) or opened[-1],
        )
        value("select 1 as n")
        run("select nope")
        assert len(opened) == 2
        for connection in opened:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                connection.execute("select 1")

    def test_a_busy_file_can_be_tried_again(self, shop: Path, vault: fl.Vault) -> None:
        vault.set("db", {"type": "connection_string", "url": "sqlite:///shop.db?timeout=0"})
        other = sqlite3.connect(shop)
        other.execute("begin exclusive")
        try:
            text = (
                "nodes: {a: {uses: sql, credential: db, retry: {attempts: 2, backoff: 0}, "
                "with: {query: delete from orders}}}"
            )
            result = fl.Flow.from_yaml(text).run(functions={})
        finally:
            other.close()
        assert "locked" in str(result.error)
        assert result.trace["attempt"].tolist() == [2]

    def test_cancelling_ends_the_query(self, shop: Path) -> None:
        sql = (
            "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c"
        )
        flow = fl.Flow.from_yaml(
            f"nodes: {{a: {{uses: sql, credential: db, with: {{query: '{sql}'}}}}}}"
        )
        before = {thread.ident for thread in threading.enumerate()}
        started = flow.start(functions={})
        while started["a"].status.value == "pending":
            time.sleep(0.01)
        started.cancel()
        assert started.status == "cancelled"
        for thread in threading.enumerate():
            if thread.ident not in before and thread.name in ("flowlib-work", "flowlib-stop"):
                thread.join(20)
                assert not thread.is_alive()


class TestFiles:
    @pytest.mark.parametrize(
        "url",
        ["sqlite:////elsewhere-flowlib.db", "sqlite:///../outside.db", "sqlite:///link/x.db",
         "sqlite:///file:../outside.db?uri=true", "sqlite:///.flowlib/flowlib.db"],
    )  # fmt: skip
    def test_files_outside_are_refused(self, vault: fl.Vault, workspace: Path, url: str) -> None:
        (workspace / "link").symlink_to(workspace.parent)
        vault.set("out", {"type": "connection_string", "url": url})
        error = run("create table t (n integer)", credential="out").error
        assert "leads" in str(error)
        assert not list(workspace.parent.glob("*.db"))

    def test_unless_they_are_allowed(self, vault: fl.Vault, workspace: Path) -> None:
        FileOptions.instance().allow_outside = True
        vault.set("out", {"type": "connection_string", "url": "sqlite:///../outside.db"})
        assert value("create table t (n integer)", credential="out") == {"rows_affected": 0}
        assert (workspace.parent / "outside.db").exists()

    @pytest.mark.parametrize("name", ["'../outside.db'", "'file:../outside.db'", "'..' || '/o.db'"])
    def test_nor_can_a_query_open_them(self, shop: Path, workspace: Path, name: str) -> None:
        assert "not authorized" in str(run(f"attach {name} as o").error)
        assert not list(workspace.parent.glob("*.db"))

    def test_a_query_may_open_others_of_the_workspace(self, shop: Path) -> None:
        assert value("attach 'other.db' as o") == {"rows_affected": 0}

    def test_in_memory(self, vault: fl.Vault) -> None:
        vault.set("mem", {"type": "connection_string", "url": "sqlite://"})
        assert value("select 1 + 1 as n", credential="mem")["n"].tolist() == [2]

    def test_reading_a_file_that_is_not_there_makes_none(
        self, vault: fl.Vault, workspace: Path
    ) -> None:
        vault.set("new", {"type": "connection_string", "url": "sqlite:///new.db"})
        assert "'new.db'" in str(run("select 1", credential="new").error)
        assert not (workspace / "new.db").exists()


class TestConnectionStrings:
    @pytest.mark.parametrize(
        ("url", "word"),
        [
            (f"nonsense {SECRET}", "cannot be read"),
            (f"postgresql://u:{ENCODED}@127.0.0.1:notaport/d", "cannot be read"),
            (f"foo+bar://u:{ENCODED}@127.0.0.1/d", "There is no database or driver 'foo+bar'"),
            (f"postgresql+nope://u:{ENCODED}@127.0.0.1/d", "no database or driver"),
            (f"oracle+oracledb://u:{ENCODED}@127.0.0.1/d", "pip install 'oracledb'"),
            (f"mysql+mysqldb://u:{ENCODED}@127.0.0.1/d", "pip install 'mysqlclient'"),
            (f"postgresql+asyncpg://u:{ENCODED}@127.0.0.1/d", "asyncp"),
            (f"postgresql://u:{ENCODED}@127.0.0.1:9/d", "cannot be reached"),
            (f"postgresql://u:{ENCODED}@nowhere.invalid/d", "not among its hosts (none)"),
            (f"mysql://u:{ENCODED}@127.0.0.1:9/d", "cannot be reached"),
            (f"mssql+pyodbc://?odbc_connect=Server%3Dx%3BPWD%3D{ENCODED}", "odbc"),
            (f"sqlite://:{ENCODED}@/../outside.db", "leads"),
            (f"postgresql://u:{ENCODED}@/d?host=a&host=b&host=c&port=1&port=2", "cannot be read"),
            (f"sqlite://?check_same_thread={ENCODED}", "cannot be reached"),
            (f"postgresql://u@127.0.0.1:9/d?sslpassword={ENCODED}&sslmode=bad", "cannot be reached"),
        ],
    )  # fmt: skip
    def test_no_error_tells_the_secret(
        self, vault: fl.Vault, url: str, word: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        vault.set("db", {"type": "connection_string", "url": url})
        caplog.set_level(logging.DEBUG)
        result = run("select 1")
        assert result.status == "failed"
        error = result.error
        assert word in str(error)
        assert "Unexpected" not in str(error)
        assert_nowhere(SECRET, result, caplog)

    def test_another_kind_of_credential_is_refused(self, vault: fl.Vault) -> None:
        vault.set("db", {"type": "bearer", "token": SECRET})
        assert "needs one of type 'connection_string'" in str(run("select 1").error)

    @pytest.mark.parametrize(
        ("hosts", "url", "allowed"),
        [
            ([], "postgresql://u@127.0.0.1:9/d", True),
            ([], "postgresql://u@[::1]:9/d", True),
            ([], "postgresql://u@/d?host=/nowhere", True),
            ([], "postgresql://u@db.invalid/d", False),
            (["other.invalid"], "postgresql://u@127.0.0.1:9/d", False),
            (["127.0.0.1"], "postgresql://u@127.0.0.1:9/d", True),
            (["127.0.0.1:8"], "postgresql://u@127.0.0.1:9/d", False),
            (["db.invalid"], "postgresql://u@db.invalid/d", True),
            (["db.invalid"], "postgresql://u@db.invalid:5432/d", True),
            (["db.invalid"], "postgresql://u@db.invalid:6432/d", False),
            (["db.invalid:6432"], "postgresql://u@db.invalid:6432/d", True),
            (["*.corp.invalid"], "mysql://u@db.corp.invalid/d", True),
            (["a.invalid"], "postgresql://u@/d?host=a.invalid,b.invalid", False),
            (["a.invalid", "b.invalid"], "postgresql://u@/d?host=a.invalid&host=b.invalid", True),
            (["a.invalid"], "postgresql://u@a.invalid/d?host=b.invalid", False),
            (["a.invalid"], "postgresql://u@a.invalid/d?hostaddr=10.0.0.1", False),
            (["a.invalid"], "postgresql://u@a.invalid/d?service=other", False),
        ],
    )  # fmt: skip
    def test_hosts_bind_it(self, vault: fl.Vault, hosts: list, url: str, allowed: bool) -> None:
        vault.set("db", {"type": "connection_string", "url": url}, hosts=hosts)
        text = str(run("select 1").error)
        assert ("cannot be reached" in text) is allowed
        assert ("hosts" in text) is not allowed


def assert_nowhere(secret: str, result: fl.Run, caplog: pytest.LogCaptureFixture) -> None:
    """A secret is in nothing that anybody sees or keeps."""
    error = result.error
    assert error.__context__ is None
    assert error.__cause__ is None
    shown = [str(error), repr(error), repr(vars(error)), caplog.text, repr(result),
             "".join(traceback.format_exception(error)), result.trace.to_string(),
             result._repr_html_(), pickle.dumps(error).decode("latin-1")]  # fmt: skip
    for text in shown:
        for form in (secret, quote(secret, safe=""), secret.replace("'", "\\'")):
            assert form not in text


class TestRows:
    def test_types_hold_over_batches(self) -> None:
        batches = [
            [(None, None, 1, "a", Decimal("1.1"), [1])],
            [(1, 1, 2**70, 1, Decimal("123.45"), {"a": 1})],
            [(2, 1.5, 3, b"b", None, None)],
        ]
        frame = frame_of_rows(list("abcdef"), batches, 10)
        assert frame["a"].dtype == "Int64"
        assert frame["b"].tolist()[1:] == [1.0, 1.5]
        assert frame["c"].tolist() == [1, 2**70, 3]
        assert frame["d"].tolist() == ["a", 1, b"b"]
        assert frame["e"].tolist()[:2] == [Decimal("1.10"), Decimal("123.45")]
        assert frame["f"].tolist() == [[1], {"a": 1}, None]

    @given(st.lists(st.lists(st.none() | st.integers(), min_size=1, max_size=4), max_size=4))
    def test_integers_stay_integers(self, batches: list[list[int | None]]) -> None:
        frame = frame_of_rows(["n"], [[(n,) for n in batch] for batch in batches], 100)
        expected = [n for batch in batches for n in batch]
        found = [None if pd.isna(n) else n for n in frame["n"].tolist()]
        assert found == expected
        assert all(n is None or type(n) is int for n in found)
