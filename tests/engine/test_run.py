"""Flows that succeed, and what a run gives."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import flowlib_nb as fl
from flowlib_nb.engine import actions as actions_module


def run(text: str, inputs: dict | None = None, **functions: object) -> fl.Run:
    return fl.Flow.from_yaml(text).run(inputs, functions=functions)


def output(text: str, inputs: dict | None = None, **functions: object) -> object:
    return run(text, inputs, **functions).raise_for_status().output


def test_nodes_see_inputs_and_each_other() -> None:
    text = """
inputs: {k: 3}
nodes:
  a: {uses: js, with: {code: "[1, 2, 3].map(x => x * inputs.k)"}}
  b: {uses: output, with: {value: {sum: "{{ a.reduce((x, y) => x + y) }}", text: "n={{ a.length }}"}}}
"""
    assert output(text) == {"sum": 18, "text": "n=3"}
    assert output(text, {"k": 1}) == {"sum": 6, "text": "n=3"}


def test_order_in_the_text_does_not_matter() -> None:
    result = run(
        "nodes: {b: {uses: js, with: {code: a + 1}}, a: {uses: js, with: {code: '1'}}}\noutput: b"
    )
    assert result.output == 2
    assert list(result) == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("({a: 1})", {"a": 1}),
        ("const x = 2; return x * 3;", 6),
        ("[1].map(x => { return x })", [1]),
        ("1 // a comment at the end", 1),
        ("{{ 1 + 1 }}", 2),
        ("undefined", None),
    ],
)
def test_js_is_an_expression_or_a_body(code: str, value: object) -> None:
    import json

    assert output(f"nodes: {{a: {{uses: js, with: {{code: {json.dumps(code)}}}}}}}") == value


def test_scope() -> None:
    text = """
inputs: {k: 1}
nodes:
  a: {uses: js, with: {code: "1"}}
  b: {uses: js, with: {code: "a + 1"}}
  c:
    uses: output
    with:
      value:
        earlier: "{{ previous_nodes }}"
        all: "{{ $input }}"
        flow: "{{ $run.flow }}"
        id: "{{ $run.id }}"
        helpers: "{{ first(keys({x: b})) }}"
"""
    result = run(text)
    value = result.output
    assert value["earlier"] == {"a": 1}
    assert value["all"] == {"inputs": {"k": 1}, "a": 1, "b": 2}
    assert value["flow"] == "flow"
    assert value["id"] == result.id
    assert value["helpers"] == "x"


def test_input_nodes() -> None:
    text = """
nodes:
  region: {uses: input, with: {default: EU}}
  out: {uses: output, with: {value: "{{ region }}"}}
"""
    assert output(text) == "EU"
    assert output(text, {"region": "US"}) == "US"
    failed = run("nodes: {x: {uses: input, with: {required: true}}}")
    assert "required" in str(failed.error)


def test_notebook_variables_come_in() -> None:
    frame = pd.DataFrame({"n": [1, 2], "when": pd.to_datetime(["2024-01-01", None])})
    text = """
inputs: {rows: $frame, list: [$two, $$two]}
nodes: {a: {uses: js, with: {code: "[inputs.rows, inputs.list]"}}}
"""
    rows, listed = output(text, frame=frame, two=2)
    assert [row["n"] for row in rows] == [1, 2]
    assert rows[0]["when"].startswith("2024-01-01")
    assert rows[1]["when"] is None
    assert listed == [2, "$two"]


def test_scalars_of_numpy_and_pandas_come_in() -> None:
    given = [np.int64(1), np.bool_(True), np.array([1.5]), pd.NaT, pd.NA, pd.Timedelta("2s")]
    text = "inputs: {x: $given}\nnodes: {a: {uses: js, with: {code: inputs.x}}}"
    assert output(text, given=given) == [1, True, [1.5], None, None, "PT2S"]


def test_a_variable_without_a_json_form_is_named() -> None:
    result = run("inputs: {x: $x}\nnodes: {a: {uses: js, with: {code: inputs.x}}}", x=object())
    assert "type object has no JSON form" in str(result["a"].error)


def test_python_calls_a_function_and_keeps_its_frame() -> None:
    def twice(rows: list[dict]) -> pd.DataFrame:
        return pd.DataFrame(rows) * 2

    text = """
