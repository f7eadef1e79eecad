"""Several processes at once, and processes that die."""

# Fixtures are imported by name, and are then the names of parameters.
# ruff: noqa: F401, F811

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowlib_nb
from flowlib_nb.engine.records import Recorder, RunRecords, runs
from flowlib_nb.engine.records.store import INTERRUPTED

from .postgres import postgres_server
from .test_records_support import options, records, sqlite, started

Start = Callable[..., "subprocess.Popen[str]"]

COMMON = """
import os, sys, time
from datetime import UTC, datetime
from flowlib_nb.engine.records import *
def begin(run_id, recorder):
    recorder.run_started(RunStarted(
        run_id, "flow", "", datetime.now(UTC), (NodeStarted("a", "js", 0), NodeStarted("b", "js", 1))
    ))
def end_node(run_id, name, recorder, output=1):
    recorder.node_ended(NodeEnded(run_id, name, "success", 1, None, 0.1, 1, {}, output, None, ()))
def whole(run_id, recorder):
    begin(run_id, recorder)
    end_node(run_id, "a", recorder, run_id)
    end_node(run_id, "b", recorder, [run_id] * 50)
    recorder.run_ended(RunEnded(run_id, "success", 1.0, None))
"""
WRITER = """
recorder = Recorder()
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    whole(f"{sys.argv[1]}{number}", recorder)
    if number % 10 == 0:
        recorder.flush()
recorder.flush()
"""
IN_MID_RUN = """
recorder = Recorder()
whole("before", recorder)
begin("mid", recorder)
end_node("mid", "a", recorder)
recorder.flush()
print("here", flush=True)
time.sleep(600)
"""
# Ends at once, by itself, with everything still in the queue.
ENDS = """
for number in range(50):
    whole(f"r{number}", Recorder())
"""
FORKS = """
whole("parent before", Recorder())
Recorder().flush()
pid = os.fork()
if pid == 0:
    whole("child", Recorder())
    assert Recorder().flush(60)
    assert runs["child"]["a"].output == "child"
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
whole("parent after", Recorder())
"""


@pytest.fixture
def start(workspace: Path) -> Iterator[Start]:
    """Starts a Python process in the workspace."""
    root = str(Path(flowlib_nb.__file__).parents[1])
    running = []

    def run(code: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMON + code, *arguments],
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_lose_nothing(records: RunRecords, start: Start) -> None:
    """From the making of the tables on."""
    writers = [start(WRITER, name) for name in "xy"]
    assert [line(process) for process in writers] == ["ready"] * 2
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in writers:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    frame = runs.df
    assert set(frame["id"]) == {f"{name}{number}" for name in "xy" for number in range(200)}
    assert set(frame["status"]) == {"success"}
    for name in ("x0", "y199"):
        assert runs[name]["b"].output == [name] * 50


def test_a_kernel_that_is_killed_in_mid_run(records: RunRecords, start: Start) -> None:
    process = start(IN_MID_RUN)
    assert line(process) == "here"
    assert runs["mid"].status == "running"
    assert not runs["mid"].interrupted
    process.send_signal(signal.SIGKILL)
    process.wait()
    frame = runs.df.set_index("id")
    assert frame.loc["mid", "status"] == "cancelled"
    assert frame.loc["mid", "error"] == INTERRUPTED
    assert frame.loc["before", "status"] == "success"
    run = runs["mid"]
    assert run.interrupted
    assert run.seconds is None
    assert run.trace["status"].tolist() == ["success", "cancelled"]
    assert run["a"].output == 1
    recorder = Recorder()
    recorder.run_started(started("mine", "a"))
    assert runs["mine"].status == "running"


def test_a_killed_process_that_nobody_has_waited_for(sqlite: Path, start: Start) -> None:
    process = start(IN_MID_RUN)
    assert line(process) == "here"
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert runs["mid"].interrupted


def test_what_is_in_the_queue_is_written_at_the_end(sqlite: Path, start: Start) -> None:
    process = start(ENDS)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert len(runs) == 50
    assert set(runs.df["status"]) == {"success"}


def test_a_forked_process_records_too(records: RunRecords, start: Start) -> None:
    process = start(FORKS)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert {run.id: run.status for run in runs} == {
        "parent before": "success",
        "child": "success",
        "parent after": "success",
    }


def test_recording_loads_no_heavy_library_in_the_engine(workspace: Path) -> None:
    code = (
        "import sys, flowlib_nb.engine.records.recorder as r\n"
        "print([m for m in ('sqlalchemy', 'pandas', 'duckdb', 'pyarrow') if m in sys.modules])"
    )
    root = str(Path(flowlib_nb.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr
