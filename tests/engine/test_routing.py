"""Branches, what is skipped because of them, and where ways meet again."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.engine.actions.routing import is_true
from flowlib_nb.engine.plan import Step
from flowlib_nb.engine.schedule import Schedule
from flowlib_nb.sandbox.pool import sandbox


def run(text: str, inputs: dict[str, Any] | None = None, **functions: object) -> fl.Run:
    return fl.Flow.from_yaml(text).run(inputs, functions=functions)


def statuses(result: fl.Run) -> dict[str, str]:
    return {name: result[name].status.value for name in result}


GATE = """
inputs: {on: true}
nodes:
  gate: {uses: if, with: {condition: "{{ inputs.on }}"}}
  yes: {uses: js, needs: {gate: true}, with: {code: "'yes'"}}
  no: {uses: js, needs: {gate: false}, with: {code: "'no'"}}
  later: {uses: js, with: {code: "no + '!'"}}
  both: {uses: merge, needs: [yes, no]}
output: both
"""


def test_one_of_two_ways_is_taken() -> None:
    result = run(GATE).raise_for_status()
    assert statuses(result) == {
        "gate": "success", "yes": "success", "no": "skipped", "later": "skipped", "both": "success",
    }  # fmt: skip
    assert (result["gate"].value, result.output) == (True, "yes")
    assert run(GATE, {"on": 0}).output == "no"
    # What was skipped by choice is no error.
    assert result["no"].error is None
    assert "no" not in str(result.trace["error"].tolist()[2])


def test_a_node_needs_only_one_open_way() -> None:
    text = """
inputs: {on: false}
nodes:
  gate: {uses: if, with: {condition: "{{ inputs.on }}"}}
  skipped: {uses: js, needs: {gate: true}, with: {code: "1"}}
  other: {uses: js, with: {code: "2"}}
  by_reference: {uses: js, with: {code: "[skipped, other]"}}
  by_needs: {uses: js, needs: [skipped, other], with: {code: "skipped ?? 'none'"}}
  gated: {uses: js, needs: {gate: true}, with: {code: "other"}}
  both: {uses: js, needs: {gate: [true, false]}, with: {code: "3"}}
"""
    result = run(text).raise_for_status()
    assert result["by_reference"].value == [None, 2]
    assert result["by_needs"].value == "none"
    assert statuses(result)["gated"] == "skipped"
    assert result["both"].value == 3


def test_a_skipped_output_gives_nothing() -> None:
    result = run(GATE.replace("output: both", "output: no")).raise_for_status()
    assert result.output is None
    assert len(result.df) == 0
    assert repr(result)
    assert result._repr_html_()


def test_a_failure_blocks_even_where_another_way_is_open() -> None:
    text = """
nodes:
  bad: {uses: fail, with: {message: "no luck", hint: "try again"}}
  good: {uses: js, with: {code: "1"}}
  after: {uses: js, needs: [bad, good], with: {code: "2"}}
  later: {uses: js, with: {code: "after"}}
"""
    result = run(text)
    assert statuses(result) == {
        "bad": "failed", "good": "success", "after": "skipped", "later": "skipped",
    }  # fmt: skip
    assert "no luck\ntry again" in str(result.error)
    assert "'bad' failed" in str(result["after"].error)
    assert "'after' was skipped" in str(result["later"].error)


@pytest.mark.parametrize(
    "value", [None, True, False, 0, 1, -0.0, 0.5, "", "0", "false", [], {}, [0]]
)
def test_truth_is_javascripts(value: object) -> None:
    box = sandbox()
    assert is_true(value) == json.loads(
        box.evaluate("JSON.stringify(!!JSON.parse($payload))", json.dumps(value).encode())
    )
    assert not is_true(float("nan"))


@pytest.mark.parametrize(
    ("switch", "taken"),
    [
        ("value: '{{ inputs.x }}', cases: {low: 1, high: [2, 3]}", ["high"]),
        ("value: '{{ inputs.x }}', cases: {low: 1, none: null}, default: other", ["other"]),
        ("value: '{{ inputs.x }}', cases: {low: 1}", []),
        ("cases: {small: '{{ inputs.x < 5 }}', even: '{{ inputs.x % 2 === 0 }}'}", ["small"]),
        (
            "mode: all, cases: {small: '{{ inputs.x < 5 }}', even: '{{ inputs.x % 2 === 0 }}'}",
            ["small", "even"],
        ),
        ("value: '{{ inputs.x > 1 }}', cases: {one: 1, yes: true}", ["yes"]),
        ("value: null, cases: {none: null, some: 1}", ["none"]),
    ],
)
def test_switch(switch: str, taken: list[str]) -> None:
    names = ["low", "high", "none", "other", "small", "even", "one", "yes", "some"]
    used = [n for n in names if re.search(rf"\b{n}:|default: {n}\b", switch)]
    nodes = "".join(
        f"  n_{n}: {{uses: js, needs: {{s: {n}}}, with: {{code: '1'}}}}\n" for n in used
    )
    text = f"inputs: {{x: 2}}\nnodes:\n  s: {{uses: switch, with: {{{switch}}}}}\n{nodes}"
    result = run(text).raise_for_status()
    assert result["s"].value == taken
    ran = [n for n in used if result[f"n_{n}"].status == "success"]
    assert ran == [n for n in used if n in taken]


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ("s: {uses: js, needs: {gate: maybe}, with: {code: '1'}}", "Known: true, false"),
        ("s: {uses: js, needs: {gate: 1}, with: {code: '1'}}", "no branch 1"),
        ("s: {uses: js, needs: {way: tow}, with: {code: '1'}}", "Known: one, two, rest"),
        ("s: {uses: js, needs: {way: [one, tow]}, with: {code: '1'}}", "no branch tow"),
        ("s: {uses: js, needs: {plain: one}, with: {code: '1'}}", "(js) has no branches"),
        ("s: {uses: switch, with: {cases: {}}}", "'cases' is not right"),
        ("s: {uses: if, with: {condition: inputs.x > 5}}", "one template and nothing else"),
        ("s: {uses: if, with: {condition: '{{ 1 }} > 3'}}", "one template and nothing else"),
        ("s: {uses: if, with: {condition: 'false'}}", "one template and nothing else"),
        ("s: {uses: switch, with: {cases: {a: 1 > 0}}}", "one template and nothing else"),
    ],
)
def test_branches_are_checked_before_anything_runs(node: str, problem: str) -> None:
    text = f"""nodes:
  gate: {{uses: if, with: {{condition: 1}}}}
  way: {{uses: switch, with: {{value: 1, cases: {{one: 1, two: 2}}, default: rest}}}}
  plain: {{uses: js, with: {{code: '1'}}}}
  {node}
