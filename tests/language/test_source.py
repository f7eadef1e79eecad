from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.errors import FlowValidationError
from flowlib_nb.language.source import read, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {{ x }}", "{{ x }}"),
        ("a: {{ x ? 'b: c' : d }} # comment", "{{ x ? 'b: c' : d }}"),
        ("a: pre {{ x # y }} post", "pre {{ x # y }} post"),
        ("a: {{ {q: {r: 1}} }}", "{{ {q: {r: 1}} }}"),
        ('a: {{ "}}" }}', '{{ "}}" }}'),
        ("a: '{{ x }}'", "{{ x }}"),
        ('a: "{{ \\"x\\" }}"', '{{ "x" }}'),
        ("a: |\n  {{ x }}\n  y\n", "{{ x }}\ny\n"),
        ("a: a stray }} is text", "a stray }} is text"),
    ],
)
def test_templates_need_no_quotes(text: str, value: str) -> None:
    assert read(text).data == {"a": value}


def test_templates_inside_brackets() -> None:
    assert read("{a: {{ x }}, b: [{{ y }}, {c: {{ [1, 2] }}}]}").data == {
        "a": "{{ x }}",
        "b": ["{{ y }}", {"c": "{{ [1, 2] }}"}],
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", 10),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        (".inf", float("inf")),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert read(f"a: {text}").data == {"a": value}


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("a: 1\nb: c: d", 2, 5, "mapping values"),
        ("a:\n\t- x", 2, 1, "spaces, never with tabs"),
        ("a: {{ x", 1, 4, "not closed"),
        ("a: 1\na: 2", 2, 1, "twice"),
        ("x: {c: 1, c: 2}", 1, 11, "twice"),
        ("a: !foo 1", 1, 4, "!foo"),
        ("<<: {a: 1}", 1, 1, "Merge keys"),
        ("{{ x }}: 1", 1, 1, "key cannot hold"),
        ("a: *x", 1, 4, "undefined alias"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, line: int, column: int, word: str) -> None:
    with pytest.raises(FlowValidationError, match=word) as caught:
        read(text)
    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (line, column)


def test_all_duplicates_are_reported_at_once() -> None:
    with pytest.raises(FlowValidationError) as caught:
        read("a: 1\na: 2\nb: {c: 1, c: 2}")
    assert len(caught.value.problems) == 2


def test_the_first_line_counts_from_where_the_text_begins() -> None:
    assert read("a: 1\nb: 2", first_line=2).position(("b",)).line == 3


def test_aliases_cannot_fill_the_memory() -> None:
    text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    with pytest.raises(FlowValidationError, match="more than"):
        read(text)


def test_deep_nesting_and_cycles_end() -> None:
    for text in ("[" * 5000, "a: &a [*a]"):
        with pytest.raises(FlowValidationError, match="deeper"):
            read(text)


@pytest.mark.parametrize(
    "text",
    [
        'k: "a {{ one }} b {{ WORD }}"',
        "k: a {{ one }} b {{ WORD }}",
        "k: |\n    first {{ one }}\n    then {{ f(\n      WORD) }}\n",
        "k: >-\n    first {{ one }}\n    then {{ WORD }}\n",
        "k: '{{ \"it''s\" + WORD }}'",
        'k: "{{ \\"é\\\\n\\" + WORD }}"',
        "k: |\n    no template, WORD\n",
    ],
)
def test_a_character_of_a_value_is_found_in_the_text(text: str) -> None:
    source = read(text)
    place = source.position(("k",), source.data["k"].index("WORD"))
    lines = text.split("\n")
    assert lines[place.line - 1][place.column - 1 :].startswith("WORD")


def outcome(text: str) -> tuple[object, set[str]]:
    """The data, or the codes of what is wrong."""
    try:
        return read(text).data, set()
    except FlowValidationError as error:
        return None, {problem.code for problem in error.problems}


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_json_reads_as_itself(value: object) -> None:
    import json

    text = json.dumps({"v": value})
    if "{{" in text:  # a text that looks like an unclosed template is an error of its own
        return
    data, codes = outcome(text)
    # YAML forbids some characters and keys that JSON allows.
    assert codes <= {"yaml_merge", "yaml_syntax", "yaml_key"}
    assert codes or data == {"v": value}


def test_halves_of_a_character_are_joined_or_refused() -> None:
    assert read('a: "\\ud83d\\ude00"').data == {"a": "\U0001f600"}
    with pytest.raises(FlowValidationError, match="surrogate"):
        read('a: "\\ud83d"')


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    data, codes = outcome(text)
    assert data is None or not codes


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("true", True), ("EU", "EU"), ("a: b", "a: b"), ("[1, 2]", [1, 2]), ("", None)],
)
def test_values_on_a_command_line(text: str, value: object) -> None:
    assert scalar(text) == value
