"""Completion in flows that are being typed; ¦ is the cursor."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlib_nb.engine.actions import actions
from flowlib_nb.engine.catalogue import action_info, catalogue
from flowlib_nb.engine.completion import Completion, complete

FLOW = ["name", "inputs", "nodes", "output"]
NODE = ["uses", "with", "credential", "needs", "each", "retry", "timeout", "on_template_error"]
RETRY = ["attempts", "backoff", "max_backoff", "jitter"]
EACH = ["over", "as", "concurrency", "key", "collect", "on_error", "on_empty"]
HTTP = [parameter.name for parameter in action_info("http.request").parameters]
PAGES = {p.name: p for p in action_info("http.request").parameters}["paginate"].parameters
SCOPE = ["inputs", "previous_nodes", "$run", "$input"]
HELPERS = ["exists", "first", "isArray", "isObject", "json", "keys", "last", "values"]


def less(names: list[str], *gone: str) -> list[str]:
    return [name for name in names if name not in gone]


def at_mark(text: str, credentials: tuple[str, ...] = ()) -> list[Completion]:
    before, _, after = text.partition("¦")
    line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    return complete(before + after, line, column, credentials=credentials)


CASES: dict[str, tuple[str, list[str]]] = {
    "an empty cell": ("¦", FLOW),
    "a key of the flow": ("no¦", ["nodes"]),
    "a further key": ("nodes:\n  a: {uses: js}\n¦", less(FLOW, "nodes")),
    "upper case": ("NO¦", ["nodes"]),
    "a key of a node": ("nodes:\n  a:\n    ¦", NODE),
    "a key that is begun": ("nodes:\n  a:\n    uses: js\n    ti¦\n  b: {uses: js}", ["timeout"]),
    "inside a finished key": ("nodes:\n  a:\n    tim¦eout: 10\n    uses: js", ["timeout"]),
    "between two keys": ("nodes:\n  a:\n    uses: js\n    ¦\n    timeout: 1", less(NODE, "uses", "timeout")),
    "behind a blank line": ("nodes:\n  a:\n    uses: js\n\n    ¦", less(NODE, "uses")),
    "a node's name": ("nodes:\n  ¦", []),
    "an action": ("nodes:\n  a:\n    uses: ¦\n  b: {uses: js}", sorted(actions())),
    "an action that is begun": ("nodes:\n  a:\n    uses: htt¦", ["http.request"]),
    "an action in quotes": ("nodes:\n  a:\n    uses: \"htt¦\"", ["http.request"]),
    "an action in an open quote": ("nodes:\n  a:\n    uses: 'htt¦\n    timeout: 1", ["http.request"]),
    "an action on a line of its own": ("nodes:\n  a:\n    uses:\n      htt¦", ["http.request"]),
    "right behind a colon": ("nodes:\n  a:\n    uses:¦", []),
    "a comment": ("nodes:\n  a: {uses: js}\n  # u¦", []),
    "a comment behind a value": ("nodes:\n  a:\n    uses: js # u¦", []),
    "parameters": ("nodes:\n  a:\n    uses: http.request\n    with:\n      ¦", HTTP),
    "parameters before the action": ("nodes:\n  a:\n    with:\n      ¦\n    uses: wait", ["seconds"]),
    "parameters of nothing known": ("nodes:\n  a:\n    uses: nothing\n    with:\n      ¦", []),
    "nested parameters": (
        "nodes:\n  a:\n    uses: http.request\n    with:\n      paginate:\n        ¦",
        [parameter.name for parameter in PAGES],
    ),
    "a nested choice": (
        "nodes:\n  a:\n    uses: http.request\n    with:\n      paginate: {by: ¦}",
        list(PAGES[0].choices),
    ),
    "a choice": ("nodes:\n  a: {uses: http.request, with: {method: P¦}}", ["POST", "PUT", "PATCH"]),
    "yes or no": ("nodes:\n  a:\n    uses: input\n    with:\n      required: ¦", ["true", "false"]),
    "each": ("nodes:\n  a:\n    each:\n      ¦", EACH),
    "a choice of each": ("nodes:\n  a:\n    each: {over: [1], on_error: c¦", ["collect"]),
    "retry": ("nodes:\n  a:\n    retry: {¦", RETRY),
    "retry, further": ("nodes:\n  a:\n    retry: {attempts: 3, ¦}", less(RETRY, "attempts")),
    "behind a value": ("nodes:\n  a:\n    retry: {attempts: 3 ¦}", []),
    "a flow on one line": ("nodes: {a: {¦", NODE),
    "a flow on one line, a key": ("nodes: {a: {uses: js, ne¦}}", ["needs"]),
    "a flow on one line, an action": ("{nodes: {a: {uses: j¦", ["js"]),
    "a flow on one line, parameters": ("{nodes: {a: {uses: wait, with: {¦}}}}", ["seconds"]),
    "an open brace above": ("nodes:\n  a: {uses: js, with: {co¦\n  b: {uses: js}", ["code"]),
    "several lines in braces": ("nodes:\n  a: {\n    uses: js,\n    wi¦\n  }", ["with"]),
    "needs as a text": ("nodes:\n  a: {uses: js}\n  b: {uses: js, needs: ¦}", ["a"]),
    "needs as a list": ("nodes:\n  a: {uses: js}\n  b: {uses: js}\n  c: {needs: [a, ¦]}", ["b"]),
    "needs as a list of lines": ("nodes:\n  a: {uses: js}\n  b:\n    needs:\n      - ¦", ["a"]),
    "needs as a list at the key": ("nodes:\n  a: {uses: js}\n  b:\n    needs:\n    - ¦", ["a"]),
    "needs as a mapping": ("nodes:\n  gate: {uses: if}\n  b:\n    needs: {ga¦", ["gate"]),
    "needs as a mapping of lines": ("nodes:\n  gate: {uses: if}\n  b:\n    needs:\n      ¦", ["gate"]),
    "needs without a circle": (
        "nodes:\n  a: {uses: js, needs: ¦}\n  b: {uses: js, needs: [a]}\n  c: {uses: js, with: {code: b.x}}\n"
        "  d: {uses: template, with: {text: 'a {{ 1 }}'}}",
        ["d"],
    ),
    "a branch of if": ("nodes:\n  g: {uses: if}\n  b: {needs: {g: ¦}}", ["true", "false"]),
    "a branch of switch": (
        "nodes:\n  g:\n    uses: switch\n    with: {cases: {x: 1, y: 2}, default: z}\n  b:\n    needs: {g: [x, ¦]}",
        ["x", "y", "z"],
    ),
    "no branches": ("nodes:\n  g: {uses: js}\n  b: {needs: {g: ¦}}", []),
    "the output": ("nodes:\n  a: {uses: js}\n  b: {uses: js}\noutput: ¦", ["a", "b"]),
    "names in a template": (
        "inputs: {x: 1}\nnodes:\n  a: {uses: js}\n  b:\n    uses: template\n    with: {text: \"{{ ¦ }}\"}",
        ["a", *SCOPE, *HELPERS],
    ),
    "a name that is begun": ("nodes:\n  abc: {uses: js}\n  b: {uses: template, with: {text: 'x {{ ab¦", ["abc"]),
    "a template without quotes": ("nodes:\n  abc: {uses: js}\n  b: {each: {over: {{ ab¦ }}, as: x}}", ["abc"]),
    "behind a template": ("nodes:\n  abc: {uses: js}\n  b: {uses: template, with: {text: '{{ 1 }} ab¦'}}", []),
    "the second template": (
        "nodes:\n  abc: {uses: js}\n  b: {uses: template, with: {text: '{{ {a: \"}}\"} }} {{ ab¦'}}",
        ["abc"],
    ),
    "a template under a bar": (
        "nodes:\n  abc: {uses: js}\n  b:\n    uses: template\n    with:\n      text: |\n        Dear\n        {{ ab¦\n        yours",
        ["abc"],
    ),
    "a template in a list": (
        "nodes:\n  abc: {uses: js}\n  b:\n    uses: sql\n    with:\n      parameters:\n        - {{ ab¦",
        ["abc"],
    ),
    "no templates in other fields": ("nodes:\n  abc: {uses: js}\n  b: {timeout: '{{ ab¦'}", []),
    "inputs": (
        "inputs: {region: EU, since: 1}\nnodes:\n  year: {uses: input}\n  n: {uses: input, with: {name: top}}\n"
        "  a: {uses: js, with: {code: inputs.¦}}",
        ["region", "since", "year", "top"],
    ),
    "inputs that are begun": ("inputs:\n  region: EU\nnodes:\n  a: {uses: template, with: {text: '{{ inputs.re¦", ["region"]),
    "inputs, asked for gently": ("inputs: {region: EU}\nnodes:\n  a: {uses: js, with: {code: 'inputs?.re¦'}}", ["region"]),
    "members of a member": ("inputs: {region: EU}\nnodes:\n  a: {uses: js, with: {code: a.inputs.¦}}", []),
    "members of a call": ("nodes:\n  ab: {uses: js}\n  a: {uses: js, with: {code: 'f().a¦'}}", []),
    "inside a string": ("nodes:\n  abc: {uses: js}\n  b: {uses: js, with: {code: \"'ab¦'\"}}", []),
    "the item": (
        "nodes:\n  a: {uses: js, each: {over: [1], as: row}, with: {code: ¦}}",
        ["row", "_item", *SCOPE, *HELPERS],
    ),
    "no item in over": ("nodes:\n  a: {uses: js, each: {over: '{{ ro¦ }}', as: row}}", []),
    "the item's place": ("nodes:\n  a: {uses: js, each: {over: [1]}, with: {code: _item.t¦}}", ["total"]),
    "the run": ("nodes:\n  a: {uses: js, with: {code: $run.¦}}", ["id", "flow", "started_at"]),
    "code of several lines": (
        "nodes:\n  abc: {uses: js}\n  b:\n    uses: js\n    with:\n      code: |\n        const x = ab¦\n\n        return x\n  c: {uses: js}",
        ["abc"],
    ),
    "a blank line in code": (
        "nodes:\n  abc: {uses: js}\n  b:\n    uses: js\n    with:\n      code: |\n        const x = 1\n¦\n        return x",
        ["abc", *SCOPE, *HELPERS],
    ),
    "below code": ("nodes:\n  b:\n    uses: js\n    with:\n      code: |\n        1\n    ¦", less(NODE, "uses", "with")),
    "a table": ("nodes:\n  abc: {uses: js}\n  b:\n    uses: sql\n    with:\n      query: select x from ¦", ["abc"]),
    "a table that is begun": ("nodes:\n  abc: {uses: js}\n  b: {uses: sql, with: {query: 'select x from ab¦ where 1'}}", ["abc"]),
    "not a table": ("nodes:\n  abc: {uses: js}\n  b: {uses: sql, with: {query: 'select ab¦'}}", []),
    "a broken line above": ("nodes:\n  a: {uses: js}}\n  b: [\n  c:\n    us¦", ["uses"]),
    "an unfinished line above": ("nodes:\n  a\n  c:\n    us¦", ["uses"]),
    "Windows": ("nodes:\r\n  a:\r\n    us¦\r\n", ["uses"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_completions(text: str, expected: list[str]) -> None:
    assert [completion.text for completion in at_mark(text)] == expected


def test_kinds_details_and_where_the_word_begins() -> None:
    def first(text: str) -> Completion:
        return at_mark(text, ("shop",))[0]

    assert first("nodes:\n  a:\n    us¦") == Completion("uses", "key", "The action.", 5)
    assert first("nodes: {a: {uses: wa¦") == Completion("wait", "action", "A pause.", 19)
    assert first("nodes: {a: {uses: 'wa¦'}}").start == 20
    assert first("nodes: {a: {uses: js}}\noutput: ¦") == Completion("a", "node", "js", 9)
    assert first("nodes: {g: {uses: if}, b: {needs: {g: t¦") == Completion(
        "true", "branch", "of g", 39
    )
    code = "inputs: {region: EU}\nnodes:\n  a: {uses: js, with: {code: 1 + inputs.re¦}}"
    assert first(code) == Completion("region", "input", "", 41)
    credential = "nodes:\n  a: {uses: http.request, credential: s¦}"
    assert first(credential) == Completion("shop", "credential", "", 39)
    assert at_mark(credential) == []


def test_places_outside_of_the_text_count_as_the_nearest() -> None:
    assert [c.text for c in complete("no", 99, 99)] == ["nodes"]
    assert [c.text for c in complete("", 0, 0)] == FLOW


EXAMPLES = [info.example for info in catalogue()]


@settings(max_examples=150)
@given(st.sampled_from(EXAMPLES), st.data())
def test_every_key_is_offered_where_it_stands(text: str, data: st.DataObject) -> None:
    """Also when everything behind it is still to be typed."""
    lines = text.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    word, colon, _ = lines[number].strip().partition(":")
    if not colon or word not in {*FLOW, *NODE}:
        return
    before = [*lines[:number], lines[number][: lines[number].index(word) + 1]]
    column = len(before[-1]) + 1
    found = {c.text for c in complete("\n".join(before), number + 1, column)}
    assert word in found
    whole = {c.text for c in complete(text, number + 1, column)}
    assert word in whole


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            ["nodes:", "\n", " ", "  ", "a:", "uses: ", "js", "with:", "{", "}", "[", "]", ",", "- ",
             "|", ">", "{{", "}}", "'", '"', "#", ":", "code: ", "inputs", ".", "\\", "needs: ", "é", "`"]
        ),
        max_size=40,
    ),
    st.integers(-1, 12),
    st.integers(-1, 60),
)  # fmt: skip
def test_no_text_is_too_broken(parts: list[str], line: int, column: int) -> None:
    for completion in complete("".join(parts), line, column):
        assert completion.text
        assert completion.start >= 1


def test_deep_and_long_texts_are_taken() -> None:
    assert complete("[" * 5000, 1, 5001) == []
    assert complete("nodes: " + "{a: " * 5000, 1, 10_000) == []
    long = "nodes:\n" + "".join(
        f"  n{i}: {{uses: js, with: {{code: n{i - 1}}}}}\n" for i in range(1, 2000)
    )
    assert len(at_mark(long + "output: n19¦")) == 111
