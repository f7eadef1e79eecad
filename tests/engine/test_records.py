"""What is recorded of runs and how it is found again, in SQLite and in PostgreSQL."""

# Fixtures are imported by name, and are then the names of parameters.
# ruff: noqa: F401, F811

from __future__ import annotations

import threading
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from flowlib_nb.engine.options.records import Limits, Location
from flowlib_nb.engine.records import (
    FailedItemRecord,
    Recorder,
    RunEnded,
    RunRecords,
    runs,
    writer,
)
from flowlib_nb.errors import FlowFailedError, InputError
from flowlib_nb.models.run import Status
from flowlib_nb.models.secret import MASK, Secret

from .postgres import postgres_server
from .test_records_support import (
    START,
    ended,
    options,
    record,
    records,
    sqlite,
    started,
)


@pytest.fixture(autouse=True)
def _in_a_workspace(workspace: Path) -> None:
    (workspace / ".flowlib").mkdir(mode=0o700, exist_ok=True)


CANARY = "canary-5d20e7f1"
CSV = "id,flow,status,started,seconds,nodes,failed,error"


def test_a_run_and_its_nodes(records: RunRecords) -> None:
    recorder = Recorder()
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64")})
    recorder.run_started(started("r1", "fetch", "users", "late", text="nodes: {…}"))
    recorder.node_ended(ended("r1", "fetch", attempt=2, rows=2, output=frame))
    failed = (FailedItemRecord(3, {"id": 3}, "HTTP 500"),)
    recorder.node_ended(
        ended(
            "r1",
            "users",
            input=[{"url": "u1"}, {"url": "u2"}],
            output=[1, None],
            failed_items=failed,
        )
    )
    skipped = {"started": None, "seconds": None, "rows": None, "input": None, "output": None}
    recorder.node_ended(
        ended("r1", "late", status=Status.SKIPPED, attempt=0, error="Skipped.", **skipped)
    )
    recorder.run_ended(RunEnded("r1", Status.FAILED, 1.5, "The node 'x' failed."))
    run = runs["r1"]
    assert (run.id, run.flow, run.text) == ("r1", "shop", "nodes: {…}")
    assert (run.status, run.seconds, run.error) == ("failed", 1.5, "The node 'x' failed.")
    assert (run.started_at, run.interrupted) == (START, False)
    assert run.started_at.tzinfo is UTC
    assert (list(run), len(run)) == (["fetch", "users", "late"], 3)
    pd.testing.assert_frame_equal(run["fetch"].output, frame)
    pd.testing.assert_frame_equal(run["fetch"].df, frame)
    assert run["fetch"].input == {"code": "1 + 1"}
    assert run["fetch"].input_df.to_dict("records") == [{"code": "1 + 1"}]
    assert run["users"].input_df["url"].tolist() == ["u1", "u2"]
    assert run["users"].output == [1, None]
    assert run["users"].failed_items.to_dict("records") == [
        {"index": 3, "item": {"id": 3}, "error": "HTTP 500"}
    ]
    trace = run.trace
    assert list(trace) == [
        "node",
        "action",
        "status",
        "attempt",
        "started",
        "seconds",
        "rows",
        "error",
    ]
    assert trace["attempt"].tolist() == [2, 1, 0]
    assert trace["status"].tolist() == ["success", "success", "skipped"]
    assert trace["started"].tolist()[:2] == [START + timedelta(seconds=1)] * 2
    assert trace["started"].isna().tolist() == [False, False, True]
    assert trace["rows"].isna().tolist() == [False, False, True]
    with pytest.raises(FlowFailedError, match="'late' gave nothing: it is skipped"):
        _ = run["late"].df
    with pytest.raises(InputError, match="No input of the node 'late'"):
        _ = run["late"].input_df
    assert (run["late"].input, run["late"].output) == (None, None)


