"""``flowlib runs``, in a process of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flowlib_nb.engine.records import (
    FailedItemRecord,
    NodeEnded,
    NodeStarted,
    Recorder,
    RunEnded,
    RunRecords,
    RunStarted,
)

from .command import flowlib


@pytest.fixture(autouse=True)
def _in_a_workspace(workspace: Path) -> None:
    (workspace / ".flowlib").mkdir(mode=0o700, exist_ok=True)


START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@pytest.fixture
def recorded(workspace: Path) -> Path:
    """Two runs: one that went well, and a newer one whose second node failed."""
    RunRecords.clear_instance()
    recorder = Recorder()
    nodes = (NodeStarted("fetch", "http.request", 0), NodeStarted("sum", "sql", 1))
    for number, run_id in enumerate(("aaa111", "bbb222")):
        recorder.run_started(
            RunStarted(run_id, "shop", "nodes: {…}", START + timedelta(minutes=number), nodes)
        )
        frame = pd.DataFrame({"id": range(30), "city": "Zürich"})
        recorder.node_ended(
            NodeEnded(
                run_id, "fetch", "success", 2, START, 0.25, 30, [{"url": "u1"}, {"url": "u2"}], frame,
                None, (FailedItemRecord(4, {"id": 4}, "HTTP 500"),),
            )
        )  # fmt: skip
    recorder.node_ended(
        NodeEnded(
            "aaa111", "sum", "success", 1, START, 0.5, 1, {"query": "q"}, [{"n": 1}], None, ()
        )
    )
    recorder.run_ended(RunEnded("aaa111", "success", 3.25, None))
    recorder.node_ended(
        NodeEnded("bbb222", "sum", "failed", 1, START, 0.5, None, {"query": "q"}, None, "No table\nat all.", ())
    )  # fmt: skip
    recorder.run_ended(RunEnded("bbb222", "failed", 1.5, "The node 'sum' failed.\nNo table"))
    recorder.flush()
    return workspace


def test_nothing_recorded(workspace: Path) -> None:
    done = flowlib("runs", "list")
    assert (done.returncode, done.stdout) == (0, "No runs are recorded yet.\n"), done.stderr
    assert json.loads(flowlib("runs", "list", "--json").stdout) == []
    done = flowlib("runs", "show", "abc")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no recorded run 'abc'" in done.stderr
    assert not (workspace / ".flowlib" / "flowlib.db").exists()


def test_list(recorded: Path) -> None:
    newest, oldest = flowlib("runs", "list").stdout.splitlines()
    assert newest.startswith("✗ bbb222  shop  failed")
    assert newest.endswith("1.5 s  2 nodes, 1 failed  The node 'sum' failed. No table")
    assert oldest.startswith("✓ aaa111  shop  success")
    assert oldest.endswith("3.2 s  2 nodes")
    assert f"{START.astimezone():%Y-%m-%d %H:%M:%S}" in oldest
    assert flowlib("runs", "list", "--limit", "1").stdout.startswith("✗ bbb222")
    assert len(flowlib("runs", "list", "--limit", "1").stdout.splitlines()) == 1
    assert flowlib("runs", "list", "--status", "success").stdout.startswith("✓ aaa111")
    assert flowlib("runs", "list", "--status", "running").stdout == "No such runs are recorded.\n"
    listed = json.loads(flowlib("runs", "list", "--json").stdout)
    assert listed[1] == {
        "id": "aaa111", "flow": "shop", "status": "success", "started_at": START.isoformat(),
        "seconds": 3.25, "error": None, "interrupted": False, "nodes": 2, "failed": 0,
    }  # fmt: skip


def test_show(recorded: Path) -> None:
    shown = flowlib("runs", "show", "b").stdout
    assert shown.startswith("✗ shop: failed in 1.5 s\n  bbb222, started ")
    assert "  The node 'sum' failed.\n  No table\n\n" in shown
    assert "✓ fetch  http.request  success (attempt 2)  250 ms  30 rows\n" in shown
    assert shown.endswith("    No table\n    at all.\n")
    data = json.loads(flowlib("runs", "show", "bbb222", "--json").stdout)
    assert (data["id"], data["text"], data["failed"]) == ("bbb222", "nodes: {…}", 1)
    assert [node["name"] for node in data["nodes"]] == ["fetch", "sum"]
    assert data["nodes"][1]["error"] == "No table\nat all."
    assert "output" not in data["nodes"][0]


def test_show_a_node(recorded: Path) -> None:
    shown = flowlib("runs", "show", "bbb222", "--node", "fetch").stdout
    assert "input: 2 rows\nurl\n u1\n u2\n" in shown
    assert "output: 30 rows\n" in shown
    assert "Zürich" in shown
    assert shown.endswith("… 10 more rows\n")
    data = json.loads(flowlib("runs", "show", "bbb222", "--node", "fetch", "--json").stdout)
    assert data["input"] == [{"url": "u1"}, {"url": "u2"}]
    assert data["output"][29] == {"id": 29, "city": "Zürich"}
    assert (data["output_is_whole"], data["started"]) == (True, START.isoformat())
    assert data["failed_items"] == [{"index": 4, "item": {"id": 4}, "error": "HTTP 500"}]
    shown = flowlib("runs", "show", "bbb222", "--node", "sum").stdout
    assert "No table\nat all." in shown
    assert "output" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "bbb223"), "Did you mean 'bbb222'"),
        (("show", "bbb222", "--node", "fech"), "Did you mean 'fetch'"),
        (("show",), "the following arguments are required: ID"),
        (("list", "--limit", "0"), "a number from 1 to"),
        (("list", "--limit", "many"), "a number from 1 to"),
        (("list", "--status", "bad"), "invalid choice"),
    ],
)
def test_each_misuse_is_one_message(
    arguments: tuple[str, ...], message: str, recorded: Path
) -> None:
    done = flowlib("runs", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_database(recorded: Path) -> None:
    for file in (recorded / ".flowlib").glob("flowlib.db*"):
        file.write_bytes(b"no database at all" * 1000)
    done = flowlib("runs", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert "The file is damaged. Move it away" in done.stderr
    assert "Traceback" not in done.stderr
