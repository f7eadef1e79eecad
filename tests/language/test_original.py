"""Flows of the original: what they become, and that they then do the same."""

from __future__ import annotations

import doctest
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.errors import FlowValidationError, InputError
from flowlib_nb.language import original
from flowlib_nb.language.original import ConvertedFlow, from_original
from flowlib_nb.language.original_code import Replacement, Script, rewritten, script
from flowlib_nb.language.original_logic import javascript
from flowlib_nb.language.source import read

SECRET = "tok-7f3a9c51e0b24d68-SECRET"


def node(id_: str, type_: str, reference: str | None = None, **more: Any) -> dict[str, Any]:
    mapper = more.pop("mapper", None)
    extra = {"mapper": {"enabled": True, **mapper}} if mapper else {}
    about = {"referenceId": reference} if reference else {}
    return {
        "id": id_,
        "type": type_,
        "params": more,
        "position": {"x": 0, "y": 0},
        **about,
        **extra,
    }


def js(id_: str, code: str, **more: Any) -> dict[str, Any]:
    return node(id_, "core.javascript", id_, code=code, **more)


def text(id_: str, template: str, **more: Any) -> dict[str, Any]:
    return node(id_, "core.template_string", id_, template=template, **more)


def convert(nodes: list[dict[str, Any]], *edges: tuple[str, ...]) -> ConvertedFlow:
    joined = [
        {"id": f"e{number}", **dict(zip(("source", "target", "sourceHandle"), edge, strict=False))}
        for number, edge in enumerate(edges)
    ]
    return from_original(json.dumps({"nodes": nodes, "edges": joined}))


def run(converted: ConvertedFlow, inputs: dict[str, Any] | None = None, **functions: Any) -> fl.Run:
    flow = fl.Flow.from_yaml(converted.text)
    assert flow.validate() == []
    return flow.run(inputs, functions=functions)


def nodes_of(converted: ConvertedFlow) -> dict[str, Any]:
    found: dict[str, Any] = read(converted.text).data["nodes"]
    return found


def messages(converted: ConvertedFlow) -> str:
    return "\n".join(str(note) for note in converted.notes)


ADULT = {
    "nodes": [
        {
            "id": "input-user", "type": "core.input", "label": "User Data", "referenceId": "user_data",
            "params": {"variableName": "user", "defaultValue": '{"name": "Alice", "age": 25}'},
            "position": {"x": 1, "y": 2},
        },
        {
            "id": "js-1", "type": "core.javascript", "label": "Extract User Info",
            "params": {"code": "({ name: user_data.name, isAdult: user_data.age >= 18 })"},
        },
        {
            "id": "if-1", "type": "core.if_else", "referenceId": "age_check",
            "params": {"condition": {"==": [{"var": "extract_user_info.isAdult"}, True]}},
        },
        {
            "id": "t-1", "type": "core.template_string", "referenceId": "adult-message",
            "params": {"template": "Welcome {{ age_check.extract_user_info.name }}!"},
        },
        {
            "id": "t-2", "type": "core.template_string", "referenceId": "minor_message",
            "params": {"template": "Hi {{ previous_nodes.user_data.name }}, 'user_data'."},
        },
        {
            "id": "o-1", "type": "core.output", "referenceId": "out",
            "params": {"outputName": "out", "outputValue": "{{ $input['adult-message'] ?? minor_message }}"},
        },
    ],
    "edges": [
        {"id": "1", "source": "input-user", "target": "js-1"},
        {"id": "2", "source": "js-1", "target": "if-1"},
        {"id": "3", "source": "if-1", "target": "t-1", "sourceHandle": "true_output"},
        {"id": "4", "source": "if-1", "target": "t-2", "sourceHandle": "false_output"},
        {"id": "5", "source": "t-1", "target": "o-1"},
        {"id": "6", "source": "t-2", "target": "o-1"},
    ],
    "metadata": {"name": "Age check", "description": "Who may enter."},
}  # fmt: skip