def test_the_frame_of_all_runs(records: RunRecords) -> None:
    assert repr(runs) == "No runs are recorded yet."
    assert "No runs" in runs._repr_html_()
    assert (len(runs), list(runs)) == (0, [])
    for number in range(3):
        record(f"r{number}", at=START + timedelta(minutes=number))
    recorder = Recorder()
    recorder.run_started(started("r3", "a", "b", at=START + timedelta(minutes=3)))
    recorder.node_ended(ended("r3", "a", status="failed", error="bad"))
    recorder.run_ended(RunEnded("r3", "failed", 2.0, "The node 'a' failed."))
    frame = runs.df
    assert ",".join(frame) == CSV
    assert frame["id"].tolist() == ["r3", "r2", "r1", "r0"]
    assert frame["nodes"].tolist() == [2, 1, 1, 1]
    assert frame["failed"].tolist() == [1, 0, 0, 0]
    assert frame["seconds"].tolist() == [2.0, 0.5, 0.5, 0.5]
    assert str(frame["started"].dtype) == "datetime64[us, UTC]"
    assert len(runs) == 4
    assert [run.id for run in runs] == ["r3", "r2", "r1", "r0"]
    assert "r2" in repr(runs)
    assert "<table" in runs._repr_html_()
    assert [row.id for row in runs.latest(2)] == ["r3", "r2"]
    assert [row.id for row in runs.latest(9, status="failed")] == ["r3"]


def test_finding_a_run(records: RunRecords) -> None:
    with pytest.raises(InputError, match="There is no recorded run 'x'"):
        _ = runs["x"]
    for number, name in enumerate(("ab1", "ab2", "cd%_")):
        record(name, at=START + timedelta(minutes=number))
    assert runs["ab1"].id == "ab1"
    assert runs["cd"].id == "cd%_"
    assert (runs[0].id, runs[2].id, runs[-1].id) == ("cd%_", "ab1", "ab1")
    with pytest.raises(InputError, match="2 runs begin with 'ab': ab2, ab1"):
        _ = runs["ab"]
    with pytest.raises(InputError, match="Did you mean 'ab1'"):
        _ = runs["ab11"]
    for nothing in ("%", "_", ""):
        with pytest.raises(InputError, match="There is no recorded run"):
            _ = runs[nothing]
    for position in (3, -4):
        with pytest.raises(InputError, match=f"no run at {position}: 3 are recorded"):
            _ = runs[position]
    with pytest.raises(InputError, match="not by a slice"):
        _ = runs[1:2]  # type: ignore[index]
    with pytest.raises(InputError, match=r"has no node 'b'\.\nKnown: a\."):
        _ = runs["ab1"]["b"]


def test_a_run_under_way_shows_as_running(records: RunRecords) -> None:
    recorder = Recorder()
    recorder.run_started(started("r1", "a", "b"))
    recorder.node_ended(ended("r1", "a"))
    run = runs["r1"]
    assert (run.status, run.seconds, run.error, run.interrupted) == ("running", None, None, False)
    assert run.trace["status"].tolist() == ["success", "pending"]
    recorder.run_ended(RunEnded("r1", "cancelled", 1.0, None))
    assert run.status == "running"
    assert runs["r1"].trace["status"].tolist() == ["success", "cancelled"]


def test_only_so_many_runs_are_kept(records: RunRecords) -> None:
    records.keep_runs = 3
    under_way = Recorder()
    now = datetime.now(UTC)
    under_way.run_started(started("running", "a", at=now - timedelta(hours=1)))
    for number in range(6):
        record(f"r{number}", at=now + timedelta(seconds=number))
    assert runs.df["id"].tolist() == ["r5", "r4", "r3", "running"]
    under_way.node_ended(ended("running", "a"))
    under_way.run_ended(RunEnded("running", "success", 3600.0, None))
    assert runs.df["id"].tolist() == ["r5", "r4", "r3"]
    assert table_sizes(Recorder().location) == {"runs": 3, "nodes": 3, "values": 6}


def test_runs_of_the_same_moment_are_told_apart(records: RunRecords) -> None:
    records.keep_runs = 2
    now = datetime.now(UTC)
    for name in "cabd":
        record(name, at=now)
    assert runs.df["id"].tolist() == ["d", "c"]


def test_only_runs_of_so_many_days_are_kept(records: RunRecords) -> None:
    records.keep_days = 10
    now = datetime.now(UTC)
    lost = Recorder()
    lost.run_started(started("hangs", "a", at=now - timedelta(days=11)))
    record("old", at=now - timedelta(days=11))
    record("young", at=now - timedelta(days=9))
    assert runs.df["id"].tolist() == ["young"]