nodes:
  a: {uses: js, with: {code: "[{x: 1}, {x: null}]"}}
  b: {uses: python, with: {function: twice, args: {rows: "{{ a }}"}}}
  c: {uses: js, with: {code: "b.length"}}
"""
    result = run(text, twice=twice)
    assert result["b"].df["x"].tolist()[0] == 2
    assert result.output == 2


def test_python_awaits_coroutines() -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    assert (
        output("nodes: {a: {uses: python, with: {function: later, args: {x: 1}}}}", later=later)
        == 2
    )


def test_sql_over_nodes_with_bound_templates() -> None:
    text = """
inputs: {least: 2, name: "x'; drop table rows; --"}
nodes:
  rows: {uses: js, with: {code: "[{n: 1}, {n: 2}, {n: null}]"}}
  big: {uses: sql, with: {query: "select n, {{ inputs.name }} as name from rows where n >= {{ inputs.least }}"}}
"""
    result = run(text)
    assert result.df.to_dict("records") == [{"n": 2, "name": "x'; drop table rows; --"}]
    assert result["rows"].df["n"].dtype == "Int64"


def test_sql_sums_stay_integers() -> None:
    frame = run(
        "nodes: {t: {uses: js, with: {code: '[{n: 1}, {n: 2}]'}}, "
        "s: {uses: sql, with: {query: select sum(n) as s from t}}}"
    ).df
    assert frame["s"].dtype == "int64"


@pytest.mark.parametrize(
    "query",
    [
        "select * from '/etc/passwd'",
        "select * from read_text('/etc/passwd')",
        "copy (select 1) to 'out.csv'",
        "attach 'x.db'",
        "install httpfs",
        "set enable_external_access = true",
        "select * from secret_frame",
    ],
)
def test_sql_reaches_nothing_but_the_nodes(query: str, workspace: object) -> None:
    secret_frame = pd.DataFrame({"x": [1]})
    text = f'nodes: {{a: {{uses: sql, with: {{query: "{query}"}}}}}}'
    with pytest.raises(fl.FlowlibError, match=r"The query|no table|neither a node nor"):
        run(text).raise_for_status()
    assert len(secret_frame) == 1


def test_each() -> None:
    text = """
nodes:
  xs: {uses: js, with: {code: "['a', 'b', 'c']"}}
  ys:
    uses: js
    each: {over: "{{ xs }}", as: x}
    with: {code: "x + _item.index + '/' + _item.total + (_item.last ? '!' : '')"}
"""
    assert output(text) == ["a0/3", "b1/3", "c2/3!"]
    assert output("nodes: {a: {uses: js, each: {over: []}, with: {code: item}}}") == []


def test_each_runs_as_many_at_once_as_it_may() -> None:
    state = {"now": 0, "most": 0}
    lock = threading.Lock()

    def work(x: int) -> int:
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        time.sleep(0.02)
        with lock:
            state["now"] -= 1
        return x

    text = """
nodes:
  a:
    uses: python
    each: {over: "{{ Array.from({length: 12}, (_, i) => i) }}", concurrency: 3}
    with: {function: work, args: {x: "{{ item }}"}}
"""
    assert output(text, work=work) == list(range(12))
    assert state["most"] == 3


@pytest.mark.parametrize(("mode", "value"), [("collect", [0, None, 2]), ("skip", [0, 2])])
def test_each_goes_on_after_a_failure(mode: str, value: list) -> None:
    def odd_fails(x: int) -> int:
        if x == 1:
            raise ValueError("one is odd")
        return x

    text = f"""
nodes:
  a:
    uses: python
    each: {{over: [0, 1, 2], as: x, on_error: {mode}}}
    with: {{function: odd_fails, args: {{x: "{{{{ x }}}}"}}}}
