"""Databases and events for the tests of records."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowlib_nb.engine.records import (
    NodeEnded,
    NodeStarted,
    Recorder,
    RunEnded,
    RunRecords,
    RunStarted,
)

from .postgres import Postgres

# Recent, since old runs are removed.
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
_numbers = itertools.count()


def new_database(server: Postgres) -> str:
    """The address of an empty database."""
    name = f"records_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name}")
    return server.url(database=name)


@pytest.fixture
def options() -> Iterator[RunRecords]:
    """The process's options, fresh."""
    RunRecords.clear_instance()
    yield RunRecords.instance()
    RunRecords.clear_instance()


@pytest.fixture(params=["sqlite", "postgresql"])
def records(
    request: pytest.FixtureRequest,
    workspace: Path,
    options: RunRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> RunRecords:
    """An empty database in which this process and its children record."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        monkeypatch.setenv("FLOWLIB_DATABASE_URL", new_database(server))
    return options


@pytest.fixture
def sqlite(workspace: Path, options: RunRecords) -> Path:
    """The path of the workspace's database, which is not there yet."""
    return workspace / ".flowlib" / "flowlib.db"


def started(run_id: str, *nodes: str, at: datetime = START, **fields: Any) -> RunStarted:
    return RunStarted(
        **{
            "id": run_id,
            "flow": "shop",
            "text": "nodes: {}",
            "started_at": at,
            "nodes": tuple(NodeStarted(name, "js", place) for place, name in enumerate(nodes)),
            **fields,
        }
    )


def ended(run_id: str, name: str, **fields: Any) -> NodeEnded:
    return NodeEnded(
        **{
            "run_id": run_id,
            "name": name,
            "status": "success",
            "attempt": 1,
            "started": START + timedelta(seconds=1),
            "seconds": 0.25,
            "rows": 1,
            "input": {"code": "1 + 1"},
            "output": 2,
            "error": None,
            "failed_items": (),
            **fields,
        }
    )


def record(
    run_id: str, *, at: datetime = START, recorder: Recorder | None = None, **fields: Any
) -> None:
    """One whole run of one node."""
    recorder = recorder or Recorder()
    recorder.run_started(started(run_id, "a", at=at))
    recorder.node_ended(ended(run_id, "a", **fields))
    recorder.run_ended(RunEnded(run_id, "success", 0.5, None))
    recorder.flush()
