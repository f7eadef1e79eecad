from __future__ import annotations

from flowlib_nb.hints import did_you_mean
from flowlib_nb.language.definition import parse


def codes(text: str) -> list[tuple[str, int | None]]:
    return [(p.code, p.line) for p in parse(text).problems]


def test_a_flow_is_read() -> None:
    parsed = parse(
        "inputs: {a: 1}\nnodes:\n  x: {uses: js, with: {code: '1'}, needs: y, retry: {}}\n"
        "  y: {uses: output, with: {value: 1}}\n"
    )
    assert parsed.problems == ()
    definition = parsed.definition
    assert definition is not None
    assert definition.nodes["x"].needs == {"y": None}
    assert definition.nodes["x"].retry.attempts == 3
    assert definition.nodes["y"].retry.attempts == 1
    assert definition.output_node == "y"


def test_the_last_node_is_the_output_without_another_word() -> None:
    parsed = parse("nodes: {a: {uses: js}, b: {uses: js}}")
    assert parsed.definition is not None
    assert parsed.definition.output_node == "b"


def test_all_problems_of_form_come_at_once_and_the_rest_is_kept() -> None:
    text = """nodes:
  a: {uses: js, retries: 3}
  b: {with: {}}
  c: {uses: js, timeout: soon}
  d: hello
  e: {uses: js, each: {over: x, as: a}}
ouput: a
"""
    parsed = parse(text)
    assert sorted(codes(text)) == sorted(
        [
            ("unknown_key", 2),
            ("missing", 3),
            ("bad_value", 4),
            ("bad_value", 5),
            ("bad_name", 6),
            ("unknown_key", 7),
        ]
    )
    assert parsed.definition is not None
    assert "a" in parsed.definition.nodes
    assert "Did you mean 'output'?" in [p.hint for p in parsed.problems]


def test_names_that_templates_could_not_use() -> None:
    text = "nodes:\n" + "".join(
        f"  {name}: {{uses: js}}\n"
        for name in ("switch", "Math", "json", "inputs", "my-node", "1st", "ok")
    )
    assert codes(text) == [("bad_name", line) for line in range(2, 8)]


def test_what_is_no_flow_at_all() -> None:
    for text in ("", "hello", "- a", "3"):
        assert codes(text) == [("flow_form", 1)]


def test_a_name_in_other_letters_is_what_was_meant() -> None:
    assert did_you_mean("ORDERS", ["orders", "ORDER5"]) == "Did you mean 'orders'?"
    assert did_you_mean("ordres", ["orders", "items"]) == "Did you mean 'orders'?"
    assert did_you_mean("x", ["alpha", "beta"]) == "Known: alpha, beta."
    assert did_you_mean("x", []) is None