"""
    result = run(text, odd_fails=odd_fails)
    assert result.output == value
    failed = result.failed_items.to_dict("records")
    assert [(f["node"], f["index"], f["item"]) for f in failed] == [("a", 1, 1)]
    assert "one is odd" in failed[0]["error"]


def test_each_names_the_item_that_failed() -> None:
    result = run("nodes: {a: {uses: js, each: {over: [1, null], as: x}, with: {code: x.y.z}}}")
    assert "item 0" in str(result.error)


def test_retry_counts_attempts() -> None:
    calls = []

    def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return "done"

    text = "nodes: {a: {uses: python, retry: {attempts: 5, backoff: 0}, with: {function: flaky}}}"
    result = run(text, flaky=flaky)
    assert result.output == "done"
    assert result.trace["attempt"].tolist() == [3]


def test_timeout() -> None:
    result = run(
        "nodes: {a: {uses: python, timeout: 0.05, with: {function: nap}}}",
        nap=lambda: time.sleep(5),
    )
    assert "timeout" in str(result.error)


def test_independent_nodes_run_at_once() -> None:
    barrier = threading.Barrier(3, timeout=10)
    text = (
        "nodes: {"
        + ", ".join(f"{name}: {{uses: python, with: {{function: meet}}}}" for name in "abc")
        + "}"
    )
    assert run(text, meet=lambda: barrier.wait() and None).status == "success"


def test_what_depends_on_a_failure_is_skipped_and_the_rest_runs() -> None:
    text = """
nodes:
  bad: {uses: js, with: {code: "nothing.here"}}
  after: {uses: js, with: {code: "bad + 1"}}
  later: {uses: js, with: {code: "after"}}
  other: {uses: js, with: {code: "7"}}
output: later
""".replace("nothing.here", "null.here")
    result = run(text)
    statuses = {name: result[name].status.value for name in result}
    assert statuses == {"bad": "failed", "after": "skipped", "later": "skipped", "other": "success"}
    assert result["other"].value == 7
    with pytest.raises(fl.FlowFailedError, match="'bad' failed"):
        _ = result.df
    with pytest.raises(fl.FlowFailedError, match="'bad' failed"):
        result.raise_for_status()


def test_errors_have_a_place_in_the_text() -> None:
    text = """nodes:
  a:
    uses: js
    with:
      code: |
        const x = null;
        const y = 1 + x.boom.bang;
        return y;
"""
    error = run(text).error
    assert isinstance(error, fl.TemplateError)
    assert (error.code, error.position.line) == ("runtime", 7)
    error = run('nodes:\n  a:\n    uses: output\n    with: {value: "text {{ null.x }}"}').error
    assert (error.position.line, error.position.column) == (4, 32)


def test_template_errors_may_be_empty_when_asked() -> None:
    text = 'nodes: {a: {uses: output, on_template_error: empty, with: {value: ["{{ null.x }}", "a{{ null.x }}b"]}}}'
    assert output(text) == [None, "ab"]


def test_an_endless_template_ends_and_the_next_flow_works() -> None:
    result = run("nodes:\n  a: {uses: js, with: {code: 'while (true) {} return 1'}}")
    assert isinstance(result.error, fl.TemplateError)
    assert result.error.code == "timeout"
    assert result.error.position.line == 2
    assert output("nodes: {a: {uses: js, with: {code: 1 + 1}}}") == 2


def test_rendered_parameters_are_checked_too() -> None:
    error = run("nodes: {a: {uses: http.request, with: {url: '{{ 3 }}'}}}").error
    assert "'url'" in str(error)
    assert error.position is not None


def test_async_callers_are_not_blocked() -> None:
    async def both() -> tuple[fl.Run, int]:
        ticks = 0
        flow = fl.Flow.from_yaml("nodes: {a: {uses: python, with: {function: nap}}}")
        task = asyncio.create_task(flow.arun(functions={"nap": lambda: time.sleep(0.2)}))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.01)
        return await task, ticks

    result, ticks = asyncio.run(both())
    assert result.status == "success"
    assert ticks > 3


def test_cancel_leaves_a_usable_run() -> None:
    started = threading.Event()

    def nap() -> None:
        started.set()
        time.sleep(30)

    text = """
nodes:
  done: {uses: js, with: {code: "[{x: 1}]"}}
  slow: {uses: python, needs: done, with: {function: nap}}
  never: {uses: js, needs: slow, with: {code: "1"}}
