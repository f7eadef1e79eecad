"""Definitions as YAML text, read back as the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowlib_nb.errors import InputError
from flowlib_nb.language.definition import parse
from flowlib_nb.language.source import read
from flowlib_nb.language.writing import scalar_text, write
from flowlib_nb.models.flow import FlowDefinition
from flowlib_nb.models.secret import Secret

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
# Words and marks of which YAML, templates and JavaScript make something else than text.
TRICKY = st.lists(
    st.sampled_from(
        [
            "{{", "}}", "{{ a.b }}", "\n", "\n\n", " ", "  ", "\t", "#", " #", ": ", ":", "- ", "-", "'", '"', "\\", "|", ">",
            "&a", "*a", "!t", "%", "@", "`", "?", "? ", "[", "]", "{", "}", ",", "true", "null", "~", "no", "1", "0x1f", "1e3",
            ".5", ".inf", "...", "---", "<<", "=", "$x", "é", "\u2028", "\x85", "\ufeff", "\r", "\r\n", "\x00", "😀", "a",
        ]
    ),
    max_size=8,
).map("".join)  # fmt: skip
STRINGS = TEXT | TRICKY
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | STRINGS
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(STRINGS, DATA, max_size=5))
@example({"a": "\nx"})
@example({"a": "x\n \ny"})
@example({"a": "x\n\n"})
@example({"a": [[], {}, [[1]], {"b": {"c": {"d": []}}}]})
@example({"k" * 1500: {"v": "x"}})
@example({"a": -0.0, "b": math.inf, "c": -math.inf, "d": 1e-7, "e": 10**30})
def test_any_data_is_read_back_as_it_was(data: dict[str, Any]) -> None:
    again = read(write(data)).data
    assert again == data
    assert repr(again) == repr(data)  # 1 is not 1.0, and not True


NAME = st.from_regex(r"[a-z]{2}_[a-z0-9_]{0,6}", fullmatch=True)
CODE = st.sampled_from(
    [
        "{{ inputs.region }}", "a {{ `}}${1}` }} b", "{{ {a: {b: 1}}.a.b }}", "const x = 1\nreturn x", "  indented\nreturn 1",
        "yes", "1", "x: y", "# no comment", "{{ a }}\n{{ b }}\n",
    ]
)  # fmt: skip
NODE = st.fixed_dictionaries(
    {"uses": st.sampled_from(["js", "output", "http.request", "merge"])},
    optional={
        "with": st.dictionaries(NAME, CODE | DATA, max_size=3),
        "credential": NAME,
        "needs": st.lists(NAME, max_size=2) | st.dictionaries(NAME, st.booleans(), max_size=2),
        "each": st.fixed_dictionaries(
            {"over": CODE},
            optional={"as": NAME, "concurrency": st.integers(1, 100), "key": CODE},
        ),
        "retry": st.fixed_dictionaries(
            {"attempts": st.integers(1, 20), "backoff": st.floats(0, 9)}
        ),
        "timeout": st.floats(0.5, 60),
    },
)
FLOW = st.fixed_dictionaries(
    {"nodes": st.dictionaries(NAME, NODE, min_size=1, max_size=4)},
    optional={"name": STRINGS, "inputs": st.dictionaries(NAME, DATA, max_size=3), "output": NAME},
)


@given(FLOW)
def test_a_definition_survives(data: dict[str, Any]) -> None:
    parsed = parse(write(data))
    assert parsed.problems == ()
    assert parsed.definition == FlowDefinition.model_validate(data)
    assert parsed.source.data == data
    # Writing what was read changes nothing more.
    assert write(parsed.source.data) == parsed.source.text


def test_what_it_looks_like() -> None:
    data = {
        "name": "orders",
        "inputs": {"region": "EU", "limit": 10, "flag": "no"},
        "nodes": {
            "fetch": {
                "uses": "http.request",
                "with": {
                    "url": "https://api.example.com/{{ inputs.region }}",
                    "headers": {"Accept": "*/*"},
                },
                "retry": {"attempts": 3},
            },
            "paid": {
                "uses": "js",
                "with": {"code": "const all = fetch.body\nreturn all.filter(o => o.paid)"},
            },
            "report": {"uses": "output", "needs": ["paid"], "with": {"value": '{{ paid["x"] }}'}},
        },
    }
    comments = {(): "A flow of orders.", ("nodes", "fetch"): "Fetch\nall"}
    assert write(data, comments=comments) == (
        "# A flow of orders.\n"
        "name: orders\n"
        'inputs: {region: EU, limit: 10, flag: "no"}\n'
        "nodes:\n"
        "  # Fetch\n"
        "  # all\n"
        "  fetch:\n"
        "    uses: http.request\n"
        '    with: {url: "https://api.example.com/{{ inputs.region }}", headers: {Accept: "*/*"}}\n'
        "    retry: {attempts: 3}\n"
        "  paid:\n"
        "    uses: js\n"
        "    with:\n"
        "      code: |-\n"
        "        const all = fetch.body\n"
        "        return all.filter(o => o.paid)\n"
        "  report:\n"
        "    uses: output\n"
        "    needs: [paid]\n"
        "    with: {value: '{{ paid[\"x\"] }}'}\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (12, "12"), (1.5, "1.5"), (math.nan, ".nan"), ("plain words", "plain words"),
        ("true", '"true"'), ("Yes", '"Yes"'), ("~", '"~"'), ("0o7", '"0o7"'), ("1_000", '"1_000"'), ("", '""'),
        ("{{ a }}", '"{{ a }}"'), ("a: b", '"a: b"'), ("it's", '"it\'s"'), ("\x07", '"\\u0007"'),
    ],
)  # fmt: skip
def test_scalars(value: object, text: str) -> None:
    assert scalar_text(value) == text


def test_what_has_no_place_in_yaml_is_named_by_its_path() -> None:
    token = "tok-7f3a9c51e0b24d68-SECRET"
    for value, kind in (
        (object(), "object"),
        (Secret(token), "Secret"),
        ({1, 2}, "set"),
        (b"x", "bytes"),
    ):
        with pytest.raises(InputError) as caught:
            write({"nodes": {"a": {"with": {"items": [0, value]}}}})
        assert f"nodes.a.with.items[1] is of type {kind}" in str(caught.value)
        assert token not in str(caught.value) + repr(caught.value)
    with pytest.raises(InputError, match="A key in nodes is of type int"):
        write({"nodes": {1: {}}})
    with pytest.raises(InputError, match=r"nodes\.a holds half of a surrogate pair"):
        write({"nodes": {"a": "\ud800"}})
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(InputError, match="nested deeper than 100"):
        write({"a": deep})


def test_an_empty_definition() -> None:
    assert write({}) == "{}\n"
