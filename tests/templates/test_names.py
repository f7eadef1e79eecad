"""Which names a piece of JavaScript takes from outside."""

from __future__ import annotations

import json
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.names import (
    HELPERS,
    JAVASCRIPT_GLOBALS,
    RESERVED_WORDS,
    Use,
    is_complete,
    outer_names,
)


def names(source: str, *, is_body: bool = False) -> str:
    """The outer names in order, each as often as it is used."""
    return " ".join(use.name for use in outer_names(source, is_body=is_body))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 'a' + `b` + /c/ + null + true + this", ""),
        ("a.b.c + d[e] + f?.g", "a d e f"),
        ("a /* b */ + // c\n 'd'", "a"),
        ("`a${b}c${`${d}`}`", "b d"),
        ("{a}", "a"),
        ("{a, b: c, [d]: e, ...f}", "a c d e f"),
        ("{m() { return a }, get b() { return c }, set d(e) { e = f }}", "a c f"),
        ("{[a](a) { return a }}", "a"),
        ("f(a, ...b)", "f a b"),
        ("new A(b)", "A b"),
        ("tag`x${y}`", "tag y"),
        ("a ? b : c ?? d", "a b c d"),
        ("typeof a + void b + delete c.d", "a b c"),
        ("a = b", "a b"),
        ("[a, {b}] = c", "a b c"),
        ("undefined + NaN", "NaN"),
        ("of + get + async", "of get async"),
        ("xs.map(x => x + y)", "xs y"),
        ("xs.map((x, i) => x + i)", "xs"),
        ("x => y => x + y + z", "z"),
        ("xs.reduce((total, {price, qty: n}) => total + price * n, 0)", "xs"),
        ("(({a, b: {c}, ...d}, [e = f] = g) => a + b + c + d + e)", "f g b"),
        ("({[k]: v}) => v", "k"),
        ("(a, b = a + c) => b", "c"),
        ("async a => await a + b", "b"),
        ("function f(a) { return f(a) + g }", "g"),
        ("function () { return a; var a }", ""),
        ("class A extends B { static #p = c; m(d) { return d + e + A } }", "B c e"),
        ("class { static { a; let b; b } }", "a"),
        ("(() => { const {a = b, c: [d]} = e; return a + d + c })()", "b e c"),
        ("x.map(x => x)", "x"),
        ("(x => x) + x", "x"),
        ("'😀' + a + '𝒳' + b", "a b"),
        ("", ""),
    ],
)
def test_expressions(source: str, expected: str) -> None:
    assert names(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return a", "a"),
        ("let a = 1; const b = a; return a + b + c", "c"),
        ("{ let a = 1 } return a", "a"),
        ("{ var a = 1 } return a", ""),
        ("{ function a() {} } return a", "a"),
        ("return f(); function f() { return g }", "g"),
        ("class A {} return new A()", ""),
        ("if (a) { let a = 1; a } else { a }", "a a"),
        ("for (const x of xs) { s += x } return x", "xs s x"),
        ("for (let i = 0, n = xs.length; i < n; i++) i; return i", "xs i"),
        ("for (x in y) x", "x y x"),
        ("for (var v in y) {} return v", "y"),
        ("for (const {a, b: [c]} of xs) a + b + c", "xs b"),
        ("try { a() } catch (e) { e } return e", "a e"),
        ("try { a } catch ({message}) { message } finally { b }", "a b"),
        ("try {} catch { c }", "c"),
        ("switch (a) { case b: let c = 1; default: c }", "a b"),
        ("label: for (;;) { break label }", ""),
        ("while (a--) { let b = a } return b", "a a b"),
        ("const f = a => a.b; return f({})", ""),
        ("var a = a", ""),
        ("let [a, , ...b] = c; return a + b", "c"),
    ],
)
def test_bodies(source: str, expected: str) -> None:
    assert names(source, is_body=True) == expected


def test_where_and_which_member() -> None:
    assert outer_names("a.b + a?.c + a[0] + f(a).e") == (
        Use("a", 0, ("b",)),
        Use("a", 6, ("c",)),
        Use("a", 13, (0,)),
        Use("f", 20),
        Use("a", 22),
    )
    assert outer_names("x[a.b]") == (Use("x", 0), Use("a", 2, ("b",)))
    assert [use.member for use in outer_names("a + a.b.c + a[0].b")] == [None, "b", None]