def test_a_whole_flow() -> None:
    converted = from_original(ADULT)
    assert converted.notes == ()
    assert converted.text == (
        "# Who may enter.\n"
        "name: Age check\n"
        "inputs: {user: {name: Alice, age: 25}}\n"
        "nodes:\n"
        "  # User Data\n"
        "  user_data:\n"
        "    uses: input\n"
        "    with: {name: user}\n"
        "  # Extract User Info\n"
        "  extract_user_info:\n"
        "    uses: js\n"
        '    with: {code: "({ name: user_data.name, isAdult: user_data.age >= 18 })"}\n'
        "  age_check:\n"
        "    uses: if\n"
        '    with: {condition: "{{ extract_user_info?.isAdult == true }}"}\n'
        "  adult_message:\n"
        "    uses: template\n"
        "    needs: {age_check: true}\n"
        '    with: {text: "Welcome {{ extract_user_info.name }}!"}\n'
        "  minor_message:\n"
        "    uses: template\n"
        "    needs: {age_check: false}\n"
        "    with: {text: \"Hi {{ user_data.name }}, 'user_data'.\"}\n"
        "  out:\n"
        "    uses: output\n"
        '    with: {value: "{{ adult_message ?? minor_message }}"}\n'
    )
    assert run(converted).output == "Welcome Alice!"
    assert run(converted, {"user": {"name": "Bo", "age": 3}}).output == "Hi Bo, 'user_data'."


@pytest.mark.parametrize("wrapper", ["flowlibDefinition", "invectDefinition", "definition"])
def test_stored_versions_hold_the_definition(wrapper: str) -> None:
    stored = {"id": "v1", "name": "Stored", wrapper: json.dumps(ADULT)}
    again = from_original({"id": "v1", "name": "Stored", wrapper: ADULT})
    assert from_original(json.dumps(stored)).text == again.text
    assert "name: Stored" in again.text


def test_other_spellings() -> None:
    definition = {
        "nodes": {
            "a": {"type": "primitives.javascript", "data": {"params": {"code": "[1, 2]"}, "label": "A b"}},
            "c": {"type": "primitives.output", "reference_id": "c", "params": {"outputValue": {"n": ["{{ a_b }}", 1]}}},
        },
        "edges": [["a", "c"]],
    }  # fmt: skip
    converted = from_original(definition)
    assert nodes_of(converted)["c"] == {
        "uses": "output",
        "with": {"value": {"n": ["{{ a_b }}", 1]}},
    }
    assert run(converted).output == {"n": [[1, 2], 1]}


def test_names_become_valid_and_unique_and_references_follow() -> None:
    converted = convert(
        [
            js("a-b", "1"), js("a_b", "2"), js("keys", "3"), js("class", "4"), js("2nd", "5"), js("日本", "6"),
            js("sum", "$input['a-b'] + a_b + keys + $input['class'] + $input['2nd'] + $input['日本']"),
            js("short", "const keys = 1; return { keys, a_b, s: 'a_b keys', m: $input.keys.toFixed(), f: (a_b) => a_b }"),
        ],
        *((one, "sum") for one in ("a-b", "a_b", "keys", "class", "2nd", "日本")),
        ("a_b", "short"), ("keys", "short"),
    )  # fmt: skip
    names = list(nodes_of(converted))
    assert len(set(names)) == 8
    assert {"a_b", "a_b_2", "keys_node", "class_node", "sum", "short"} <= set(names)
    assert nodes_of(converted)["short"]["with"]["code"] == (
        "const keys = 1; return { keys, a_b, s: 'a_b keys', m: keys_node.toFixed(), f: (a_b) => a_b }"
    )
    result = run(converted)
    assert result["sum"].value == 21
    assert result["short"].value["m"] == "3"


def test_two_nodes_of_one_reference_id() -> None:
    nodes = [js("x", "1"), node("y", "core.javascript", "x", code="2"), js("z", "x * 10")]
    converted = convert(nodes, ("y", "z"))
    assert run(converted)["z"].value == 20
    assert "shares the name 'x'" in messages(converted)


