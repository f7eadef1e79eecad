"""What is found before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowlib_nb as fl


def problems(text: str) -> list[fl.Problem]:
    return fl.Flow.from_yaml(text).validate()


@pytest.mark.parametrize(
    ("node", "code", "word"),
    [
        ("{uses: jss, with: {code: '1'}}", "unknown_action", "Did you mean 'js'"),
        ("{uses: js, with: {cod: '1'}}", "unknown_key", "Did you mean 'code'"),
        ("{uses: js, with: {}}", "missing", "'code'"),
        ("{uses: js}", "missing", "'with'"),
        ("{uses: http.request, with: {url: x, raise_for_status: maybe}}", "bad_value", "boolean"),
        ("{uses: http.request, with: {url: x, json: 1, body: a}}", "bad_value", "only one"),
        ("{uses: js, with: {code: '1 +'}}", "template_syntax", "JavaScript"),
        ("{uses: output, with: {value: '{{ 1 + }}'}}", "template_syntax", "{{ 1 + }}"),
        ("{uses: output, with: {value: 'a {{ b'}}", "template_syntax", "not closed"),
        ("{uses: output, with: {value: '{{ }}'}}", "template_syntax", "expression"),
        ("{uses: output, with: {value: '{{ 1);evil();(2 }}'}}", "template_syntax", "not closed"),
        (
            "{uses: output, with: {value: '{{ 1, 2); evil(); (3, 4 }}'}}",
            "template_syntax",
            "closed",
        ),
        ("{uses: js, with: {code: '1]; evil(); [2'}}", "template_syntax", "JavaScript"),
        ("{uses: js, with: {code: othr + 1}}", "unknown_name", "Did you mean 'other'"),
        ("{uses: js, with: {code: inputs.regoin}}", "unknown_input", "Did you mean 'region'"),
        ("{uses: js, with: {code: region}}", "unknown_name", "inputs.region"),
        ("{uses: js, with: {code: a + 1}}", "cycle", "itself"),
        ("{uses: js, needs: nope, with: {code: '1'}}", "unknown_node", "'nope'"),
        ("{uses: js, needs: {other: true}, with: {code: '1'}}", "no_branch", "no branches"),
        ("{uses: js, with: {code: _item.index}}", "unknown_name", "each"),
        ("{uses: js, credential: c, with: {code: '1'}}", "unused_credential", "does not use"),
        ("{uses: http.request, credential: c, with: {url: x}}", "unknown_credential", "set c"),
        ("{uses: sql, with: {query: selec 1}}", "bad_value", "SQL"),
        ("{uses: sql, with: {query: \"select '{{ 1 }}'\"}}", "template_syntax", "without quotes"),
        ("{uses: js, retry: {attempts: 0}, with: {code: '1'}}", "bad_value", "greater"),
    ],
)
def test_each_problem_is_found_with_its_place(
    node: str, code: str, word: str, workspace: Path
) -> None:
    found = problems(
        f"inputs: {{region: EU}}\nnodes:\n  other: {{uses: js, with: {{code: '1'}}}}\n  a: {node}\n"
    )
    match = [p for p in found if p.code == code]
    assert match, found
    assert word in str(match[0])
    assert match[0].line == 4
    assert match[0].column is not None
    assert match[0].path[:2] == ("nodes", "a")


def test_all_are_reported_at_once_in_the_order_of_the_text(workspace: Path) -> None:
    found = problems("""
nodes:
  a: {uses: jss, with: {code: '1'}}
  b: {uses: js, with: {code: '1 +'}}
  c: {uses: js, wiht: {code: '1'}}
  d: {uses: http.request, credential: shop, with: {url: '{{ nope }}'}}
output: z
""")
    assert [(p.code, p.line) for p in found] == [
        ("unknown_action", 3),
        ("template_syntax", 4),
        ("missing", 5),
        ("unknown_key", 5),
        ("unknown_credential", 6),
        ("unknown_name", 6),
        ("unknown_node", 7),
    ]


def test_circles() -> None:
    text = (
        "nodes: {"
        + ", ".join(f"{n}: {{uses: js, with: {{code: {m}}}}}" for n, m in ("ab", "bc", "ca"))
        + "}"
    )
    (found,) = problems(text)
    assert found.code == "cycle"
    assert all(name in found.message for name in "abc")


def test_nothing_runs_when_something_is_wrong() -> None:
    called = []
    text = "nodes: {a: {uses: python, with: {function: f}}, b: {uses: jss}}"
    with pytest.raises(fl.FlowValidationError):
        fl.Flow.from_yaml(text).run(functions={"f": lambda: called.append(1)})
    assert called == []


@pytest.mark.parametrize("text", ["a: b: c", "", "nodes: 3", "nodes: {}", "- x"])
def test_what_is_no_flow_has_problems_too(text: str) -> None:
    assert problems(text)
    with pytest.raises(fl.FlowValidationError):
        fl.Flow.from_yaml(text).run()


def test_unknown_inputs_and_variables() -> None:
    flow = fl.Flow.from_yaml(
        "inputs: {region: EU}\nnodes: {a: {uses: js, with: {code: inputs.region}}}"
    )
    with pytest.raises(fl.FlowValidationError, match="Did you mean 'region'"):
        flow.run({"regoin": "US"})
    flow = fl.Flow.from_yaml("inputs:\n  x: $frmae\nnodes: {a: {uses: js, with: {code: inputs.x}}}")
    with pytest.raises(fl.FlowValidationError, match=r"line 2, column 6.*Did you mean 'frame'"):
        flow.run(functions={"frame": 1})


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "orders.flow.yaml"
    file.write_text("nodes: {a: {uses: js, with: {code: 1 + 1}}}")
    flow = fl.Flow.from_file(file)
    assert flow.name == "orders"
    assert flow.run().output == 2
    with pytest.raises(fl.FlowlibError, match="cannot be read"):
        fl.Flow.from_file(tmp_path / "none.yaml")
