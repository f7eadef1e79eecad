"""``fl.render``: values, texts and errors of templates."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlib_nb as fl
from flowlib_nb.errors import Position, TemplateError
from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import Code, compile_code, compile_value
from flowlib_nb.templates.render import Fault, check_syntax, offset_at, render_rows, to_json

pytestmark = pytest.mark.usefixtures("box")


def error_of(template: Any, scope: Mapping[str, Any] | None = None) -> TemplateError:
    with pytest.raises(fl.TemplateError) as caught:
        fl.render(template, scope)
    return caught.value


def place(template: str, mark: str) -> Position:
    """Where ``mark`` stands in a template."""
    before = template[: template.index(mark)]
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a + 1", 2),
        ("{a: {b: 1}}.a.b", 1),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("'}}'", "}}"),
        ("`}} ${ `${ {a: '}}'}.a }` } ${a}`", "}} }} 1"),
        ("'{{' + \"}}\"", "{{}}"),
        ("a /* }} ' ` */ + 1 // it's", 2),
        ("/}}/.test('}}')", True),
        ("/[/}]}}/.source", "[/}]}}"),
        ("'a/b'.split(/\\//)", ["a", "b"]),
        ("4 / 2 / 1", 2),
        ("stats.new / stats.in", 0.25),
        ("1. / 4", 0.25),
        ("(() => { return {a} })()", {"a": 1}),
        ("xs.map(x => { return x * 2 })", [2, 4, 6]),
        ("xs.map(x => ({x}))", [{"x": 1}, {"x": 2}, {"x": 3}]),
        ("[a, xs.length, 'switch']", [1, 3, "switch"]),
        ("{of: 1, in: 2, class: 3}", {"of": 1, "in": 2, "class": 3}),
        ("stats.class ?? stats.new", 1),
        ("a, 5", 5),
        ("true", True),
        ("null", None),
        ("undefined", None),
        ("NaN", None),
        ("1 / 0", None),
        ("-0", 0),
        ("1.5e300", 1.5e300),
        ("2 ** 53 - 1", 2**53 - 1),
        ("''", ""),
        ("'é😀\\u2028\\0'", "é😀\u2028\x00"),
        ("'\\\\ud800'", "\\ud800"),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("new Date(NaN)", None),
        ("[undefined, () => 1, NaN, Symbol('x')]", [None, None, None, None]),
        ("{a: undefined, b: () => 1}", {}),
        ("new Map([[1, 2]])", {"1": 2}),
        ("{toJSON() { return 7 }}", 7),
        ("this", None),
        # ES2020 to ES2023.
        ("stats?.none?.deep ?? 'else'", "else"),
        ("xs.at(-1)", 3),
        ("xs.toSorted((a, b) => b - a)", [3, 2, 1]),
        ("[xs.toReversed(), xs.with(0, 9), xs.toSpliced(0, 2)]", [[3, 2, 1], [9, 2, 3], [3]]),
        ("xs.findLast(x => x < 3)", 2),
        ("Object.groupBy(xs, x => x % 2 ? 'odd' : 'even')", {"odd": [1, 3], "even": [2]}),
        ("Object.fromEntries(Object.entries(stats).toSorted())", {"in": 4, "new": 1}),
        ("Object.hasOwn(stats, 'in')", True),
        ("'aXbX'.replaceAll('X', '-')", "a-b-"),
        ("[...'2026-11-24'.matchAll(/(?<n>\\d+)/g)].map(m => Number(m.groups.n))", [2026, 11, 24]),
        ("[1, [2, [3]]].flat(Infinity)", [1, 2, 3]),
        ("1_000", 1000),
        ("(() => { let x = null; x ??= 5; return x })()", 5),
        ("class { static x = 1; static #y = 2; static y = this.#y }.y", 2),
        # The helpers.
        ("json({a: [1]})", '{"a":[1]}'),
        ("json([1], 1)", "[\n 1\n]"),
        ("[first(xs), last(xs), first([]), last(null)]", [1, 3, None, None]),
        ("[keys(stats), values(stats), keys(null)]", [["in", "new"], [4, 1], []]),
        ("[exists(0), exists(null), exists(stats.none)]", [True, False, False]),
        ("[isArray(xs), isArray(stats), isObject(stats), isObject(xs), isObject(null)]",
         [True, False, True, False, False]),
    ],
)  # fmt: skip
def test_an_exact_template_keeps_its_type(source: str, value: object) -> None:
    scope = {"a": 1, "xs": [1, 2, 3], "stats": {"in": 4, "new": 1}}
    for template in (f"{{{{ {source} }}}}", f"{{{{{source}\n}}}}", f"\n  {{{{ {source} }}}}\n"):
        result = fl.render(template, scope)
        assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a{{ null }}b{{ undefined }}c", "abc"),
        ("{{ {a: [1, null]} }}!", '{"a":[1,null]}!'),
        ("x {{ [1, 'x'] }}", 'x [1,"x"]'),
        ("x {{ true }} {{ 1.5 }} {{ 'y' }} {{ 10n }}", "x true 1.5 y 10"),
        ("{{ 1 }}{{ 2 }}", "12"),
        ("at {{ new Date(0) }}{{ new Date(NaN) }}", "at 1970-01-01T00:00:00.000Z"),
        ("a }} b", "a }} b"),
        ("a }} {{ 1 }} }}", "a }} 1 }}"),
        ("{ {{ 1 }} }", "{ 1 }"),
        ("{{ 1 }}}}", "1}}"),
        ("\\{{ 1 }}\\n\"'`${x}</script>", "\\1\\n\"'`${x}</script>"),
        ("no template", "no template"),
        ("", ""),
    ],
)
def test_text_with_templates(template: str, text: str) -> None:
    assert fl.render(template) == text


def test_values_at_any_depth() -> None:
    template = {"a": ["{{ x }}", "n{{ x }}", {"b": "{{ [x] }}"}], "c": 5, "{{ x }}": None}
    assert fl.render(template, {"x": 1}) == {"a": [1, "n1", {"b": [1]}], "c": 5, "{{ x }}": None}
    for value in (5, None, True, [], {}, "text"):
        assert fl.render(value) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=60)
@given(JSON)
def test_any_json_goes_in_and_comes_out(value: object) -> None:
    assert fl.render("{{ value }}", {"value": value}) == value
    assert fl.render("{{ [{value}, 1] }}", {"value": value}) == [{"value": value}, 1]


@settings(max_examples=60)
@given(st.text(), st.text())
def test_any_text_comes_out(before: str, value: str) -> None:
    before = before.replace("{", "")
    assert fl.render(f"{before}.{{{{ value }}}}", {"value": value}) == f"{before}.{value}"
    assert fl.render(f"{{{{ {json.dumps(value)} }}}}") == value


def test_values_of_python() -> None:
    scope = {"nan": float("nan"), "day": dt.date(2026, 1, 2), "pair": (1, 2), "n": {1: 2}}
    assert fl.render("{{ [nan, day, pair, n] }}", scope) == [None, "2026-01-02", [1, 2], {"1": 2}]
    for value in (object(), "\ud800", {"deep": ["\ud800"]}, {"\ud800": 1}, 1j):
        with pytest.raises(TypeError, match="no JSON form") as caught:
            fl.render("{{ value }}", {"value": value})
        assert caught.value.__context__ is None or "\ud800" not in str(caught.value.__context__)
        assert fl.render("{{ 1 }}", {"value": value}) == 1  # what is not used is not sent
    assert to_json({"a": "é"}) == '{"a":"é"}'.encode()


@pytest.mark.parametrize("word", ["switch", "class", "return", "await", "let", "eval", "arguments"])
def test_reserved_words_in_the_scope_disturb_nothing(word: str) -> None:
    scope = {"a": 1, word: "wrong", "b": 2, "not a name": 3, "": 4, "1": 5}
    assert fl.render("{{ [a, b] }}", scope) == [1, 2]
    if word not in ("await", "arguments"):
        code = "runtime" if word == "eval" else "syntax"
        assert error_of(f"{{{{ {word} }}}}", scope).code == code
        assert error_of(f"{{{{ a }}}} {{{{ {word} }}}}", scope).code == code


@pytest.mark.parametrize("name", ["json", "Object", "$run", "$payload", "__proto__", "constructor", "of", "ünï", "$", "_"])  # fmt: skip
def test_any_other_name_may_be_in_the_scope(name: str) -> None:
    assert fl.render(f"{{{{ [{name}, {name}.a] }}}}", {name: {"a": 1}}) == [{"a": 1}, 1]


def test_data_pollutes_nothing() -> None:
    data = json.loads(
        '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 2}}}'
    )
    assert fl.render("{{ [data.polluted ?? 0, ({}).polluted ?? 0] }}", {"data": data}) == [0, 0]
    assert fl.render("{{ data }}", {"data": data}) == data


@pytest.mark.parametrize(
    ("template", "message", "mark"),
    [
        ("{{ a.b.c }}", "TypeError: cannot read property 'c' of undefined", ".c"),
        ("x\ny {{ a.b.c }}", "cannot read property 'c'", ".c"),
        ("x {{\n  1 +\n    a.b.c }}", "cannot read property 'c'", ".c"),
        ("é😀 {{ a.b.c }}", "cannot read property 'c'", ".c"),
        ("{{ 'é😀' + a.b.c }}", "cannot read property 'c'", ".c"),
        ("{{ a }} {{ '😀' +\n 'é' + a.b.c }}", "cannot read property 'c'", ".c"),
        ("{{ [1].map(x => 1 + x.y.z) }}", "cannot read property 'z'", ".z"),
        ("{{ missing }}", "ReferenceError: missing is not defined", "missing"),
        ("x\n {{ a }} {{ 'é😀' + missing }}", "ReferenceError: missing is not defined", "missing"),
        ("{{ a.f() }}", "TypeError: not a function", "f()"),
        ("{{ (() => { throw new RangeError('mine') })() }}", "RangeError: mine", "RangeError"),
        ("{{ (() => { throw 'text' })() }}", "Error: text", "(() =>"),
        ("{{ () => 1 }}", "the result is a function; call it with ()", "() =>"),
        ("{{ [\n1,\n 10n ** 4300n] }}", "BigInt", "["),
        ("x {{ Symbol('x') }}", "the result is a symbol", "Symbol"),
        ("{{ Promise.resolve(1) }}", "the result is a promise", "Promise"),
        ("{{ JSON.parse('{') }}", "SyntaxError: Expected property name", "parse"),
        ("{{ '\\ud800' }}", "half of a surrogate pair", "'"),
        ("x {{ 'cut 😀'.slice(0, 5) }}", "half of a surrogate pair", "'cut"),
    ],
)
def test_runtime_errors(template: str, message: str, mark: str) -> None:
    error = error_of(template, {"a": {}})
    assert error.code == "runtime"
    assert message in error.message
    assert error.expression
    assert error.expression in template
    assert error.position == place(template, mark)
    assert str(error.position) in str(error)


def test_a_helper_that_throws_is_placed_where_it_is_called() -> None:
    # The helper's own line in the sandbox's prelude would be a line of this template, too.
    template = "{{" + "\n1," * 60 + "\n  json(10n ** 4300n)\n}}"
    assert error_of(template).position == place(template, "json")


def test_a_body_of_many_lines_has_its_position(box: Sandbox) -> None:
    source = "\n" * 80 + "const a = 1;\n  return json(10n ** 4300n);"
    (fault,) = render_rows(compile_code(source, (), is_body=True), {}, sandbox=box)
    assert source[fault.offset :].startswith("json(10n ** 4300n)")
    source = "\n" * 80 + "return () => 1"
    (fault,) = render_rows(compile_code(source, (), is_body=True), {}, sandbox=box)
    assert "function" in fault.error.message
    assert fault.offset == 0


@pytest.mark.parametrize(
    ("template", "message", "mark"),
    [
        ("{{ 1 + * 2 }}", "'*'", "*"),
        ("x\n{{ 'é😀' +\n  1 + * 2 }}", "'*'", "*"),
        ("{{ a; b }}", "';'", ";"),
        ("{{ a b }}", "'b'", "b"),
        ("{{ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b }}", "'b'", "b"),
        ("{{ a +\n  ; + ; }}", "';'", "; +"),
        ("{{ return 1 }}", "'return'", "return"),
        ("{{ let x = 1 }}", "'let'", "let"),
        ("{{ 1 + }}", "ends where more is expected", " }}"),
        ("{{ a +\n b.\n}}", "ends where more is expected", "\n}}"),
        ("{{ class }}", "is a word of JavaScript", " }}"),
        ("{{ xs.map(x => { if }) }}", "'}'", "})"),
        ("{{ x }} {{ await 1 }}", "", "await"),
        ("{{ import.meta }}", "import.meta", "import.meta"),
        ("{{ yield }}", "yield", "yield"),
        ("{{ /(/ }}", "", "/(/"),
        ("{{ a", "}} is missing", "{{"),
        ("x\n  {{ }}", "must hold an expression", "{{"),
        ("x {{ 'a }}", "' is not closed", "{{"),
        ("ok {{ 1 }} {{ f(1 }} {{ 2 }}", "( is not closed", "{{ f"),
        ("{{ 1);evil();(2 }}", "( is not closed", "{{"),
        ("{{ '\ud800' }}", "half of a surrogate pair", "'"),
    ],
)
def test_syntax_errors(template: str, message: str, mark: str) -> None:
    error = error_of(template, {"a": 1, "x": 1, "xs": []})
    assert error.code == "syntax"
    assert message in error.message
    assert error.position == place(template, mark)


def test_positions_are_of_the_string_that_holds_the_template() -> None:
    error = error_of({"a": ["fine", {"b": "x\n {{ 1 + * 2 }}"}]})
    assert error.position == Position(2, 9)
    error = error_of({"a": ["fine", {"b": "x\n {{ }}"}]})
    assert error.position == Position(2, 2)


def test_the_first_template_that_fails_is_reported() -> None:
    error = error_of("{{ a }} {{ a.b.c }} {{ a.d.e }}", {"a": {}})
    assert error.expression == "a.b.c"
    # Nothing is evaluated when something does not parse.
    assert error_of("{{ a.b.c }} {{ 1 + }}", {"a": {}}).expression == "1 +"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("(() => { while (true) {} })()", "timeout"),
        ("'x'.repeat(2 ** 29)", "memory"),
        ("'x'.repeat(2 ** 21)", "output_size"),
        ("(function f() { return f() })()", "runtime"),
    ],
)
def test_limits(box: Sandbox, source: str, code: str) -> None:
    template = f"x\n {{{{ {source} }}}}"
    error = error_of(template)
    assert (error.code, error.expression) == (code, source)
    assert error.position == place(template, "repeat(2 ** 29)" if code == "memory" else source)
    if code != "runtime":
        assert "%config Sandbox" in (error.hint or "")
    assert fl.render("{{ 1 + 1 }}") == 2
    # A limit is reached by the whole; which of several templates it was is not known.
    several = error_of(f"{{{{ 1 }}}} {{{{ {source} }}}}")
    assert several.code == code


def test_a_worker_that_dies_is_an_error_and_is_replaced(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fl.render("{{ 1 }}") == 1
    take = box._take

    def take_and_kill() -> Any:
        worker = take()
        worker._process.kill()
        worker._process.wait()
        return worker

    monkeypatch.setattr(box, "_take", take_and_kill)
    assert error_of("{{ 1 }}").code == "crashed"
    monkeypatch.undo()
    assert json.loads(box.evaluate("'1'", b"{}")) == 1


def test_null_is_what_the_engine_throws_without_memory() -> None:
    error = error_of("{{ (() => { throw null })() }}")
    assert (error.code, error.position) == ("runtime", Position(1, 4))
    assert error.message == "it threw null"
    assert error_of("{{ (() => { throw 'null' })() }}").code == "runtime"
    error = error_of("{{ [1].map(Reflect.get) && new Promise((_, no) => no(null)) }}")
    assert error.code == "runtime"
    # What else hands out null is taken for the engine, which is what it mostly is.
    error = error_of("{{ (function* () {})()['thr' + 'ow'](null) }}")
    assert (error.code, error.message) == ("memory", "it needed more than 32 MB")


def test_messages_are_short() -> None:
    error = error_of("{{ (() => { throw new Error('x'.repeat(1e5)) })() }}")
    assert len(error.message) < 3000
    long = "a" * 5000
    assert len(str(error_of(f"{{{{ {long}() }}}}", {long: 1}))) < 6000


@pytest.mark.parametrize(
    "thrown",
    [
        "{get message() { throw 1 }}",
        "{message: {}, name: 5, stack: []}",
        "{stack: 'at x (eval_script:99999999999999999999:1)'}",
        "{stack: 'at x (eval_script:0:0)'}",
        "{stack: 'at x (eval_script:2:99999)'}",
        "{toString() { throw 1 }}",
        "Object.create(null)",
        "Symbol('x')",
        "undefined",
        "new Proxy({}, {get() { throw 1 }})",
        "new Proxy(function () {}, {})",
    ],
)
def test_whatever_is_thrown_is_one_error(thrown: str) -> None:
    template = f"x {{{{ (() => {{ throw {thrown} }})() }}}}"
    error = error_of(template)
    assert error.code == "runtime"
    assert error.position is not None
    assert error.position.line == 1


def rows(template: Any, scope: Mapping[str, Any], items: list[Any], box: Sandbox, **options: Any) -> list[Any]:  # fmt: skip
    compiled = compile_value(template)
    texts = {name: to_json(value) for name, value in scope.items()}
    return render_rows(compiled, texts, [{"row": item} for item in items], sandbox=box, **options)


def test_rows(box: Sandbox) -> None:
    assert rows({"v": "{{ row * rate }}"}, {"rate": 2, "unused": 1}, [1, 2], box) == [{"v": 2}, {"v": 4}]  # fmt: skip
    assert rows("{{ row }}", {}, [], box) == []
    assert rows("text", {}, [1, 2], box) == ["text", "text"]
    assert rows("{{ row }}", {}, list(range(5000)), box) == list(range(5000))


def test_a_row_that_fails_leaves_the_others(box: Sandbox) -> None:
    items: list[Any] = [{"a": {"b": 1}}, {}, {"a": {"b": 3}}]
    first, second, third = rows("x {{ row.a.b }}", {}, items, box)
    assert (first, third) == ("x 1", "x 3")
    assert isinstance(second, Fault)
    assert (second.error.code, second.code.source) == ("runtime", "row.a.b")
    assert rows("x {{ row.a.b }}", {}, items, box, lenient=True) == ["x 1", "x ", "x 3"]
    assert rows("{{ row.a.b }}", {}, items, box, lenient=True) == [1, None, 3]


# Each with a row for which it fails, a text that is not Unicode, a value that has no text.
SOURCES = [
    "x {{ row.a }}",
    "{{ row.a }}{{ row.a.b }}!",
    "{{ row.a.b.c }} {{ row }}",
    "{{ row.a // comment\n}}: {{ '\\ud800' + row.b }}",
    "{{ row.a ?? Symbol() }}{{ 1n }}",
    "{{ new Date(row.a) }} {{ [row.a] }} {{ undefined }}",
    "a{{ row.a, row.b }}b",
    "{{ row = 5 }} {{ row }}",
    "{{ row.n++ }} {{ row.n }} {{ row.b }}",
    "{{ row.a.length > 1 ? (() => { throw row })() : `${row.b}` }} {{ (x => x)(row.a) }}",
]


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("template", SOURCES)
def test_many_rows_are_rendered_as_single_ones(box: Sandbox, template: str, lenient: bool) -> None:
    values = [None, 0, -1.5, "", "text", "😀"]
    items = [{"a": value, "b": other} for value in [*values, [1, 2], {"b": 1}] for other in values]
    single = [rows(template, {}, [item], box, lenient=lenient)[0] for item in items]
    many = rows(template, {}, items * 3, box, lenient=lenient)
    assert [shown(one) for one in many] == [shown(one) for one in single] * 3
    assert any(isinstance(one, str) for one in many) or "ud800" in template


def shown(rendered: object) -> object:
    if isinstance(rendered, Fault):
        return rendered.code, rendered.offset, rendered.error.code, rendered.error.message
    return rendered


def test_syntax_of_several_codes(box: Sandbox) -> None:
    codes = [
        Code("a + 1", False, ("a",), 0),
        Code("a +", False, ("b",), 0),
        Code("if (a) { return 1 }", True, ("c",), 0),
        Code("return a +\n\n  'é' + * 2", True, ("d",), 0),
        Code("} evil(); {", True, ("e",), 0),
    ]
    faults = check_syntax(codes, box)
    assert [fault.code.path for fault in faults] == [("b",), ("d",), ("e",)]
    assert {fault.error.code for fault in faults} == {"syntax"}
    assert codes[3].source[faults[1].offset] == "*"
    assert check_syntax([], box) == []


@pytest.mark.parametrize(
    ("line", "column", "offset"),
    [
        (1, 1, 0),
        (1, 3, 2),  # behind the last character
        (2, 1, 4),  # blanks are skipped
        (2, 4, 5),
        (2, 8, 6),
        (2, 9, 7),
        (3, 1, 8),
        (0, 1, 0),
        (5, 1, 0),
        (1, 0, 0),
        (1, 4, 0),
        (-1, -1, 0),
    ],
)
def test_offsets_of_lines_and_columns(line: int, column: int, offset: int) -> None:
    # Columns count bytes: é is two of them and 😀 is four.
    assert offset_at("ab\n é😀z\n\n", line, column) == offset


@pytest.mark.parametrize(
    ("template", "mark"),
    [
        ("{{ (() => {\n  const y = 1;\n  const z = y.foo.bar;\n  return z })() }}", ".bar"),
        ("a\n{{ [\n  1,\n  null?.x.y, ({}).c.d ] }}", ".d"),
        ("{{ [1].map(v => { return v.foo?.bar.baz + v.qux.baz2 }) }}", ".baz2"),
    ],
)
def test_a_member_of_nothing_is_placed_where_it_is_read(template: str, mark: str) -> None:
    error = error_of(template)
    before = template[: template.index(mark)]
    assert error.position == Position(before.count("\n") + 1, len(before) - before.rfind("\n"))


def test_hints() -> None:
    with pytest.raises(TemplateError, match="Did you mean 'price'"):
        fl.render("{{ pric }}", {"price": 1})
    with pytest.raises(TemplateError, match="JavaScript writes null"):
        fl.render("{{ None }}")
    with pytest.raises(TemplateError, match="write Number"):
        fl.render("{{ a + 1 }}", {"a": 2**60})
    with pytest.raises(TemplateError, match=r'Error: {"code":5}'):
        fl.render("{{ (() => { throw {code: 5} })() }}")
    with pytest.raises(fl.InputError, match="mapping of names to values, not int"):
        fl.render("{{ a }}", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^thing: a value of type object"):
        fl.render("{{ thing }}", {"thing": object()})


def test_a_frame_is_a_list_of_records() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert fl.render("{{ [f.length, f[1].a, f] }}", {"f": frame}) == [
        2, 2, [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    ]  # fmt: skip
    assert fl.render("{{ d.f.map(r => r.a) }}", {"d": {"f": frame}}) == [1, 2]
