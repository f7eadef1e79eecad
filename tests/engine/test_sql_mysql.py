"""``sql`` over MySQL's protocol, whose driver writes values into the text itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowlib_nb as fl

mysql_mimic = pytest.importorskip("mysql_mimic", reason="mysql-mimic, a server, is not installed")
pytest.importorskip("pymysql")


class Server:
    """A server that answers each query with its text; `from sleeper` waits to be killed."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.killed = threading.Event()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(
            target=self._loop.run_until_complete, args=[self._serve()], daemon=True
        ).start()
        assert self._ready.wait(20)

    async def _serve(self) -> None:
        outer = self

        class Session(mysql_mimic.Session):
            async def query(self, expression: object, sql: str, attrs: object) -> object:
                if "from sleeper" in sql:
                    outer.started.set()
                    try:
                        await asyncio.sleep(60)
                    except asyncio.CancelledError:
                        outer.killed.set()
                        raise
                return [(sql, 2**53 + 1)], ["text", "n"]

        server = mysql_mimic.MysqlServer(session_factory=Session)
        await server.start_server(host="127.0.0.1", port=0)
        self.port = server._server.sockets[0].getsockname()[1]
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        server.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)


@pytest.fixture
def mysql(workspace: Path, key: str) -> Iterator[Server]:
    server = Server()
    url = f"mysql://root@127.0.0.1:{server.port}/shop"
    fl.Vault.open().set("db", {"type": "connection_string", "url": url})
    yield server
    server.stop()


def flow(sql: str) -> fl.Flow:
    return fl.Flow.from_yaml(
        "inputs: {x: null}\n"
        f"nodes: {{a: {{uses: sql, credential: db, with: {{query: {json.dumps(sql)}}}}}}}"
    )


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("x'; drop table t; --", r"'x\'; drop table t; --'"), ("\\' or 1=1 #", r"'\\\' or 1=1 #'"),
        ("%s :p1 $1", "'%s :p1 $1'"), (5, "5"), (None, "NULL"), ([1, "a'b"], r"'[1, \"a\'b\"]'"),
    ],
)  # fmt: skip
def test_values_are_escaped_literals(mysql: Server, value: object, literal: str) -> None:
    sql = "select {{ inputs.x }} as x, '100%' as y, 'a:b' as z from t"
    frame = flow(sql).run({"x": value}, functions={}).raise_for_status().df
    assert frame["text"].tolist() == [f"select  {literal}  as x, '100%' as y, 'a:b' as z from t"]
    assert frame["n"].tolist() == [2**53 + 1]


def test_a_place_that_may_be_in_quotes_is_refused(mysql: Server) -> None:
    result = flow("select '\\', {{ inputs.x }}, ' \\' from t").run({"x": "x"}, functions={})
    assert "not clear" in str(result.error)


def test_cancelling_kills_the_query(mysql: Server) -> None:
    started = flow("select n from sleeper").start(functions={})
    assert mysql.started.wait(20)
    started.cancel()
    assert started.status == "cancelled"
    assert mysql.killed.wait(20)
