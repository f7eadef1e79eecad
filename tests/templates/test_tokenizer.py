"""Where a template ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.errors import TemplateError
from flowlib_nb.templates.tokenizer import Expression, TemplateSyntaxError, expression_end, split


def sources(text: str) -> list[str]:
    return [part.source for part in split(text) if isinstance(part, Expression)]


# Each is one whole expression of JavaScript, however its characters look.
EXPRESSIONS = [
    "a",
    "a.b[0]['c']",
    "'}}'",
    '"}}"',
    "'it\\'s }}'",
    '"a \\" }} b"',
    "'\\\\'",
    '"it\'s }}"',
    "'a \\\n }} b'",
    "`}}`",
    "`${a}}}`",
    "`}} ${ `${ {a: '}}'}.a }` + {b: 1}.b }}} `",
    "`\\`}} ${1}`",
    "`\\${ }}`",
    "`$ { }} $`",
    "`a\n}}\nb`",
    "{a: {b: 1}}.a.b",
    "{a: {b: {c: [{}]}}}",
    "[{a: 1}, {b: {}}]",
    "f({a: {b: 1}})",
    "(() => {{{ return {} }}})()",
    "xs.map(x => { return {x} })",
    "a /* }} */ + b",
    "a /* ' */ + b /* ` */",
    "/* {{ */ a",
    "a // it's a comment `\n + b",
    "f(a, // }}\n b)",
    "{a: {b: 1 // }}\n }}",
    "`${ a // }}\n }`",
    "/}}/.test(a)",
    "/[/}]}}/g.test(a)",
    "/\\/}}/",
    "/[\\]/}}]/u",
    "a ? /}}/ : /'/",
    "[/}}/, /`/]",
    "f(/}}/)",
    "x => /}}/",
    "typeof /}}/",
    "[.../}}/[Symbol.match]('')]",
    "!/'/.test(a)",
    "a / b / c",
    "a / '}}'.length",
    "(a) / b + '/ }}'",
    "a[0] / b + '/}}'",
    "of / 2 + '/}}'",
    "(() => { for (const a of /}}/[Symbol.match]('')) { b } })()",
    "संख्या / 2 + '/}}'",
    "cafe\u0301 / 2 + '/}}'",
    "a\ufeff/ 2 + '/}}'",
    "(a // it's\r+ '}}')",
    "(a // it's\u2028+ '}}')",
    "'a \\\r\n }} b'",
    "(() => { if (a) /}}/.test(b) })()",
    "(() => { while (a) /'/.exec(b); for (;;) /`/.test(b) })()",
    "(() => { if (a) { b } /}}/.test(c) })()",
    "(() => { if (a) { b } else { c } /[}}]'/.test(d) })()",
    "(() => { { a } { b } /'/.test(c); { d } /'/.test(e) })()",
    "(() => { function f() { } /'/.test(c) })()",
    "(() => { try { a } finally { b } /'/.test(c) })()",
    "(if_(a)) / b + '/}}'",
    "a.if(b) / c + '/}}'",
    "{a: 1} / 2 + '/}}'",
    "f(() => {}, {a: 1} / 2 + '/}}')",
    "(() => { return {a: 1} / 2 + '/}}' })()",
    "[{a: {}} / 2 + '/}}']",
    "`${ {a: 1} / 2 }` / 2 + '/}}'",
    "a++ / b + '/}}'",
    "'x' / 2 + '/}}'",
    "`x` / 2 + '/}}'",
    "1. / 2 + '/}}'",
    "1.5 / .5 + '/}}'",
    "a.in / b.of + '/}}'",
    "a?.return / 2 + '/}}'",
    "a.\n  new / 2 + '/}}'",
    "this.typeof / 2 + '/}}'",
    "a.in.b / 2",
    "a ?.5 / 2 : '}}'",
    "$in / 2",
    "instanceofx / 2",
    "ünïcode / 2 + '/}}'",
    "a < b && c > d || e",
    "a ?? b?.c?.['}}']",
    "a % b ** c",
    "'{{'",
    "`{{`",
]


@pytest.mark.parametrize("source", EXPRESSIONS)
def test_an_expression_holds_whatever_javascript_does(source: str) -> None:
    assert split(f"{{{{ {source} }}}}") == (Expression(source, 3),)
    assert split(f"a {{{{{source}\n}}}} }}}} b") == ("a ", Expression(source, 4), " }} b")
    twice = f"{{{{ {source} }}}}{{{{ {source} }}}}"
    assert sources(twice) == [source, source]


@pytest.mark.parametrize("source", EXPRESSIONS)
def test_offsets_lead_to_the_source(source: str) -> None:
    text = f"é😀\n{{{{\t {source} \n}}}} {{{{ x }}}}"
    for part in split(text):
        if isinstance(part, Expression):
            assert text[part.start : part.start + len(part.source)] == part.source


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("{ a } }", ("{ a } }",)),
        ("a }} b", ("a }} b",)),
        ("}}", ("}}",)),
        ("{{a}}", (Expression("a", 2),)),
        ("{{a}}}}", (Expression("a", 2), "}}")),
        ("{{ {} }}}", (Expression("{}", 3), "}")),
        ("{{{}}}", (Expression("{}", 2),)),
        ("{{{a: {}}}}", (Expression("{a: {}}", 2),)),
        ("}}{{ a }}{{", None),
        ("{ {{a}} }", ("{ ", Expression("a", 4), " }")),
        ("{{ a // why }}", (Expression("a // why", 3),)),
        ("{{ a // why }} b", (Expression("a // why", 3), " b")),
        ("{{ a // why }}\n b }}", (Expression("a // why", 3), "\n b }}")),
        ("{{\n  a // why\n}}", (Expression("a // why", 5),)),
        ("{{ a }} 'it's {{ b }}", (Expression("a", 3), " 'it's ", Expression("b", 17))),
    ],
)
def test_text_around(text: str, parts: tuple[object, ...] | None) -> None:
    if parts is None:
        with pytest.raises(TemplateSyntaxError, match="not closed"):
            split(text)
    else:
        assert split(text) == parts


@pytest.mark.parametrize(
    ("text", "offset", "reason"),
    [
        ("{{", 0, "}} is missing"),
        ("a {{ b", 2, "}} is missing"),
        ("{{ a }} {{ b }", 8, "}} is missing"),
        ("{{ {a: 1} ", 0, "}} is missing"),
        ("{{ }}", 0, "must hold an expression"),
        ("x {{}}", 2, "must hold an expression"),
        ("x {{ \n\t }}", 2, "must hold an expression"),
        ("{{ 'a }}", 0, "opened with ' is not closed"),
        ("{{ 'a\n' }}", 0, "opened with ' is not closed"),
        ("{{ \"a' }}", 0, 'opened with " is not closed'),
        ("{{ `a }}", 0, "` is missing"),
        ("{{ `${a }}", 0, "` is missing"),
        ("{{ `\\", 0, "` is missing"),
        ("{{ a /* }}", 0, "/\\* is not closed"),
        ("{{ /a }}\n", 0, "regular expression is not closed"),
        ("{{ /[/]a }}", 0, "regular expression is not closed"),
        ("a {{ f(1 }} and {{ g(2) }}", 2, r"\( is not closed before }"),
        ("{{ xs[0 }}", 0, r"\[ is not closed before }"),
        ("{{ (1] }}", 0, r"\( is not closed before \]"),
        ("{{ `${ [a }` }}", 0, r"\[ is not closed before }"),
        ("{{ `${ a) }` }}", 0, r"\$\{ is not closed before \)"),
        ("{{ 1);evil();(2 }}", 0, r"\( is not closed before }"),
    ],
)
def test_what_never_closes(text: str, offset: int, reason: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=reason) as caught:
        split(text)
    assert isinstance(caught.value, TemplateError)
    assert (caught.value.code, caught.value.offset) == ("syntax", offset)


STRINGS = st.text().map(json.dumps)


@given(st.text(), STRINGS, st.text())
def test_any_string_may_stand_in_a_template(before: str, string: str, after: str) -> None:
    before, after = before.replace("{", ""), after.replace("{", "")
    source = f"[{string}, {{a: {string}}}]"
    parts = split(f"{before}{{{{ {source} }}}}{after}")
    expected = [before, Expression(source, len(before) + 3), after]
    assert parts == tuple(part for part in expected if part != "")


@given(st.text(alphabet="{}()[]'\"`/\\*$ \nab.0", max_size=40))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        parts = split(text)
    except TemplateSyntaxError as problem:
        parts, offset = (), problem.offset
    else:
        offset = text.find("{{")
    assert offset < 0 or text.startswith("{{", offset)
    for part in parts:
        if isinstance(part, Expression):
            assert text[part.start :].startswith(part.source)
            assert part.source == part.source.strip()
        else:
            assert "{{" not in part
            assert part in text


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 200_000,
        "{{ " + "`${" * 100_000,
        "{{ /" + "[" * 200_000,
        "{{ " + "a.in/" * 100_000,
    ],
)
def test_long_nonsense_ends(text: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        split(text)


def test_expression_end() -> None:
    text = "{{ {a: '}}'} }} tail"
    assert text[expression_end(text, 2) :] == "}} tail"
