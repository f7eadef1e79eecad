"""``sql`` on a real PostgreSQL server."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import flowlib_nb as fl

from .postgres import PASSWORD, Postgres
from .postgres import postgres_server as postgres_server
from .test_sql_sqlite import SECRET, assert_nowhere


@pytest.fixture
def db(postgres: Postgres, workspace: Path, key: str) -> Iterator[Postgres]:
    """The server as credential ``db``, with a table of two orders."""
    fl.Vault.open().set("db", {"type": "connection_string", "url": postgres.url()})
    postgres.execute("create table orders (id bigint, name text)")
    postgres.execute("insert into orders values (1, 'ann'), (null, 'bob')")
    yield postgres
    postgres.execute("drop table if exists orders")


def flow(sql: str, inputs: dict | None = None, more: str = "") -> fl.Flow:
    return fl.Flow.from_yaml(
        f"inputs: {json.dumps(dict.fromkeys(inputs or {}))}\n"
        f"nodes:\n  a:\n    uses: sql\n    credential: db\n"
        f"    with: {{query: {json.dumps(sql)}{more}}}\n"
    )


def run(sql: str, inputs: dict | None = None, more: str = "") -> fl.Run:
    return flow(sql, inputs, more).run(inputs, functions={})


def value(sql: str, inputs: dict | None = None, more: str = "") -> object:
    return run(sql, inputs, more).raise_for_status().output


def test_types(db: Postgres) -> None:
    frame = value("""
        select 1::int2 as small, 9007199254740993::int8 as large, 1.10::numeric(10,2) as dec,
          sum(n) as total, date '2024-02-03' as day, timestamptz '2024-07-01 00:30+02' as zoned,
          timestamp '2024-07-01 00:30' as local, '\\x00ff'::bytea as raw,
          '{"a": [1, {"b": null}]}'::jsonb as doc, array[1, 2] as items, true as yes,
          '0b8f4f5e-0000-4000-8000-000000000001'::uuid as id, inet '10.0.0.1' as address,
          null::text as nothing
        from generate_series(1, 3) n
    """)
    row = frame.iloc[0]
    assert [str(frame[name].dtype) for name in ("small", "large", "total", "yes")] == [
        "int64", "int64", "int64", "bool",
    ]  # fmt: skip
    assert (row["large"], row["total"], row["dec"]) == (2**53 + 1, 6, Decimal("1.10"))
    assert row["day"] == date(2024, 2, 3)
    assert str(frame["zoned"].dt.tz) == "Europe/Berlin"
    assert row["zoned"] == datetime(2024, 7, 1, 0, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert frame["local"].dt.tz is None
    assert (row["raw"], row["doc"], row["items"]) == (b"\x00\xff", {"a": [1, {"b": None}]}, [1, 2])
    assert (row["id"], row["address"]) == ("0b8f4f5e-0000-4000-8000-000000000001", "10.0.0.1")
    assert row["nothing"] is None


def test_integers_with_gaps(db: Postgres) -> None:
    frame = value("select case when n % 2 = 0 then n end as n from generate_series(1, 25000) n")
    assert frame["n"].dtype == "Int64"
    assert frame["n"].isna().sum() == 12_500
    assert len(value("select id, name from orders where id is null")) == 1


def test_results_are_tables_for_the_next_query(db: Postgres) -> None:
    text = """
nodes:
  rows: {uses: sql, credential: db, with: {query: "select 1.25::numeric(9,2) as x, now() as moment"}}
  sums: {uses: sql, with: {query: "select sum(x) as x, max(moment) as moment from rows"}}
  text: {uses: js, with: {code: "rows[0].x"}}