@pytest.mark.parametrize(
    ("source", "way"),
    [
        ("a", ()),
        ("a.b.c.d", ("b", "c", "d")),
        ("a?.b?.[0]?.['c d']", ("b", 0, "c d")),
        ("a . b /* c */ [ 12 ]", ("b", 12)),
        ('a["b"].c()', ("b",)),
        ("a.b[c].d", ("b",)),
        ("a.b[-1].d", ("b",)),
        ("a[0.5]", ()),
        ("a[1e3]", ()),
        ("a[0x10]", ()),
        ("a[007]", ()),
        ("a[10n]", ()),
        ("a[99999999999999999999]", ()),
        ("a['\\x62']", ()),
        ("a['']", ()),
        ("a[`b`]", ()),
        ("a[0, 1]", ()),
        ("(a).b", ()),
        ("a().b", ()),
        ("a.b`c`.d", ()),
        ("a.b?.[0]?.().c", ("b",)),
        ("a.b(a.c)", ()),
        ("new a.b(1).c", ("b",)),
        ("a.b = 1", ()),
        ("a.b.c += 1", ("b",)),
        ("[a.b] = c", ("b",)),
        ("delete a[0].b", (0, "b")),
        ("[...a.b]", ("b",)),
        ("({...a}).b", ()),
        ("a.b++", ()),
        ("a" + ".b" * 9, ("b",) * 8),
    ],
)
def test_the_way_into_a_value(source: str, way: tuple[str | int, ...]) -> None:
    (use, *_) = outer_names(source)
    assert (use.name, use.way) == ("a", way)


@given(st.text(alphabet="aé😀'\"`\\n ", max_size=10))
def test_offsets_count_characters(text: str) -> None:
    string = repr(text)  # a string of Python's is one of JavaScript's here
    (use,) = outer_names(f"{string} + name")
    assert use.offset == len(string) + 3


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for is_body in (False, True):
        for use in outer_names(text, is_body=is_body):
            assert text[use.offset :].startswith(use.name)
        is_complete(text, is_body=is_body)


def test_deep_nesting_can_be_read() -> None:
    assert names("(" * 20_000 + "a" + ")" * 20_000) in ("a", "")


@pytest.mark.parametrize(
    "source",
    ["1", "a, b", "{a: 1}", "x => { return x }", "1 // c", "/* c */ 1", "a\n+ b", "function () {}"],
)
def test_whole_expressions(source: str) -> None:
    assert is_complete(source)


@pytest.mark.parametrize(
    "source",
    ["", "1 +", "1; 2", "1); (2", "1); evil(); (2", "1], [2", "return 1", "let a = 1", "// c"],
)
def test_what_is_no_whole_expression(source: str) -> None:
    assert not is_complete(source)


@pytest.mark.parametrize("source", ["return 1", "", "if (a) { return 1 } return 2", "1; 2"])
def test_whole_bodies(source: str) -> None:
    assert is_complete(source, is_body=True)


@pytest.mark.parametrize(
    "source", ["}", "} evil(); {", "}; evil(); void function () {", "}, b()\n{", "return (", "/*"]
)
def test_what_is_no_whole_body(source: str) -> None:
    assert not is_complete(source, is_body=True)


def test_the_engine_has_every_global_and_helper(box: Sandbox) -> None:
    program = "JSON.stringify(Reflect.ownKeys(globalThis).map(String))"
    present = set(json.loads(box.evaluate(program, b"{}")))
    assert (JAVASCRIPT_GLOBALS | HELPERS) - present == {"arguments"}


def test_reserved_words_are_those_that_the_engine_refuses(box: Sandbox) -> None:
    words = sorted(RESERVED_WORDS | HELPERS | set(keyword.kwlist) | {"async", "of", "get", "from"})
    forms = [[f"void function ({word}) {{ 'use strict'; return {word}; }}"] for word in words]
    reports = box.check(forms)
    refused = {word for word, report in zip(words, reports, strict=True) if report is not None}
    # These could name parameters, and would be traps.
    assert refused == RESERVED_WORDS - {"undefined", "await"}