def test_a_large_value_is_cut_and_says_so(records: RunRecords) -> None:
    records.max_value_bytes = 2_000
    rows = [{"id": number} for number in range(10_000)]
    record("r1", output=rows, input={"code": "x" * 100})
    node = runs["r1"]["a"]
    assert (node.output_is_whole, node.input_is_whole) == (False, True)
    assert node.output == rows[: len(node.output)]
    assert 50 < len(node.df) < 300


def test_no_plaintext_reaches_the_database(records: RunRecords) -> None:
    """With a canary in every field that can hold one."""
    recorder = Recorder(redact=lambda text: text.replace(CANARY, MASK))
    name = f"node {CANARY}"
    recorder.run_started(
        started("r1", name, flow=f"flow {CANARY}", text=f"nodes: # {CANARY}")
    )  # fmt: skip
    values = {
        "a": CANARY,
        CANARY: [b"x" + CANARY.encode(), Secret(CANARY)],
        "long": [f"{CANARY} {number}" for number in range(500)],
        "n": pd.DataFrame({CANARY: [CANARY]}),
    }
    failure = FailedItemRecord(0, {"item": CANARY}, f"error {CANARY}")
    recorder.node_ended(
        ended(
            "r1", name, status="failed", input=values, output=values["n"],
            error=f"The server said {CANARY}", failed_items=(failure,),
        )
    )  # fmt: skip
    recorder.run_ended(RunEnded("r1", "failed", 1.0, f"failed with {CANARY}"))
    run = runs["r1"]
    node = run[f"node {MASK}"]
    shown = (
        run.flow, run.text, run.error, node.error, node.input, node.output.to_dict("list"),
        node.failed_items.to_dict("records"), list(run), repr(runs), repr(run), repr(node),
    )  # fmt: skip
    assert CANARY not in str(shown)
    assert str(shown).count(MASK) >= 14
    assert node.error == f"The server said {MASK}"
    for text in everything_stored(recorder.location):
        assert CANARY.encode() not in text
    if isinstance(recorder.location, Path):
        files = sorted(recorder.location.parent.glob("flowlib.db*"))
        assert [file.suffix for file in files] == [".db", ".db-shm", ".db-wal"]
        for file in files:
            assert CANARY.encode() not in file.read_bytes()
    for event in (started("r", text=CANARY), ended("r", "a", input=values, output=CANARY), failure):
        assert f"text={CANARY}" not in repr(event)
        assert "item': " not in repr(event)
    assert CANARY not in repr(ended("r", "a", input=values, output=CANARY))


def test_texts_that_a_database_does_not_take(records: RunRecords) -> None:
    recorder = Recorder()
    recorder.run_started(started("r1", "a", flow="nul \0 half \ud800"))
    recorder.node_ended(ended("r1", "a", output="nul \0", error="\0"))
    recorder.run_ended(RunEnded("r1", "success", 1.0, "\0"))
    run = runs["r1"]
    assert (run.flow, run.error, run["a"].output, run["a"].error) == (
        "nul ␀ half ?",
        "␀",
        "nul \0",
        "␀",
    )