def test_the_whole_input_keeps_its_keys() -> None:
    nodes = [
        js("first", "1"),
        js("b", "first + 1"),
        js("c", "({all: $input, n: Object.keys($input)})"),
    ]
    value = run(convert(nodes, ("first", "b"), ("b", "c")))["c"].value
    assert value == {"all": {"b": 2, "previous_nodes": {"first": 1}}, "n": ["b", "previous_nodes"]}
    # A variable of the code's own does not hide the node that it takes its value from.
    own = [
        js("a", "[7]"),
        js("d", "const a = $input.a;\nreturn a.concat(ctx.a, previous_nodes.x ?? []);"),
    ]
    assert run(convert(own, ("a", "d")))["d"].value == [7, 7]
    braces = [js("a-b", "[7]"), js("d", " {{ $input['a-b'].length }} ")]
    assert run(convert(braces, ("a-b", "d")))["d"].value == 1
    short = [js("a", "7"), js("d", "const { a } = ctx;\nreturn ({ $input, a });")]
    assert run(convert(short, ("a", "d")))["d"].value == {"$input": {"a": 7}, "a": 7}


def test_inputs_and_their_defaults() -> None:
    nodes = [
        node("a", "core.input", "a", variableName="a", defaultValue="$price"),
        node("b", "core.input", "b", variableName="n", defaultValue='[1, {"x": "$$y"}]'),
        node("c", "core.input", "c", variableName="plain"),
        node("d", "trigger.manual", "manual_trigger", defaultInputs={"topic": "x"}),
        node("e", "trigger.cron", "cron", expression="* * * * *"),
        text("f", "{{ a }} {{ b[1].x }} {{ manual_trigger.topic }} {{ flow.topic }}|{{ c }}"),
    ]
    converted = convert(nodes, ("a", "f"), ("b", "f"), ("c", "f"), ("d", "f"))
    assert run(converted)["f"].value == "$price $$y x x|"
    assert run(converted, {"topic": "y", "a": 5})["f"].value.startswith("5 $$y y y")
    assert "trigger.cron" in messages(converted)
    other = [node("a", "core.input", "a", variableName="v", defaultValue="1"),
             node("b", "core.input", "b", variableName="v", defaultValue="2")]  # fmt: skip
    assert "another default" in messages(convert(other))


def test_switch_and_its_branches() -> None:
    cases = [
        {"slug": "small", "label": "Small", "expression": "n < 10"},
        {"slug": "even", "label": "Even", "condition": {"==": [{"%": [{"var": "n"}, 2]}, 0]}},
    ]
    nodes = [
        node("i", "core.input", "n", variableName="n", defaultValue="0"),
        node("s", "core.switch", "pick", cases=cases, matchMode="all"),
        text("a", "small {{ pick.n }}"), text("b", "even {{ pick.n }}"), text("c", "else {{ pick.n }}"),
        js("d", "[a, b, c].filter(one => one !== null)"),
    ]  # fmt: skip
    converted = convert(
        nodes, ("i", "s"), ("s", "a", "small"), ("s", "b", "even"), ("s", "c", "default"), ("a", "d"), ("b", "d"), ("c", "d"),
    )  # fmt: skip
    assert converted.notes == ()
    assert nodes_of(converted)["a"]["needs"] == {"pick": "small"}
    for value, wanted in ((4, ["small 4", "even 4"]), (12, ["even 12"]), (13, ["else 13"])):
        assert run(converted, {"n": value})["d"].value == wanted


def test_routing_nodes_in_a_row_hand_on_what_they_were_given() -> None:
    nodes = [
        js("a", "({ok: true, n: 5})"),
        node("g", "core.if_else", "g", expression="a.ok"),
        node("h", "core.if_else", "h", expression="const big = g.a.n > 3;\nreturn big;"),
        text("t", "{{ h.g.a.n }} {{ h.previous_nodes.a.n }} {{ JSON.stringify(h) }}"),
    ]
    converted = convert(nodes, ("a", "g"), ("g", "h", "true_output"), ("h", "t", "true_output"))
    whole = '{"g":{"a":{"ok":true,"n":5}},"previous_nodes":{"a":{"ok":true,"n":5}}}'
    assert run(converted)["t"].value == f"5 5 {whole}"


