"""What the engine tells the records of runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowlib_nb as fl
from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.engine.records.writer import writer
from flowlib_nb.models.secret import MASK
from flowlib_nb.vault import Vault


@pytest.fixture(autouse=True)
def _flushed(workspace: Path) -> Iterator[None]:
    yield
    writer().flush()


def recorded(run: fl.Run) -> object:
    writer().flush()
    return fl.runs[run.id]


FLOW = """
name: report
inputs: {n: 2}
nodes:
  xs: {uses: js, with: {code: "[1, inputs.n, null]"}}
  ys:
    uses: python
    each: {over: "{{ xs }}", on_error: collect}
    with: {function: half, args: {x: "{{ item }}"}}
  gate: {uses: if, with: {condition: false}}
  never: {uses: js, needs: {gate: true}, with: {code: "1"}}
  bad: {uses: fail, with: {message: "no {{ inputs.n }}"}}
  after: {uses: js, needs: bad, with: {code: "1"}}
"""


def test_a_run_is_found_again() -> None:
    run = fl.Flow(FLOW).run(functions={"half": lambda x: x / 2})
    found = recorded(run)
    assert (found.flow, found.status, found.text) == ("report", "failed", FLOW)
    assert found["xs"].input == {"code": "[1, inputs.n, null]"}
    assert found["xs"].output == [1, 2, None]
    assert [one["args"]["x"] for one in found["ys"].input] == [1, 2, None]
    assert found["ys"].output == [0.5, 1.0, None]
    assert list(found["ys"].input_df["function"]) == ["half"] * 3
    assert len(found["ys"].failed_items) == 1
    statuses = dict(zip(found.trace["node"], found.trace["status"], strict=True))
    assert statuses == {
        "xs": "success", "ys": "success", "gate": "success", "never": "skipped",
        "bad": "failed", "after": "skipped",
    }  # fmt: skip
    assert "no 2" in found.trace.set_index("node").loc["bad", "error"]
    assert run.id in [one.id for one in fl.runs]


def test_secrets_are_masked_where_an_answer_echoes_them(
    shop: Vault, api: OrdersApi, token: str, workspace: Path
) -> None:
    text = f"""
nodes:
  a: {{uses: http.request, credential: shop, with: {{url: "{api.url}/orders"}}}}
  b: {{uses: python, needs: a, with: {{function: leak}}}}
  c: {{uses: python, needs: a, with: {{function: shout}}}}
"""

    def leak() -> dict[str, str]:
        return {"token": token, "bearer": f"Bearer {token}"}

    def shout() -> None:
        raise ValueError(f"no {token}")

    run = fl.Flow(text).run(functions={"leak": leak, "shout": shout})
    found = recorded(run)
    assert found["b"].output == {"token": MASK, "bearer": f"Bearer {MASK}"}
    assert MASK in found.trace.set_index("node").loc["c", "error"]
    for file in (workspace / ".flowlib").iterdir():
        assert token.encode() not in file.read_bytes()


def test_what_a_resumed_run_kept_is_recorded_too() -> None:
    flow = fl.Flow(
        "nodes: {a: {uses: python, with: {function: f}}, b: {uses: js, with: {code: a}}}"
    )
    again = flow.run(functions={"f": lambda: 5}).resume({"a": 6})
    found = recorded(again)
    assert (found["a"].output, found["b"].output) == (6, 6)


def test_records_may_be_turned_off(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    monkeypatch.setattr(fl.RunRecords.instance(), "enabled", False)
    fl.Flow("nodes: {a: {uses: js, with: {code: 1}}}").run(functions={})
    writer().flush()
    assert len(fl.runs) == 0


def test_a_run_makes_no_workspace(workspace: Path) -> None:
    fl.Flow("nodes: {a: {uses: js, with: {code: 1}}}").run(functions={})
    writer().flush()
    assert len(fl.runs) == 1
    assert list(workspace.iterdir()) == []
    other = workspace / "other"
    other.mkdir()
    os.chdir(other)
    assert len(fl.runs) == 0


KILLED = """
import flowlib_nb as fl
flow = fl.Flow("nodes: {a: {uses: js, with: {code: '[1, 2]'}}, b: {uses: wait, needs: a, with: {seconds: 600}}}")
run = flow.start(functions={})
print(run.id, flush=True)
run.wait()
"""


def test_a_killed_kernel_leaves_a_readable_history() -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    deadline = time.monotonic() + 60
    while run_id not in [run.id for run in fl.runs] or not fl.runs[run_id]["a"].output:
        assert time.monotonic() < deadline, "the run was never recorded"
        time.sleep(0.1)
    assert fl.runs[run_id].status == "running"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = fl.runs[run_id]
    assert (found.status, found.interrupted) == ("cancelled", True)
    assert found["a"].output == [1, 2]


def test_a_hundred_flows_at_once() -> None:
    flow = fl.Flow(
        "inputs: {n: 0}\n"
        "nodes: {a: {uses: js, with: {code: inputs.n + 1}}, b: {uses: wait, with: {seconds: 0.2}}, "
        "c: {uses: js, needs: b, with: {code: a * 2}}}"
    )
    runs = [flow.start({"n": n}, functions={}) for n in range(100)]
    assert [run.wait().output for run in runs] == [2 * (n + 1) for n in range(100)]
    writer().flush()
    assert {run.id for run in runs} <= {run.id for run in fl.runs}
