"""Splits text into literal parts and ``{{ }}`` expressions.

The end of an expression is found by reading JavaScript's tokens (ECMA-262 §12), so that strings,
template literals, comments, regular expressions and nested braces may hold ``}}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import TemplateError

OPEN = "{{"
CLOSE = "}}"

_SPACE = re.compile(r"\s+")
# A number with its point (`1. / 2` divides), a name behind a dot (so does `a.in / 2`), or a name.
_WORD = re.compile(r"[0-9]\w*(?:\.\w*)?|(?<!\.)\.\s*[\w$\u200c\u200d]+|[\w$\u200c\u200d]+")
_STRING = {
    '"': re.compile(r'"(?:[^"\\\n]|\\.)*"', re.DOTALL),
    "'": re.compile(r"'(?:[^'\\\n]|\\.)*'", re.DOTALL),
}
_CLOSERS = {"(": ")", "[": "]", "{": "}", "`": "}"}
# ECMA-262 §12.9.5: a class may hold an unescaped slash.
_REGEX = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[A-Za-z]*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_LINE_COMMENT = re.compile(r"//[^\n]*")
# Where nothing is open a line comment ends at the template's own end, too.
_LAST_COMMENT = re.compile(r"//(?:(?!\}\})[^\n])*")
# After these words a slash starts a regular expression; after other words it divides.
_WORDS_BEFORE_REGEX = frozenset(
    "return typeof instanceof in of new delete void throw case do else yield await".split()
)


@dataclass(frozen=True, slots=True)
class Expression:
    """The JavaScript between ``{{`` and ``}}``.

    Parameters
    ----------
    source : str
        Without the braces and without surrounding white space.
    start : int
        Offset of ``source`` in the text that it stands in.
    """

    source: str
    start: int


Part = str | Expression


def split(text: str) -> tuple[Part, ...]:
    """Split text into literal strings and expressions, in order.

    Parameters
    ----------
    text : str
        Any text. A ``}}`` outside a template is text.

    Returns
    -------
    tuple of str or Expression
        Empty literals are left out.

    Raises
    ------
    TemplateError
        Code ``syntax``: a template is empty or never closed.
    """
    return tuple(_parts(text))


def _parts(text: str) -> Iterator[Part]:
    at = 0
    while (begin := text.find(OPEN, at)) >= 0:
        if begin > at:
            yield text[at:begin]
        inner = begin + len(OPEN)
        end = expression_end(text, inner)
        source = text[inner:end]
        stripped = source.strip()
        if not stripped:
            raise TemplateSyntaxError("a template must hold an expression, as in {{ name }}", begin)
        yield Expression(stripped, inner + len(source) - len(source.lstrip()))
        at = end + len(CLOSE)
    if at < len(text):
        yield text[at:]


class TemplateSyntaxError(TemplateError):
    """A template whose text cannot be split.

    Parameters
    ----------
    message : str
        What is wrong.
    offset : int
        The character at which the template begins.
    expression : str, optional
        Its beginning.

    Attributes
    ----------
    path : tuple
        Which string of a larger value holds it; set by whoever compiles that value.
    """

    def __init__(self, message: str, offset: int, expression: str = "") -> None:
        super().__init__("syntax", message, expression=expression)
        self.offset = offset
        self.path: tuple[str | int, ...] = ()


def expression_end(text: str, start: int) -> int:
    """The offset of the ``}}`` that closes the template whose code begins at ``start``.

    Parameters
    ----------
    text : str
        Text that holds a template.
    start : int
        Offset just behind ``{{``.

    Raises
    ------
    TemplateSyntaxError
        The template, or something in it, is never closed.
    """
    # Each level is one open bracket; "`" stands for the braces of ${ } in a template literal.
    levels: list[str] = []
    regex_allowed = True
    at = start
    while at < len(text):
        char = text[at]
        if not levels and text.startswith(CLOSE, at):
            return at
        if space := _SPACE.match(text, at):
            at = space.end()
        elif word := _WORD.match(text, at):
            regex_allowed = word.group() in _WORDS_BEFORE_REGEX
            at = word.end()
        elif char in _STRING:
            at = _skip(_STRING[char], text, at, start, f"a string opened with {char} is not closed")
            regex_allowed = False
        elif char == "`":
            at, opened = _template_literal(text, at + 1, start)
            if opened:
                levels.append("`")
            regex_allowed = opened
        elif text.startswith("/*", at):
            at = _skip(_BLOCK_COMMENT, text, at, start, "a comment opened with /* is not closed")
        elif text.startswith("//", at):
            at = _skip(_LINE_COMMENT if levels else _LAST_COMMENT, text, at, start, "")
        elif char == "/" and regex_allowed:
            at = _skip(_REGEX, text, at, start, "a regular expression is not closed")
            regex_allowed = False
        elif char in "([{":
            levels.append(char)
            regex_allowed = True
            at += 1
        elif char in ")]}":
            opener = levels.pop() if levels else None
            if opener and char != _CLOSERS[opener]:
                shown = "${" if opener == "`" else opener
                raise TemplateSyntaxError(f"{shown} is not closed before {char}", start - len(OPEN))
            at += 1
            regex_allowed = False
            if opener == "`":
                at, opened = _template_literal(text, at, start)
                if opened:
                    levels.append("`")
                regex_allowed = opened
        else:
            # `x++ / 2` divides; every other operator is followed by an operand.
            postfix = text[at : at + 2] in ("++", "--")
            at += 2 if postfix else 1
            regex_allowed = regex_allowed if postfix else True
    raise TemplateSyntaxError("the template is not closed: }} is missing", start - len(OPEN))


def _skip(pattern: re.Pattern[str], text: str, at: int, start: int, complaint: str) -> int:
    match = pattern.match(text, at)
    if match is None:
        raise TemplateSyntaxError(complaint, start - len(OPEN), text[start : start + 60])
    return match.end()


def _template_literal(text: str, at: int, start: int) -> tuple[int, bool]:
    """Read a template literal's characters: to its closing backtick, or to a ``${``."""
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
        elif char == "`":
            return at + 1, False
        elif text.startswith("${", at):
            return at + 2, True
        else:
            at += 1
    raise TemplateSyntaxError("a template literal is not closed: ` is missing", start - len(OPEN))