def test_both_branches_and_unknown_ones() -> None:
    nodes = [
        js("a", "1"),
        node("g", "core.if_else", "g", expression="a"),
        js("b", "2"),
        js("c", "3"),
    ]
    edges = [("a", "g"), ("g", "b", "true_output"), ("g", "b", "false_output"), ("g", "c", "maybe")]
    converted = convert(nodes, *edges)
    assert nodes_of(converted)["b"]["needs"] == {"g": [True, False]}
    assert nodes_of(converted)["c"]["needs"] == ["g"]
    assert "'maybe'" in messages(converted)


ROWS = js(
    "src", "({rows: [{id: 'x', n: 1}, {id: 'y', n: 2}], words: ['a', 'b'], none: [], one: {n: 7}})"
)


@pytest.mark.parametrize(
    ("code", "mapper", "wanted"),
    [
        ("return n * 10", {"expression": "src.rows"}, [10, 20]),
        ("n + src.rows.length", {"expression": "src.rows", "mode": "iterate"}, [3, 4]),
        ("item + _item.iteration + _item.total + _item.last", {"expression": "src.words"}, ["a12false", "b22true"]),
        ("const r = src.rows[_item.index]; return r.id", {"expression": "return src.words"}, ["x", "y"]),
        ("({ id, n })", {"expression": "src.rows", "outputMode": "object"}, {"x": {"id": "x", "n": 1}, "y": {"id": "y", "n": 2}}),
        ("({ k: 'k' + n })", {"expression": "src.rows", "outputMode": "object", "keyField": "k"}, {"k1": {"k": "k1"}, "k2": {"k": "k2"}}),
        ("n", {"expression": "src.rows", "outputMode": "first"}, 1),
        ("n", {"expression": "src.rows", "outputMode": "last"}, 2),
        ("item", {"expression": "src.words", "outputMode": "concat"}, "ab"),
        ("n", {"expression": "src.none"}, []),
        ("$input.id + $input._item.index + $input.src.words[0]", {"expression": "src.rows"}, ["x0a", "y1a"]),
        ("({ total, all: $input.total })", {"expression": "return { total: src.rows.length }"}, {"total": 2, "all": 2}),
        ("count * 2", {"expression": "({ count: src.one.n })", "mode": "auto"}, 14),
        ("n * 2", {"expression": "src.one", "mode": "reshape"}, 14),
        ("item + 1", {"expression": "src.one.n", "mode": "reshape"}, 8),
        ("item.items.length + items.length", {"expression": "src.words", "mode": "reshape"}, 4),
    ],
)  # fmt: skip
def test_mappers(code: str, mapper: dict[str, Any], wanted: object) -> None:
    converted = convert([ROWS, js("it", code, mapper=mapper)], ("src", "it"))
    assert run(converted).raise_for_status()["it"].value == wanted


def test_a_mapper_behind_a_branch_is_skipped_with_it() -> None:
    nodes = [
        ROWS, node("g", "core.if_else", "g", expression="src.none.length"),
        js("it", "n", mapper={"expression": "g.src.rows", "outputMode": "concat"}),
        js("re", "m", mapper={"expression": "({ m: g.src.one.n })", "mode": "reshape"}),
    ]  # fmt: skip
    result = run(
        convert(nodes, ("src", "g"), ("g", "it", "true_output"), ("g", "re", "true_output"))
    )
    skipped = {"g": "success", "src": "success"}
    assert {n: result[n].status.value for n in result} == {
        **dict.fromkeys(result, "skipped"), **skipped,
    }  # fmt: skip


