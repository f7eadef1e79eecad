"""The JSON Schema agrees with what the engine itself takes and refuses."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import flowlib_nb as fl
from flowlib_nb.engine.actions import actions
from flowlib_nb.engine.catalogue import action_info, catalogue
from flowlib_nb.engine.schema import flow_schema, flow_schema_json
from flowlib_nb.language.source import read

ROOT = Path(__file__).parents[2]
# What one value does not show, or what depends on the vault.
BEYOND = {"unknown_credential", "KEY_MISSING", "ENCRYPTION_KEY_MISSING"}


def errors(flow: Any) -> list[str]:
    data = read(flow).data if isinstance(flow, str) else flow
    return [error.message for error in Draft202012Validator(flow_schema()).iter_errors(data)]


def problems(flow: Any) -> set[str]:
    text = flow if isinstance(flow, str) else json.dumps(flow)
    return {problem.code for problem in fl.Flow(text).validate()} - BEYOND


def body(cell: str) -> str:
    return cell.partition("\n")[2] if cell.startswith("%%flow") else cell


def texts() -> Iterator[tuple[str, str]]:
    """Everything in this checkout that looks like a flow."""
    yield "demo", (ROOT / "flowlib_nb/demo/flow.yaml").read_text()
    for number, block in enumerate((ROOT / "README.md").read_text().split("```yaml\n")[1:]):
        yield f"README.md {number}", body(block.partition("```")[0])
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(file, 4).cells:  # type: ignore[no-untyped-call]
            if cell.source.startswith("%%flow") and "nodes:" in cell.source:
                yield file.name, body(cell.source)
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and "nodes:" in text:
                yield f"{file.name}:{node.lineno}", body(text)


def test_every_flow_here_that_is_fine_is_fine_under_the_schema(workspace: Path) -> None:
    accepted = set()
    for place, text in texts():
        if not problems(text):
            assert errors(text) == [], place
            accepted.add(place.partition(":")[0].partition(" ")[0])
    assert {"demo", "README.md", "demo.ipynb", "test_run.py", "test_routing.py"} <= accepted


@pytest.mark.parametrize("info", catalogue(), ids=lambda info: info.name)
def test_examples_are_valid(info: Any, workspace: Path) -> None:
    (workspace / "prices.flow.yaml").write_text(action_info("js").example)
    assert info.example
    assert f"uses: {info.name}\n" in info.example
    assert errors(info.example) == []
    assert problems(info.example) == set()


def test_it_is_a_schema_of_its_draft_and_says_what_it_is() -> None:
    schema = flow_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:")
    assert schema["title"] == "Flow"
    definitions = schema["$defs"]
    for text in json.dumps(schema).split('"$ref": "#/$defs/')[1:]:
        assert text.partition('"')[0] in definitions


def test_it_is_the_same_each_time() -> None:
    assert flow_schema_json() == flow_schema_json()
    changed = flow_schema()
    changed["properties"].clear()
    changed["$defs"]["with.http.request"]["properties"].clear()
    assert flow_schema() != changed
    assert json.loads(flow_schema_json()) == flow_schema()


def test_descriptions_come_through() -> None:
    schema = flow_schema()
    node = schema["$defs"]["NodeDefinition"]["properties"]
    each = schema["$defs"]["Each"]["properties"]
    request = schema["$defs"]["with.http.request"]
    assert schema["properties"]["inputs"]["description"].endswith("a variable of the notebook.")
    assert node["uses"]["description"] == "The action."
    assert node["with"]["description"] == "The action's parameters, with templates at any depth."
    assert each["as"]["description"] == "The item's name in the node's templates."
    assert node["uses"]["enum"] == sorted(actions())
    assert node["uses"]["enumDescriptions"][node["uses"]["enum"].index("wait")] == "A pause."
    assert request["properties"]["url"]["description"] == "http or https, absolute."
    assert "Sends a request" in request["description"]
    for part in (*node.values(), *each.values(), *schema["properties"].values()):
        assert part["description"]
    assert "``" not in flow_schema_json()


WRONG = {
    "a key of the flow": "node: {}\nnodes: {a: {uses: js, with: {code: '1'}}}",
    "no nodes": "inputs: {a: 1}",
    "nodes without one": "nodes: {}",
    "nodes as a list": "nodes: [a]",
    "a flow that is a list": "[nodes]",
    "a key of a node": "nodes: {a: {uses: js, wth: {}, with: {code: '1'}}}",
    "no action": "nodes: {a: {with: {code: '1'}}}",
    "an unknown action": "nodes: {a: {uses: http.get, with: {url: 'https://a.example'}}}",
    "a missing parameter": "nodes: {a: {uses: http.request, with: {method: GET}}}",
    "no parameters at all": "nodes: {a: {uses: sql}}",
    "an unknown parameter": "nodes: {a: {uses: wait, with: {seconds: 1, minutes: 2}}}",
    "a parameter of another type": "nodes: {a: {uses: wait, with: {seconds: soon}}}",
    "a parameter out of bounds": "nodes: {a: {uses: wait, with: {seconds: -1}}}",
    "an empty text": "nodes: {a: {uses: sql, with: {query: ''}}}",
    "a text that is a number": "nodes: {a: {uses: sql, with: {query: 1}}}",
    "a choice": "nodes: {a: {uses: http.request, with: {url: 'https://a.example', method: FETCH}}}",
    "a nested key": "nodes: {a: {uses: http.request, with: {url: 'https://a.example', paginate: {bye: link}}}}",
    "a nested type": "nodes: {a: {uses: http.request, with: {url: 'https://a.example', query: {a: {b: 1}}}}}",
    "parameters as a list": "nodes: {a: {uses: js, with: [code]}}",
    "a credential where none is used": "nodes: {a: {uses: js, credential: shop, with: {code: '1'}}}",
    "a credential that is a number": "nodes: {a: {uses: http.request, credential: 1, with: {url: 'https://a.example'}}}",
    "needs that are a number": "nodes: {a: {uses: js, with: {code: '1'}, needs: 1}}",
    "needs that are numbers": "nodes: {a: {uses: js, with: {code: '1'}, needs: [1]}}",
    "a branch that is a mapping": "nodes: {a: {uses: js, with: {code: '1'}, needs: {b: {c: 1}}}}",
    "each without over": "nodes: {a: {uses: js, with: {code: '1'}, each: {as: x}}}",
    "each on an error": "nodes: {a: {uses: js, with: {code: '1'}, each: {over: [1], on_error: stop}}}",
    "too much at once": "nodes: {a: {uses: js, with: {code: '1'}, each: {over: [1], concurrency: 101}}}",
    "a number as text": "nodes: {a: {uses: js, with: {code: '1'}, each: {over: [1], concurrency: '5'}}}",
    "an item's name": "nodes: {a: {uses: js, with: {code: '1'}, each: {over: [1], as: first}}}",
    "retry": "nodes: {a: {uses: js, with: {code: '1'}, retry: {attempt: 2}}}",
    "too many attempts": "nodes: {a: {uses: js, with: {code: '1'}, retry: {attempts: 21}}}",
    "a timeout of nothing": "nodes: {a: {uses: js, with: {code: '1'}, timeout: 0}}",
    "a template for a timeout": "nodes: {a: {uses: js, with: {code: '1'}, timeout: '{{ 1 }}'}}",
    "a node's name": "nodes: {a-b: {uses: js, with: {code: '1'}}}",
    "a word of JavaScript": "nodes: {class: {uses: js, with: {code: '1'}}}",
    "a template as an input": "inputs: {a: '{{ 1 }}'}\nnodes: {a: {uses: js, with: {code: '1'}}}",
}


@pytest.mark.parametrize("flow", WRONG.values(), ids=WRONG.keys())
def test_wrong_flows_are_refused_by_both(flow: str) -> None:
    assert errors(flow)
    assert problems(flow)


RIGHT = {
    "needs as a text": "nodes: {a: {uses: js, with: {code: '1'}}, b: {uses: js, with: {code: '1'}, needs: a}}",
    "needs as a list": "nodes: {a: {uses: js, with: {code: '1'}}, b: {uses: js, with: {code: '1'}, needs: [a]}}",
    "needs as a mapping": "nodes: {a: {uses: if, with: {condition: true}}, b: {uses: merge, needs: {a: true}}}",
    "any branch": "nodes: {a: {uses: if, with: {condition: true}}, b: {uses: merge, needs: {a: }}}",
    "several branches": "nodes: {a: {uses: if, with: {condition: 1}}, b: {uses: merge, needs: {a: [true, false]}}}",
    "templates deep inside": """
        inputs: {x: 1}
        nodes:
          a:
            uses: http.request
            each: {over: "{{ inputs.x }}"}
            with:
              url: https://example.com
              query: {a: "{{ [1, 2] }}", b: ["{{ 1 }}"]}
              raise_for_status: "{{ true }}"
              method: "{{ 'GET' }}"
              paginate: {by: "{{ 'page' }}", max_pages: "{{ 3 }}"}
        """,
    "a whole mapping as a template": "nodes: {a: {uses: http.request, with: {url: 'https://a.example', paginate: '{{ null }}'}}}",
}


@pytest.mark.parametrize("flow", RIGHT.values(), ids=RIGHT.keys())
def test_right_flows_are_taken_by_both(flow: str) -> None:
    assert errors(flow) == []
    assert problems(flow) == set()


@pytest.mark.parametrize("info", catalogue(), ids=lambda info: info.name)
def test_each_parameter_may_be_a_template(info: Any) -> None:
    for parameter in info.parameters:
        given = {p.name: "{{ 1 }}" for p in info.parameters if p.required or p is parameter}
        flow = {"nodes": {"a": {"uses": info.name, "with": given}}}
        assert errors(flow) == []
        # That SQL cannot be one template is not a matter of types.
        assert problems(flow) - {"bad_value" if info.name == "sql" else ""} == set()


def _known_keys(flow: Any) -> Iterator[tuple[str | int, ...]]:
    """Paths of the keys that are words of the language."""
    for key in flow:
        yield (key,)
    for name, node in flow["nodes"].items():
        for key, value in node.items():
            yield ("nodes", name, key)
            if key in ("with", "each", "retry"):
                yield from (("nodes", name, key, inner) for inner in value)


EXAMPLES = [read(info.example).data for info in catalogue()]


@settings(max_examples=60)
@given(data=st.data())
def test_a_misspelt_key_is_refused_by_both(data: st.DataObject) -> None:
    flow = deepcopy(data.draw(st.sampled_from(EXAMPLES)))
    *way, key = data.draw(st.sampled_from(list(_known_keys(flow))))
    place: Any = flow
    for step in way:
        place = place[step]
    at = data.draw(st.integers(0, len(str(key))))
    place[f"{str(key)[:at]}q{str(key)[at:]}"] = place.pop(key)
    assert errors(flow)
    assert problems(flow)


def test_custom_actions_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(actions())
    monkeypatch.setattr("flowlib_nb.engine.actions._actions", known)

    @fl.action("acme.lookup")
    def lookup(ctx: Any, sku: str, limit: int = 10, way: Any = float("inf")) -> list[Any]:
        return [sku, limit, way]

    right = "nodes: {a: {uses: acme.lookup, credential: shop, with: {sku: A, limit: '{{ 3 }}'}}}"
    wrong = "nodes: {a: {uses: acme.lookup, with: {sku: A, limit: many}}}"
    assert errors(right) == []
    assert errors(wrong)
    assert ": Infinity" not in flow_schema_json()
    del known["acme.lookup"]
    assert errors(right)