"""
    flow_run = fl.Flow.from_yaml(text).start(functions={"nap": nap})
    assert started.wait(20)
    flow_run.cancel()
    assert flow_run.status == "cancelled"
    assert {n: flow_run[n].status.value for n in flow_run} == {
        "done": "success", "slow": "cancelled", "never": "cancelled",
    }  # fmt: skip
    assert flow_run["done"].df["x"].tolist() == [1]
    assert "cancelled" in repr(flow_run)


def test_a_run_answers_for_unknown_nodes() -> None:
    with pytest.raises(fl.FlowlibError, match="no node"):
        run("nodes: {alpha: {uses: js, with: {code: '1'}}}")["alpah"]


def test_custom_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests look at all actions that there are.
    monkeypatch.setattr(actions_module, "_actions", dict(actions_module._actions))

    @fl.action("acme.lookup")
    def lookup(ctx: object, sku: str, limit: int = 10) -> list[dict]:
        """Look a thing up."""
        return [{"sku": sku, "n": n} for n in range(limit)]

    assert len(output("nodes: {a: {uses: acme.lookup, with: {sku: x, limit: 2}}}")) == 2
    problems = fl.Flow.from_yaml("nodes: {a: {uses: acme.lookup, with: {limit: many}}}").validate()
    assert {p.code for p in problems} == {"missing", "bad_value"}


@pytest.mark.parametrize("function", [lambda key, n=1: key, lambda: 1])
def test_custom_actions_take_the_context_first(function: object) -> None:
    with pytest.raises(fl.InputError, match="must be `ctx`"):
        fl.action("acme.lookup")(function)


def test_up_to_a_node() -> None:
    flow = fl.Flow.from_yaml(
        "nodes: {a: {uses: js, with: {code: '1'}}, b: {uses: js, with: {code: a + 1}}, "
        "c: {uses: js, with: {code: 'b + 1'}}, d: {uses: js, with: {code: '1'}}}\noutput: c"
    )
    result = flow.run(functions={}, to="b")
    assert (list(result), result.output) == (["a", "b"], 2)
    with pytest.raises(fl.InputError, match="no node 'bb'"):
        flow.run(functions={}, to="bb")


def test_what_is_not_run_needs_no_credential(workspace: Path) -> None:
    flow = fl.Flow.from_yaml(
        "nodes: {a: {uses: js, with: {code: '1'}}, "
        "b: {uses: http.request, credential: none, with: {url: 'https://x.example/{{ a }}'}}}"
    )
    assert flow.run(functions={}, to="a").output == 1


def test_trace() -> None:
    trace = run("nodes: {a: {uses: js, with: {code: '[1, 2]'}}}").trace
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
    row = trace.iloc[0]
    assert (row["node"], row["status"], row["rows"], row["error"]) == ("a", "success", 2, None)


@pytest.mark.parametrize(
    ("code", "problem", "line"),
    [
        ("const x = 1;\nx + 1", "The code gives no value", 5),
        ("const x = 1;\nconst y = x +;\nreturn y;", "not valid JavaScript", 6),
        ("if (1) {\n  return foo(;\n}", "not valid JavaScript", 6),
        ("let a = [1, 2\nreturn a", "not valid JavaScript", 6),
    ],
)
def test_bodies_that_are_wrong(code: str, problem: str, line: int) -> None:
    block = code.replace("\n", "\n        ")
    text = f"nodes:\n  a:\n    uses: js\n    with:\n      code: |\n        {block}\n"
    found = fl.Flow.from_yaml(text).validate()
    assert problem in str(found[0])
    assert found[0].line == line + 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_function_that_ends_the_interpreter_ends_only_its_node(kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind

    async def leave_later() -> None:
        raise kind

    for function in (leave, leave_later):
        result = run("nodes: {a: {uses: python, with: {function: f}}}", f=function)
        assert f"f() raised {kind.__name__}" in str(result.error)
    assert output("nodes: {a: {uses: js, with: {code: 1 + 1}}}") == 2


def test_arguments_of_the_wrong_kind() -> None:
    with pytest.raises(fl.InputError, match="YAML text, not of int"):
        fl.Flow(3)  # type: ignore[arg-type]
    flow = fl.Flow("nodes: {a: {uses: js, with: {code: 1}}}")
    with pytest.raises(fl.InputError, match="mappings"):
        flow.run("x")  # type: ignore[arg-type]
    with pytest.raises(fl.InputError, match="mapping"):
        flow.run().resume("p")  # type: ignore[arg-type]