def test_what_a_mapper_says_besides() -> None:
    empty = convert(
        [ROWS, js("it", "n", mapper={"expression": "src.none", "onEmpty": "error"})], ("src", "it")
    )
    assert run(empty)["it"].status.value == "failed"
    off = {**js("it", "src.one.n"), "mapper": {"enabled": False, "expression": "src.rows"}}
    assert "switched off" in messages(convert([ROWS, off], ("src", "it")))
    assert run(convert([ROWS, off], ("src", "it")))["it"].value == 7
    routed = node("g", "core.if_else", "g", expression="src", mapper={"expression": "src.rows"})
    assert "which a node of its kind cannot have" in messages(convert([ROWS, routed], ("src", "g")))
    odd = js("it", "n", mapper={"expression": "src.rows", "outputMode": "zip"})
    assert "outputMode is unknown" in messages(convert([ROWS, odd], ("src", "it")))
    # The item does not take the name of a node.
    named = convert(
        [js("item", "[[1], [2]]"), js("it", "item[0]", mapper={"expression": "item"})],
        ("item", "it"),
    )
    assert nodes_of(named)["it"]["each"]["as"] == "item_2"
    assert run(named)["it"].value == [[1], [1]]  # a parent's name is the parent


def test_requests() -> None:
    nodes = [
        js("who", "({id: 7, tags: ['a']})"),
        node(
            "post", "http.request", "post", method="POST", url="https://api.example.com/{{ who.id }}",
            body='{"name": "{{ who.id }}", "n": 1}', headers={"X-Trace": "{{ who.id }}"}, credentialId="shop_api", timeout=5000,
        ),
        node("raw", "core.http_request", "raw", method="PUT", url="https://api.example.com/u", body="[{{ who.id }}, 2]", headers='{"A": "b"}'),
        node("exact", "http.request", "exact", method="PATCH", url="https://api.example.com/u", body="{{ who }}"),
        node("get", "http.request", "get", url="https://api.example.com/u", body="x", headers={"Authorization": f"Bearer {SECRET}"}, credentialId="not a name"),
        js("use", "[post.data.x, post.ok, post.status, get]"),
    ]  # fmt: skip
    edges = [("who", one) for one in ("post", "raw", "exact")] + [("post", "use"), ("get", "use")]
    converted = convert(nodes, *edges)
    made = nodes_of(converted)
    assert made["post"] == {
        "uses": "http.request",
        "with": {
            "url": "https://api.example.com/{{ who.id }}", "method": "POST",
            "json": {"name": "{{ who.id }}", "n": 1}, "headers": {"X-Trace": "{{ who.id }}"},
        },
        "credential": "shop_api",
        "timeout": 5.0,
    }  # fmt: skip
    assert made["raw"]["with"] == {
        "url": "https://api.example.com/u", "method": "PUT", "body": "[{{ who.id }}, 2]",
        "headers": {"A": "b", "Content-Type": "application/json"},
    }  # fmt: skip
    assert made["exact"]["with"]["json"] == "{{ who }}"
    assert "body" not in made["get"]["with"]
    assert made["get"]["credential"] == "get_credential"
    assert made["use"]["with"]["code"] == "[post.body.x, (post.status < 400), post.status, get]"
    said = messages(converted)
    for part in (
        "'shop_api'",
        "has a body, which GET does not send",
        "the header Authorization",
        "whole response of 'get'",
        "status of 400",
    ):
        assert part in said
    assert SECRET not in said + repr(converted.notes)
    problems = fl.Flow.from_yaml(converted.text).validate()
    assert {p.code for p in problems} <= {"unknown_credential", "ENCRYPTION_KEY_MISSING"}


def test_a_request_sends_what_the_original_would(api: OrdersApi) -> None:
    nodes = [
        node("call", "http.request", "call", url=f"{api.url}/orders?status={{{{ state }}}}", credentialId=None),
        node("state", "core.input", "state", variableName="state", defaultValue="paid"),
        js("n", "({ ok: call.ok, is: call.status, some: call.data !== undefined })"),
    ]  # fmt: skip
    converted = convert(nodes, ("state", "call"), ("call", "n"))
    definition = read(converted.text).data
    definition["nodes"]["call"]["with"]["raise_for_status"] = False
    from flowlib_nb.language.writing import write

    value = run(ConvertedFlow(write(definition))).raise_for_status()["n"].value
    assert value["some"] is True
    assert value["ok"] == (value["is"] < 400)


