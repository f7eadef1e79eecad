"""Templates of a value become one program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import (
    Code,
    CompiledValue,
    Program,
    check_forms,
    compile_code,
    compile_value,
    program_for,
)
from flowlib_nb.templates.render import check_syntax
from flowlib_nb.templates.tokenizer import TemplateSyntaxError


def run(box: Sandbox, program: str, scope: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    return json.loads(box.evaluate(program, json.dumps({"scope": scope, "rows": rows}).encode()))


def test_templates_are_found_at_any_depth() -> None:
    value = {
        "url": "https://h/{{ a }}/{{ b.c }}",
        "list": [1, "{{ d }}", {"deep": ["x", "{{ e }}"]}],
        "none": None,
        "{{ key }}": "text",
    }
    compiled = compile_value(value)
    assert [(field.path, field.is_exact) for field in compiled.fields] == [
        (("url",), False),
        (("list", 1), True),
        (("list", 2, "deep", 1), True),
    ]
    assert [(code.source, code.path, code.start) for code in compiled.codes] == [
        ("a", ("url",), 13),
        ("b.c", ("url",), 21),
        ("d", ("list", 1), 3),
        ("e", ("list", 2, "deep", 1), 3),
    ]
    assert compiled.names == {"a", "b", "d", "e"}
    assert [use.member for use in compiled.uses] == [None, "c", None, None]
    assert compiled.filled(["U", [1], None]) == {
        "url": "U",
        "list": [1, [1], {"deep": ["x", None]}],
        "none": None,
        "{{ key }}": "text",
    }
    assert value["list"][1] == "{{ d }}"


@pytest.mark.parametrize("value", ["text", "a }} b", 5, None, True, [], {}, ["a", {"b": 1.5}]])
def test_values_without_templates(value: object) -> None:
    compiled = compile_value(value)
    assert compiled.fields == ()
    assert compiled.filled([]) == value


@pytest.mark.parametrize(
    ("text", "is_exact"),
    [
        ("{{ a }}", True),
        (" {{ a }}\n", True),
        ("\n\t{{ a }}", True),
        ("{{ a }}.", False),
        ("-{{ a }}", False),
        ("{{ a }}{{ b }}", False),
        ("{{ a }} {{ b }}", False),
        ("{{ a }}}}", False),
    ],
)
def test_exactly_one_template(text: str, is_exact: bool) -> None:
    assert compile_value(text).fields[0].is_exact is is_exact


def test_an_error_says_which_string_it_is_in() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_value({"a": ["{{ fine }}", {"b": "x {{ }}"}]})
    assert (caught.value.path, caught.value.offset) == (("a", 1, "b"), 2)


def test_each_code_knows_its_line() -> None:
    compiled = compile_value(["{{ a }}", "x{{ b\n+ c }}y\n{{ d }}", "{{ `\n` }}"])
    for for_many in (False, True):
        program = program_for(compiled, ["b", "a", "d", "c"], for_many=for_many)
        check_first_lines(compiled, program)


def check_first_lines(compiled: CompiledValue, program: Program) -> None:
    lines = program.source.split("\n")
    for code, first in zip(compiled.codes, program.first_lines, strict=True):
        count = code.source.count("\n") + 1
        assert "\n".join(lines[first - 1 : first - 1 + count]) == code.source


def test_one_crossing_for_many_rows(box: Sandbox) -> None:
    compiled = compile_value({"total": "{{ price * rate }}", "text": "{{ name }}: {{ price }}"})
    program = program_for(compiled, ["rate"], ["name", "price"])
    rows = [[f"n{i}", i] for i in range(1000)]
    answer = run(box, program.source, {"rate": 2}, rows)
    assert answer == [
        [[i * 2 for i in range(1000)], [f"n{i}: {i}" for i in range(1000)]],
        [],
    ]


def test_names_are_given_by_name_whatever_their_order(box: Sandbox) -> None:
    compiled = compile_value(["{{ b }}", "{{ a }}", "{{ row }}"])
    program = program_for(compiled, ["b", "a"], ["row"])
    assert run(box, program.source, {"a": 1, "b": 2}, [[3]]) == [[[2], [1], [3]], []]


def test_a_body_returns(box: Sandbox) -> None:
    compiled = compile_code(
        "const x = a + 1;\nif (x > 1) { return [x] }\n// the end", (), is_body=True
    )
    program = program_for(compiled, ["a"])
    assert run(box, program.source, {"a": 1}, [[]]) == [[[[2]]], []]
    assert run(box, program.source, {"a": 0}, [[]]) == [[[None]], []]


def test_lenient_programs_go_on(box: Sandbox) -> None:
    compiled = compile_value(["{{ a.b.c }}", "x{{ a.b.c }}y{{ a.d }}", "{{ a.d }}"])
    strict, lenient = (program_for(compiled, ["a"], lenient=flag) for flag in (False, True))
    assert run(box, lenient.source, {"a": {"d": 1}}, [[]]) == [[[None], ["xy1"], [1]], []]
    _, failures = run(box, strict.source, {"a": {"d": 1}}, [[]])
    assert [(field, row) for field, row, _ in failures] == [(0, 0), (1, 0)]


@pytest.mark.parametrize(
    "text",
    ['"', "\\", "a\nb", "a\u2028b", "</script>", "${x}", "`", "'); evil(); ('", "\x00", "😀"],
)
def test_text_stays_text(box: Sandbox, text: str) -> None:
    compiled = compile_value(f"{text}{{{{ 1 }}}}{text}")
    assert run(box, program_for(compiled, []).source, {}, [[]]) == [[[f"{text}1{text}"]], []]


def code(source: str, *, is_body: bool = False) -> Code:
    return Code(source, is_body, (), 0)


BREAKING_OUT = [
    "1);evil();(2",
    "1);(2",
    "1], [2",
    "1]; evil(); [2",
    "1) }; evil(); void function () { return (2",
    "1] }; evil(); void function () { return [2",
    "1) } evil() { (2",
    "1\n)}, () => {(\n2",
    "/* 1",
    "1 */ 2",
    "`1",
    "1 // \n) (2",
    "",
    ")",
    "}",
]


@pytest.mark.parametrize("source", BREAKING_OUT)
def test_no_expression_breaks_out(box: Sandbox, source: str) -> None:
    (fault,) = check_syntax([code(source)], box)
    assert fault.error.code == "syntax"


@pytest.mark.parametrize(
    "source",
    [
        "}; evil(); void function () {",
        "} evil(); {",
        "} }); evil(); ({ get a() {",
        "return 1 }, () => {",
        "}",
        "/*",
        "`",
    ],
)
def test_no_body_breaks_out(box: Sandbox, source: str) -> None:
    (fault,) = check_syntax([code(source, is_body=True)], box)
    assert fault.error.code == "syntax"


@pytest.mark.parametrize(
    ("source", "is_body"),
    [
        ("1) }; while (true) {} void function () { return (2", False),
        ("1] }; while (true) {} void function () { return [2", False),
        ("}; while (true) {} void function () {", True),
        ("} }); while (true) {} ({ get a() {", True),
    ],
)
def test_checking_runs_nothing(box: Sandbox, source: str, is_body: bool) -> None:
    # Were anything run, the engine would report its time limit.
    (report,) = box.check([check_forms(code(source, is_body=is_body))])
    assert report is not None
    assert report.code != "timeout"


def test_checking_leaves_nothing_behind(box: Sandbox) -> None:
    check_syntax([code("}; let a; void function () {", is_body=True), code("1) } class b {")], box)
    program = program_for(compile_value("{{ typeof a + typeof b }}"), [])
    assert run(box, program.source, {}, [{}]) == [[["undefinedundefined"]], []]


@pytest.mark.parametrize(
    ("source", "is_body"),
    [
        ("a, b", False),
        ("{a: 1}", False),
        ("a // )", False),
        ("function () { return 1 }", False),
        ("a + '<!--'", False),
        ("return", True),
        ("return a // }", True),
        ("'use strict'; return 1", True),
        ("", True),
    ],
)
def test_what_is_whole_passes(box: Sandbox, source: str, is_body: bool) -> None:
    assert box.check([check_forms(code(source, is_body=is_body))]) == [None]
    assert check_syntax([code(source, is_body=is_body)], box) == []


def test_many_templates_are_checked_within_the_limits(box: Sandbox) -> None:
    codes = [code(f"a{i} + {'' if i in (7, 2345) else 1}") for i in range(3000)]
    assert [fault.code for fault in check_syntax(codes, box)] == [codes[7], codes[2345]]