def test_what_does_not_fit_costs_no_other_run_its_record(
    records: RunRecords,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record("r1")
    recorder = Recorder()
    recorder.run_started(started("r1", "a", flow="another of the same id"))
    recorder.run_started(started("r2", "a"))
    recorder.node_ended(ended("r1", "a"))
    recorder.node_ended(ended("r2", "a"))
    recorder.node_ended(ended("r2", "never announced"))
    recorder.run_ended(RunEnded("r2", "success", 1.0, None))
    recorder.flush()
    assert {run.id: (run.flow, run.status) for run in runs} == {
        "r1": ("shop", "success"),
        "r2": ("shop", "success"),
    }
    assert runs["r2"]["a"].output == 2
    warnings = [r.getMessage() for r in caplog.records if r.name == "flowlib_nb.records"]
    assert len(warnings) == 2
    assert all("Runs are not being recorded in" in text for text in warnings)


def test_a_fault_of_the_redaction_records_nothing_and_shows_nothing(
    records: RunRecords,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(text: str) -> str:
        raise ValueError(text)

    record("r1", recorder=Recorder(redact=broken), output=CANARY)
    assert len(runs) == 0
    assert "ValueError" in caplog.text
    assert CANARY not in caplog.text


def test_a_hundred_runs_at_once(records: RunRecords) -> None:
    def one(number: int) -> None:
        recorder = Recorder()
        recorder.run_started(started(f"r{number}", "a", "b", at=START + timedelta(seconds=number)))
        recorder.node_ended(ended(f"r{number}", "a", output=number))
        recorder.node_ended(ended(f"r{number}", "b", output=[number] * 1000))
        recorder.run_ended(RunEnded(f"r{number}", "success", 1.0, None))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs.df["id"].tolist() == [f"r{number}" for number in range(99, -1, -1)]
    assert set(runs.df["status"]) == {"success"}
    for run in runs:
        number = int(run.id[1:])
        assert (run["a"].output, run["b"].output) == (number, [number] * 1000)


def test_more_than_can_be_written_is_left_out(
    sqlite: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First values, then nodes and runs; never the end of a run."""
    gate, real = threading.Event(), writer.Writer._write
    inside = threading.Event()

    def held(self: Any, *args: Any) -> None:
        inside.set()
        assert gate.wait(60)
        real(self, *args)

    monkeypatch.setattr(writer.Writer, "_write", held)
    monkeypatch.setattr(writer, "WAITING_WITH_VALUES", 3)
    monkeypatch.setattr(writer, "WAITING", 4)
    recorder = Recorder()
    recorder.run_started(started("first", "a"))
    assert inside.wait(60)
    recorder.run_started(started("r1", "a", "b", "c"))
    for name in "abc":
        recorder.node_ended(ended("r1", name))
    recorder.run_ended(RunEnded("r1", "success", 1.0, None))
    recorder.run_started(started("r2", "a"))
    recorder.node_ended(ended("r2", "a"))
    recorder.run_ended(RunEnded("first", "success", 1.0, None))
    gate.set()
    recorder.flush()
    # Runs are always there, of nodes those that there was room for.
    assert sorted(run.id for run in runs) == ["first", "r1", "r2"]
    assert runs["r2"].trace["status"].tolist() != ["success"]
    run = runs["r1"]
    assert run.status == "success"
    assert [run[name].output for name in "abc"] == [2, 2, None]
    assert run.trace["status"].tolist() == ["success", "success", "success"]


def test_a_run_goes_on_where_no_thread_can_be_started(
    sqlite: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = writer.Writer()

    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    event = writer.Item(started("r1", "a"), sqlite, str, options_of_test())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        made.put(event)
        assert made.flush(0)
    assert "no thread could be started" in caplog.text
    made.put(event)
    assert made.flush()
    assert [run.id for run in runs] == ["r1"]


def options_of_test() -> Limits:
    return RunRecords.instance().limits()


def test_recording_can_be_switched_off(sqlite: Path, options: RunRecords) -> None:
    options.enabled = False
    record("r1")
    assert not sqlite.exists()


def test_a_closed_recorder_records_no_more(sqlite: Path) -> None:
    recorder = Recorder()
    recorder.run_started(started("r1"))
    recorder.close()
    recorder.run_started(started("r2"))
    assert [run.id for run in runs] == ["r1"]


def test_each_workspace_has_its_own(
    sqlite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = Recorder()
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    record("there")
    record("here", recorder=here)
    assert [run.id for run in runs] == ["there"]
    monkeypatch.chdir(sqlite.parent.parent)
    assert [run.id for run in runs] == ["here"]


def table_sizes(location: Location | None) -> dict[str, int]:
    engine = sa.create_engine(address(location))
    with engine.connect() as connection:
        return {
            name: connection.execute(sa.text(f"SELECT count(*) FROM flowlib_{name}")).scalar_one()
            for name in ("runs", "nodes", "values")
        }


def everything_stored(location: Location | None) -> list[bytes]:
    """Every field of every row, uncompressed."""
    engine = sa.create_engine(address(location))
    found = []
    with engine.connect() as connection:
        for name in ("runs", "nodes", "values"):
            for row in connection.execute(sa.text(f"SELECT * FROM flowlib_{name}")).mappings():
                for value in row.values():
                    raw = (
                        bytes(value)
                        if isinstance(value, (bytes, memoryview))
                        else str(value).encode()
                    )
                    found.append(
                        zlib.decompress(raw)
                        if row.get("encoding") == "zlib" and raw[:1] == b"x"
                        else raw
                    )
    assert len(found) > 20
    return found


def address(location: Location | None) -> str:
    if isinstance(location, Path):
        return f"sqlite:///{location}"
    return str(location).replace("postgresql://", "postgresql+psycopg://")
