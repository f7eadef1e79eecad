"""Flows within flows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowlib_nb as fl
from flowlib_nb.engine import session

DOUBLE = "inputs: {x: 0}\nnodes: {y: {uses: js, with: {code: inputs.x * 2}}}"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    session.forget()
    yield
    session.forget()


def run(text: str, **functions: object) -> fl.Run:
    return fl.Flow.from_yaml(text).run(functions=functions)


def test_a_flow_of_the_session_a_variable_and_a_file(workspace: Path) -> None:
    (workspace / "double.flow.yaml").write_text(DOUBLE)
    session.named_flows["double"] = fl.Flow.from_yaml(DOUBLE)
    variable = fl.Flow.from_yaml(DOUBLE)
    for name in ("double", "variable", "double.flow.yaml"):
        text = (
            f"nodes: {{a: {{uses: subflow, each: {{over: [1, 2]}}, "
            f"with: {{flow: {name}, inputs: {{x: '{{{{ item }}}}'}}}}}}}}"
        )
        assert run(text, variable=variable).raise_for_status().output == [2, 4]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("flow: duoble", "There is no flow 'duoble'. Did you mean 'double'?"),
        ("flow: none.yaml", "cannot be read"),
        ("flow: wrong", "it has 1 problems, the first: line 1"),
        ("flow: double, inputs: {z: 1}", "no input 'z'"),
    ],
)
def test_what_is_wrong_is_found_before_anything_runs(
    text: str, reason: str, workspace: Path
) -> None:
    session.named_flows["double"] = fl.Flow.from_yaml(DOUBLE)
    session.named_flows["wrong"] = fl.Flow.from_yaml("nodes: {a: {uses: jss}}")
    flow = fl.Flow.from_yaml(f"nodes:\n  a: {{uses: subflow, with: {{{text}}}}}\n")
    found = flow.validate()
    if "inputs" in text:
        assert found == []  # which inputs it is given shows when it runs
        assert reason in str(flow.run(functions={}).error)
        return
    assert reason in str(found[0])
    assert found[0].line == 2
    with pytest.raises(fl.FlowValidationError):
        flow.run(functions={})


def test_a_failure_within_is_the_nodes() -> None:
    session.named_flows["bad"] = fl.Flow.from_yaml(
        "nodes: {x: {uses: fail, with: {message: boom}}}"
    )
    error = run("nodes: {a: {uses: subflow, with: {flow: bad}}}").error
    assert "The flow 'bad' failed. The node 'x' failed." in str(error)
    assert "boom" in str(error)


def test_a_circle_ends() -> None:
    session.named_flows["round"] = fl.Flow.from_yaml(
        "nodes: {a: {uses: subflow, with: {flow: round}}}", name="round"
    )
    error = session.named_flows["round"].run(functions={}).error
    assert "more than 10 deep" in str(error)


def test_cancelling_cancels_what_is_within() -> None:
    started = threading.Event()

    def nap() -> None:
        started.set()
        threading.Event().wait(20)

    session.named_flows["slow"] = fl.Flow.from_yaml(
        "nodes: {x: {uses: python, with: {function: nap}}}", name="slow"
    )
    outer = fl.Flow.from_yaml("nodes: {a: {uses: subflow, with: {flow: slow}}}")
    result = outer.start(functions={"nap": nap})
    assert started.wait(20)
    result.cancel()
    inner = session.last_run("slow")
    assert inner is not None
    inner.wait()
    assert (result.status, inner.status) == ("cancelled", "cancelled")


def test_cancelling_while_it_is_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    slow = fl.Flow.from_yaml("nodes: {x: {uses: wait, with: {seconds: 600}}}", name="slow")
    start = slow.start

    def held(*args: object, **options: object) -> fl.Run:
        run = start(*args, **options)  # type: ignore[arg-type]
        started.set()
        go_on.wait(60)
        return run

    monkeypatch.setattr(slow, "start", held)
    session.named_flows["slow"] = slow
    outer = fl.Flow.from_yaml("nodes: {a: {uses: subflow, with: {flow: slow}}}").start(functions={})
    assert started.wait(20)
    outer.cancel()
    go_on.set()
    inner = session.last_run("slow")
    assert inner is not None
    assert inner.wait().status == "cancelled"