"""
    (found,) = fl.Flow.from_yaml(text).validate()
    assert problem in str(found)
    assert found.line == 5


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("first", [1]),
        ("last", [3, 4]),
        ("array", [[1], [3, 4]]),
        ("object", {"a": [1], "c": [3, 4]}),
        ("concat", [1, 3, 4]),
    ],
)
def test_merge(mode: str, value: object) -> None:
    text = f"""
nodes:
  gate: {{uses: if, with: {{condition: false}}}}
  a: {{uses: js, with: {{code: "[1]"}}}}
  b: {{uses: js, needs: {{gate: true}}, with: {{code: "[2]"}}}}
  c: {{uses: js, with: {{code: "[3, 4]"}}}}
  m: {{uses: merge, needs: [a, b, c], with: {{mode: {mode}}}}}
"""
    assert run(text).raise_for_status().output == value


def test_merge_joins_frames_and_refuses_scalars() -> None:
    text = """
nodes:
  a: {uses: python, with: {function: one}}
  b: {uses: python, with: {function: two}}
  m: {uses: merge, needs: [a, b], with: {mode: concat}}
"""
    frame = pd.DataFrame({"x": [1]})
    assert run(text, one=lambda: frame, two=lambda: frame + 1).df["x"].tolist() == [1, 2]
    assert "'b' gave int" in str(run(text, one=lambda: [1], two=lambda: 2).error)


class Naive:
    """What a schedule should decide, said in the plainest way."""

    def __init__(
        self, steps: dict[str, Step], ends: dict[str, tuple[str, tuple[Any, ...]]]
    ) -> None:
        self.steps, self.ends, self.known = steps, ends, {}

    def outcome(self, name: str) -> str:
        if name not in self.known:
            step = self.steps[name]
            needs = [self.outcome(need) for need in step.needs]
            if "failed" in needs or "blocked" in needs:
                self.known[name] = "blocked"
            elif step.ways and not any(self.opens(step, way) for way in step.ways):
                self.known[name] = "skipped"
            else:
                self.known[name] = self.ends[name][0]
        return self.known[name]

    def opens(self, step: Step, need: str) -> bool:
        if self.outcome(need) != "success":
            return False
        branches = step.ways[need]
        return branches is None or bool(set(branches) & set(self.ends[need][1]))


@given(st.data())
def test_the_schedule_is_as_a_naive_one(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    steps: dict[str, Step] = {}
    ends: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for index in range(count):
        name = f"n{index}"
        needs = data.draw(
            st.lists(st.sampled_from(list(steps)), unique=True, max_size=4)
            if steps
            else st.just([])
        )
        declared = needs[: data.draw(st.integers(0, len(needs)))]
        ways = {
            need: data.draw(st.sampled_from([None, ("x",), ("y",), ("x", "y")]))
            for need in declared
        }
        steps[name] = Step(
            name, None, None, None, None, None, tuple(needs), ways or dict.fromkeys(needs)
        )  # type: ignore[arg-type]
        ends[name] = (
            data.draw(st.sampled_from(["success", "success", "failed"])),
            data.draw(st.sampled_from([(), ("x",), ("y",), ("x", "y")])),
        )
    schedule, naive = Schedule(steps), Naive(steps, ends)
    chance = random.Random(data.draw(st.integers()))
    waiting: list[str] = []
    order: list[str] = []
    while True:
        while (name := schedule.next()) is not None:
            assert all(need in order for need in steps[name].needs)
            waiting.append(name)
        if not waiting:
            break
        name = waiting.pop(chance.randrange(len(waiting)))
        verdict = schedule.verdict(name).outcome
        outcome = verdict or ends[name][0]
        assert outcome == naive.outcome(name)
        schedule.done(name, outcome, ends[name][1])  # type: ignore[arg-type]
        order.append(name)
    assert sorted(order) == sorted(steps)  # each once, none left over