def test_queries() -> None:
    nodes = [
        js("who", "7"),
        node("q", "postgres.execute_query", "q", query="select * from users where id = {{ who }}", credentialId="db", timeout=20),
        node("p", "postgres.execute_query", "p", query="select '{{ who }}'", credentialId="db"),
        js("n", "q.data.length + q.rowCount + q.columns.length"),
    ]  # fmt: skip
    converted = convert(nodes, ("who", "q"), ("who", "p"), ("q", "n"))
    assert nodes_of(converted)["q"] == {
        "uses": "sql", "with": {"query": "select * from users where id = {{ who }}"}, "credential": "db", "timeout": 20.0,
    }  # fmt: skip
    assert nodes_of(converted)["n"]["with"]["code"] == "q.length + q.length + q.columns.length"
    assert "within quotes" in messages(converted)
    assert "list of rows itself" in messages(converted)


def test_actions_that_are_not_here_call_functions() -> None:
    nodes = [
        js("who", "'Ada'"),
        node("mail", "gmail.send_message", "mail", to="{{ who }}@example.com", options={"cc": ["{{ who }}"]}, credentialId={"token": SECRET}),
    ]  # fmt: skip
    converted = convert(nodes, ("who", "mail"))
    calls = run(converted, gmail_send_message=lambda to, options: [to, options])["mail"].value
    assert calls == ["Ada@example.com", {"cc": ["Ada"]}]
    assert "def gmail_send_message(to, options)" in messages(converted)
    assert "fl.Vault.open()" in messages(converted)
    assert SECRET not in converted.text + messages(converted)


def test_several_outputs() -> None:
    nodes = [
        js("a", "1"), node("g", "core.if_else", "g", expression="a > 1"),
        node("y", "core.output", "yes", outputValue="{{ g.a }}"), node("n", "core.output", "no", outputValue="{{ g.a }} no"),
    ]  # fmt: skip
    converted = convert(nodes, ("a", "g"), ("g", "y", "true_output"), ("g", "n", "false_output"))
    assert run(converted).output == {"no": "1 no"}
    assert "has 2 outputs" in messages(converted)