output: sums
"""
    result = fl.Flow.from_yaml(text).run(functions={}).raise_for_status()
    assert result.output["x"].tolist() == [1.25]
    assert str(result.output["moment"].dt.tz) == "Europe/Berlin"
    assert result["text"].value == "1.25"


@pytest.mark.parametrize("text", [
    "' or true --", "x'; drop table orders; --", "$1", ":p1", "%s %(p1)s", "\\'; drop table orders; --",
    "$$; drop table orders; $$", "{{ 1 }}",
])  # fmt: skip
def test_no_value_becomes_sql(db: Postgres, text: str) -> None:
    frame = value(
        "select {{ inputs.x }}::text as x, ':a %s $1' as y, count(*) as n from orders "
        "where name = {{ inputs.x }} and 7 % 4 = 3",
        {"x": text},
    )
    assert frame.to_numpy().tolist() == [[text, ":a %s $1", 0]]
    assert db.execute("select count(*) from orders") == [(2,)]


def test_parameters(db: Postgres) -> None:
    frame = value(
        "select name from orders where name = any({{ inputs.names }}) and $2::jsonb->>'a' = '1'",
        {"names": ["ann", "cat"]},
        more=", parameters: [{a: 1}]",
    )
    assert frame["name"].tolist() == ["ann"]
    assert "never uses the value $1" in str(run("select ?", more=", parameters: [1]").error)


def test_changes_are_committed_and_counted(db: Postgres) -> None:
    assert value("insert into orders values ({{ inputs.n }}, 'c'), (8, 'd')", {"n": 7}) == {
        "rows_affected": 2
    }
    assert value("update orders set name = 'x' where id > 6 returning id")["id"].tolist() == [7, 8]
    assert value("with gone as (delete from orders where id = 8 returning *) select * from gone")[
        "id"
    ].tolist() == [8]
    assert value("create table more_orders (n int)") == {"rows_affected": 0}
    assert value("drop table more_orders") == {"rows_affected": 0}
    assert db.execute("select count(*) from orders where name = 'x'") == [(1,)]


def test_errors_roll_back_and_are_clear(db: Postgres) -> None:
    error = run("insert into orders select n, 1 / (n - 3) from generate_series(1, 5) n").error
    assert error.message == "The query failed: division by zero"
    assert db.execute("select count(*) from orders") == [(2,)]
    error = run("select nam from orders").error
    assert "nam" in error.message
    assert "DECLARE" not in error.message
    assert error.position.line == 3


def test_a_row_too_many_is_noticed_without_reading_all(db: Postgres) -> None:
    result = run("select n from generate_series(1, 50000000) n", more=", max_rows: 100")
    assert "more than 100 rows" in str(result.error)
    assert len(value("select n from generate_series(1, 100) n", more=", max_rows: 100")) == 100


def test_nothing_stays_connected(db: Postgres) -> None:
    value("select 1 as n")
    run("select nope")
    run("select n from generate_series(1, 20000) n", more=", max_rows: 3")
    assert wait_for(lambda: others(db) == 0)


def test_cancelling_ends_the_query_on_the_server(db: Postgres) -> None:
    started = flow("select pg_sleep(60)").start(functions={})
    assert wait_for(lambda: sleepers(db) == 1)
    started.cancel()
    assert started.status == "cancelled"
    # Long before the query would end by itself.
    assert wait_for(lambda: others(db) == 0)


def test_a_timeout_ends_the_query_on_the_server(db: Postgres) -> None:
    text = (
        "nodes: {a: {uses: sql, credential: db, timeout: 0.3, with: {query: select pg_sleep(60)}}}"
    )
    assert "timeout" in str(fl.Flow.from_yaml(text).run(functions={}).error)
    assert wait_for(lambda: others(db) == 0)


def test_a_lost_connection_can_be_tried_again(db: Postgres) -> None:
    text = (
        "nodes: {a: {uses: sql, credential: db, retry: {attempts: 2, backoff: 0}, "
        "with: {query: select pg_terminate_backend(pg_backend_pid())}}}"
    )
    result = fl.Flow.from_yaml(text).run(functions={})
    assert "The query failed" in str(result.error)
    assert result.trace["attempt"].tolist() == [2]


def test_through_a_socket(db: Postgres) -> None:
    url = f"{db.url(host='')}?host={db.sockets}"
    fl.Vault.open().set("db", {"type": "connection_string", "url": url})
    assert value("select 1 as n")["n"].tolist() == [1]


@pytest.mark.parametrize("kind", ["password", "database", "sql"])
def test_no_error_tells_the_password(
    db: Postgres, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = {
        "password": db.url(password=SECRET),
        "database": db.url(database="none"),
        "sql": db.url(),
    }[kind]
    fl.Vault.open().set("db", {"type": "connection_string", "url": url})
    # The database itself says the password, as a server may that was told it.
    quoted = PASSWORD.replace("'", "''")
    result = run(f"select cast('{quoted}' as int)")
    text = str(result.error)
    word = {
        "password": "password authentication failed",
        "database": "does not exist",
        "sql": "••••",
    }
    assert word[kind] in text
    for secret in (SECRET, PASSWORD):
        assert_nowhere(secret, result, caplog)


def others(server: Postgres) -> int:
    """Connections besides the one that asks."""
    query = (
        "select count(*) from pg_stat_activity "
        "where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    return int(server.execute(query)[0][0])


def sleepers(server: Postgres) -> int:
    query = (
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and state = 'active'"
    )
    return int(server.execute(query)[0][0])


def wait_for(condition: object) -> bool:
    """Wait until something holds, far longer than it can take."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
