"""Flows as Python: the source runs, is formatted, and does the same as the flow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.engine.python_source import identifier, literal, python_source
from flowlib_nb.language.definition import parse
from flowlib_nb.language.writing import write


def source_of(text: str, name: str = "orders report") -> str:
    parsed = parse(text)
    assert parsed.definition is not None
    assert not parsed.problems
    return python_source(name, parsed.definition, parsed.source.data)


def formatted(source: str) -> str:
    """What a formatter makes of it."""
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    return done.stdout


def function_of(source: str, name: str = "orders_report") -> Any:
    namespace: dict[str, Any] = {"__name__": "generated"}
    exec(compile(source, "generated.py", "exec"), namespace)
    return namespace[name]


REPORT = """
inputs: {region: EU, limit: 10, price: $$5}
nodes:
  rows:
    uses: js
    with:
      code: |-
        const all = [{region: "EU", amount: 1}, {region: "US", amount: 2}, {region: "EU", amount: 3}]
        return all.filter(row => row.region === inputs.region).slice(0, inputs.limit)
  total:
    uses: sql
    with: {query: select sum(amount) as total from rows}
  said: {uses: template, with: {text: "{{ inputs.region }} {{ inputs.price }}: {{ total[0].total }}"}}
output: said
"""


def test_what_it_looks_like_and_that_it_runs() -> None:
    source = source_of(REPORT)
    assert source == '''\
import flowlib_nb as fl

ORDERS_REPORT_FLOW = {
    "name": "orders report",
    "inputs": {"region": None, "limit": None, "price": None},
    "nodes": {
        "rows": {
            "uses": "js",
            "with": {
                "code": (
                    'const all = [{region: "EU", amount: 1}, {region: "US", amount: 2}, {region: "EU", amount: 3}]\\n'
                    "return all.filter(row => row.region === inputs.region).slice(0, inputs.limit)"
                ),
            },
        },
        "total": {
            "uses": "sql",
            "with": {"query": "select sum(amount) as total from rows"},
        },
        "said": {
            "uses": "template",
            "with": {
                "text": "{{ inputs.region }} {{ inputs.price }}: {{ total[0].total }}",
            },
        },
    },
    "output": "said",
}


def orders_report(region="EU", limit=10, price="$5"):
    """Run the flow and return the run."""
    inputs = {"region": region, "limit": limit, "price": price}
    return fl.Flow.from_dict(ORDERS_REPORT_FLOW).run(inputs)


if __name__ == "__main__":
    print(orders_report().raise_for_status())
'''  # fmt: skip
    assert formatted(source) == source
    run = function_of(source)
    assert run().output == fl.Flow.from_yaml(REPORT).run().output == "EU $5: 4"
    assert run(region="US", limit=1).output == "US $5: 2"
    assert run().flow == "orders report"


def test_a_file_runs_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "report.py"
    file.write_text(source_of(REPORT), encoding="utf-8")
    command = [sys.executable, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "EU $5: 4" in done.stdout
    failing = REPORT.replace("select sum(amount)", "select nope(amount)")
    file.write_text(source_of(failing), encoding="utf-8")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "nope" in done.stderr


def test_a_cell_runs_by_itself() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    result = shell.run_cell(source_of(REPORT))
    result.raise_error()
    assert shell.user_ns["orders_report"]("US").output == "US $5: 2"


def test_functions_and_variables_are_parameters() -> None:
    text = """
inputs: {orders: $df, rate: 2, class: [1, $extra, {x: $$y}], load: text}
nodes:
  load_all: {uses: python, with: {function: load, args: {n: "{{ inputs.rate }}"}}}
  paid: {uses: input, with: {name: paid, default: 3}}
  out: {uses: output, with: {value: ["{{ inputs.orders.length }}", "{{ load_all }}", "{{ inputs.class }}", "{{ paid }}", "{{ inputs.load }}"]}}