def test_nothing_is_left_out_without_a_word() -> None:
    nodes = [
        {**js("a", "missing + 1"), "_loop": {"x": 1}, "disabled": True},
        js("b", "{{ a }} + 1", extra=1),
        text("c", "{{ a "),
        text("d", "{{ global.key }} {{ previous_nodes.zzz }} {{ flow.x }}"),
        node("e", "core.if_else", "e"),
        node("f", "core.if_else", "f", condition={"magic": [1]}),
        node("h", "core.switch", "h", cases=["x"]),
        node("k", "http.request", "k", url="u", headers="no json", timeout="{{ a }}", mode="fast"),
    ]
    converted = convert(nodes, ("a", "b"))
    said = messages(converted)
    for part in (
        "'missing', which is no node", "'_loop'", "'disabled'", "templates, which code cannot", "parameter 'extra'",
        "}} is missing", "global settings", "previous_nodes.zzz", "has no condition", "JSON Logic", "cases[0]",
        "headers that are no JSON object", "timeout that is no number", "parameter 'mode'",
    ):  # fmt: skip
        assert part in said, part
    assert all(note.node in nodes_of(converted) for note in converted.notes)
    assert nodes_of(converted)["d"]["with"]["text"].endswith("{{ inputs.x }}")


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ({"edges": []}, 'must be an object with "nodes"'),
        ([], 'must be an object with "nodes"'),
        ({"nodes": [], "edges": []}, "nodes must hold at least one node"),
        ({"nodes": 3}, "nodes must be a list"),
        ({"nodes": [{"id": "a"}]}, "nodes[0].type is missing"),
        ({"nodes": [{"type": "core.output"}]}, "nodes[0].id is missing"),
        ({"nodes": [7]}, "nodes[0] must be an object"),
        ({"nodes": [js("a", "1"), js("a", "1")]}, "nodes[1].id is there twice: 'a'"),
        ({"nodes": [{**js("a", "1"), "params": []}]}, "nodes[0].params must be an object"),
        ({"nodes": [{**js("a", "1"), "mapper": {"expression": 3}}]}, "nodes[0].mapper.expression must be text"),
        ({"nodes": [js("a", "1")], "edges": [{"source": "a", "target": "b"}]}, "edges[0].target names a node that is not there: 'b'"),
        ({"nodes": [js("a", "1")], "edges": [{"source": "a"}]}, "edges[0].target is missing"),
        ({"nodes": [js("a", "1")], "edges": {}}, "edges must be a list"),
        ({"nodes": [js("a", "1")], "edges": [4]}, "edges[0] must be an object"),
        ({"nodes": [js("a", "1"), js("b", "1")], "edges": [["a", "b"], ["b", "a"]]}, "edges lead in a circle"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_named_by_its_path(definition: Any, path: str) -> None:
    with pytest.raises(FlowValidationError) as caught:
        from_original(json.dumps(definition))
    assert path in str(caught.value)


def test_all_problems_at_once_and_what_is_no_json() -> None:
    with pytest.raises(FlowValidationError) as caught:
        from_original({"nodes": [{"id": "a"}, {"type": "x"}], "edges": [1]})
    assert [p.path for p in caught.value.problems] == [
        ("nodes", 0, "type"),
        ("nodes", 1, "id"),
        ("edges", 0),
    ]
    with pytest.raises(InputError, match=r"not JSON: .* on line 2, column 1") as broken:
        from_original(f'{{"token": "{SECRET}",\n')
    assert SECRET not in str(broken.value)
    with pytest.raises(InputError, match=r"nested too deeply|deeper than"):
        from_original('{"nodes": ' + "[" * 100_000)


NAMES = st.sampled_from(["a", "bb", "ünïcode_ñ", "$x"])


@given(
    st.lists(
        NAMES
        | st.sampled_from(
            [
                " + ",
                " [1].map(a => a + bb) ",
                " 'a bb' ",
                " {a, bb: 1}.a ",
                " /a/ ",
                " `${a} a` ",
                "?.a",
                ".bb[0]",
            ]
        )
    )
)
def test_only_references_change(parts: list[str]) -> None:
    read_ = script("".join(parts)) if parts else None
    if read_ is None:
        return
    same = rewritten(read_, lambda use: Replacement(use.name))
    # With its own name each reference stays the same, but for { a }, which becomes { a: a }.
    assert same.source.replace("a: a", "a") == read_.source.replace("a: a", "a")
    renamed = rewritten(read_, lambda use: Replacement(f"other_{use.name}"))
    assert renamed.source.count("other_") >= read_.source.count("other_")
    assert script(renamed.source) is not None


def test_members_are_replaced_with_their_name() -> None:
    one = Script("x?.a.b + x['a'][0] + y(x.a) + x")
    made = rewritten(one, lambda use: Replacement("Z", 1) if use.way[:1] == ("a",) else None)
    assert made.source == "Z.b + Z[0] + y(Z) + x"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"and": [{">": [{"var": "a.b"}, 1]}, {"!": [{"var": "c"}]}]}, "((a?.b > 1) && !c)"),
        ({"<": [1, {"var": "a"}, 3]}, "(1 < a && a < 3)"),
        ({"if": [{"var": "a"}, "x", None]}, '(a ? "x" : null)'),
        ({"in": ["x", {"var": ["a.1.weird-key", []]}]}, '((a?.[1]?.["weird-key"] ?? []) ?? []).includes("x")'),
        ({"cat": ["a", {"var": "b"}]}, "[\"a\", b].join('')"),
        ({"max": [1, {"var": "n"}]}, "Math.max(1, n)"),
        ({"var": ""}, "$input"),
        ({"var": "0.x"}, "$input?.[0]?.x"),
        ({"!!": [[1, {"var": "a"}]]}, "!![1, a]"),
        ({"map": [1, 2]}, None),
        ({"and": [{"nope": 1}, 2]}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_json_logic(rule: Any, code: str | None) -> None:
    assert javascript(rule) == code


def test_the_example_in_the_documentation() -> None:
    assert doctest.testmod(original).failed == 0