"""
    source = source_of(text)
    assert "def orders_report(load, df, extra, rate=2, class_2=None, load_2=" in source
    assert "__main__" not in source
    assert formatted(source) == source
    run = function_of(source)
    frame = pd.DataFrame({"a": [1, 2, 3]})
    assert run(lambda n: n * 10, frame, "e").output == [3, 20, [1, "e", {"x": "$y"}], 3, "text"]
    assert run(load=lambda n: n, df=[], extra=0, rate=5, class_2="c", paid=8).output == [
        0,
        5,
        "c",
        8,
        "text",
    ]
    with pytest.raises(TypeError, match="missing"):
        run()


def test_frames_of_the_notebook_stay_in_reach() -> None:
    text = """
nodes:
  f: {uses: python, with: {function: load}}
  q: {uses: sql, with: {query: select * from df_orders}}
"""
    source = source_of(text)
    assert 'functions = {**globals(), "load": load}' in source
    assert formatted(source) == source


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("a b", "a_b"), ("class", "class_2"), ("2x", "flow_2x"), ("", "flow"), ("é", "flow"), ("fl", "fl_2")],
)  # fmt: skip
def test_identifiers(name: str, wanted: str) -> None:
    made = identifier(name, {"fl"})
    assert made.isidentifier()
    assert made == wanted


def test_a_flow_gives_and_takes_python_and_json() -> None:
    flow = fl.Flow.from_yaml(REPORT, name="orders report")
    assert flow.to_python() == source_of(REPORT)
    assert flow.notes == ()
    again = fl.Flow.from_dict(parse(REPORT).source.data, name="again")
    assert again.name == "again"
    assert again.run({"region": "US"}).output == "US $5: 2"
    nodes = [
        {"id": "1", "type": "core.javascript", "referenceId": "a-b", "params": {"code": "1 + x"}}
    ]
    converted = fl.Flow.from_json({"nodes": nodes, "edges": []}, name="old")
    assert converted.name == "old"
    assert [note.node for note in converted.notes] == ["a_b"]
    assert [problem.code for problem in converted.validate()] == ["unknown_name"]


def test_what_is_no_flow_has_no_python() -> None:
    with pytest.raises(fl.FlowValidationError, match="nodes"):
        fl.Flow.from_yaml("inputs: {}").to_python()
    with pytest.raises(fl.InputError, match=r"nodes\.a\.with\.x is of type object"):
        fl.Flow.from_dict({"nodes": {"a": {"uses": "js", "with": {"x": object()}}}})


def data(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=20,
    )


DATA = data(st.text(max_size=90))
# How wide rarer characters are is not agreed on by all.
COMMON = st.text(st.characters(codec="latin-1") | st.sampled_from("日本語€–é"), max_size=90)


@given(DATA, st.integers(0, 60))
@example("a\nb" * 40, 0)
@example({"q": "'\"" * 40, "i": float("inf")}, 3)
def test_literals_give_the_value_back(value: Any, before: int) -> None:
    assert eval(literal(value, "", before)) == value


@settings(max_examples=25)
@given(st.dictionaries(COMMON, data(COMMON), min_size=1, max_size=5))
def test_a_formatter_has_nothing_to_do(value: dict[str, Any]) -> None:
    source = f"x = {literal(value, '', 4)}\n"
    assert formatted(source) == source


@settings(max_examples=30)
@given(
    st.dictionaries(st.from_regex(r"n_[a-z]{1,4}", fullmatch=True), DATA, min_size=1, max_size=3)
)
def test_there_and_back(values: dict[str, Any]) -> None:
    text = write(
        {
            "name": "x",
            "nodes": {
                name: {"uses": "output", "with": {"value": value}} for name, value in values.items()
            },
        }
    )
    parsed = parse(text)
    assert parsed.definition is not None
    source = python_source("x", parsed.definition, parsed.source.data)
    namespace: dict[str, Any] = {}
    exec(source.partition("\n\n\ndef ")[0].replace("import flowlib_nb as fl", ""), namespace)
    assert write(namespace["X_FLOW"]) == text
