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

_SPACE = re.compile(r"[\s\ufeff]+")
# A number with its point (`1. / 2` divides), a name behind a dot (so does `a.in / 2`), or a name.
# Outside of texts, what is neither ASCII nor white space can only be part of a name.
_LETTER = r"(?:[\w$]|[^\x00-\x7f\s\ufeff])"
_WORD = re.compile(rf"[0-9]\w*(?:\.\w*)?|(?<!\.)\.\s*{_LETTER}+|{_LETTER}+")
_STRING = {
    '"': re.compile(r'"(?:[^"\\\n]|\\\r\n|\\.)*"', re.DOTALL),
    "'": re.compile(r"'(?:[^'\\\n]|\\\r\n|\\.)*'", re.DOTALL),
}
_CLOSERS = {"(": ")", "[": "]", "{": "}", "`": "}"}
# ECMA-262 §12.9.5: a class may hold an unescaped slash.
_REGEX = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[A-Za-z]*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_LINE_COMMENT = re.compile(r"//[^\n\r\u2028\u2029]*")
# Where nothing is open a line comment ends at the template's own end, too.
_LAST_COMMENT = re.compile(r"//(?:(?!\}\})[^\n\r\u2028\u2029])*")
# A parenthesis behind one of these words is a statement's head, behind which an operand may begin.
_WORDS_BEFORE_HEAD = frozenset("if while for with".split())
# A brace behind one of these opens a block, and a statement may follow; others open an object.
_BEFORE_BLOCK = frozenset(") => ; {} else do try finally".split())
# After these words a slash starts a regular expression; after other words it divides.
_WORDS_BEFORE_REGEX = frozenset(
    "return typeof instanceof in new delete void throw case do else yield await".split()
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
    return _Reader(text, start).end()


@dataclass(frozen=True, slots=True)
class _Level:
    """An open bracket: which, and whether behind its end an operand may begin."""

    opener: str
    operand_follows: bool = False


class _Reader:
    """Reads tokens from the beginning of an expression to its end."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._at = start
        # "`" stands for the braces of ${ } in a template literal.
        self._levels: list[_Level] = []
        # A slash begins a regular expression where an operand may begin; elsewhere it divides.
        self._operand = True
        # The token before; "{}" for either brace of a block.
        self._last = ""

    def end(self) -> int:
        """The offset of the closing braces."""
        while self._at < len(self._text):
            if not self._levels and self._text.startswith(CLOSE, self._at):
                return self._at
            self._token()
        raise self._problem("the template is not closed: }} is missing")

    def _token(self) -> None:
        text, at = self._text, self._at
        char = text[at]
        if space := _SPACE.match(text, at):
            self._at = space.end()
        elif word := _WORD.match(text, at):
            self._take(word.end(), word.group(), self._operand_after(word.group()))
        elif char in _STRING:
            complaint = f"a string opened with {char} is not closed"
            self._take(self._skip(_STRING[char], complaint), char, False)
        elif char == "`":
            self._template_literal(at + 1)
        elif text.startswith("/*", at):
            self._at = self._skip(_BLOCK_COMMENT, "a comment opened with /* is not closed")
        elif text.startswith("//", at):
            self._at = self._skip(_LINE_COMMENT if self._levels else _LAST_COMMENT, "")
        elif char == "/" and self._operand:
            self._take(self._skip(_REGEX, "a regular expression is not closed"), char, False)
        elif char in "([{":
            self._open(char)
        elif char in ")]}":
            self._close(char)
        elif text.startswith(("++", "--"), at):
            # `x++ / 2` divides; every other operator is followed by an operand.
            self._take(at + 2, char, self._operand)
        else:
            arrow = text.startswith("=>", at)
            self._take(at + 1 + arrow, "=>" if arrow else char, True)

    def _operand_after(self, word: str) -> bool:
        if word == "of":  # a name, but in the head of a loop
            return bool(self._levels) and self._levels[-1] == _Level("(", True)
        return word in _WORDS_BEFORE_REGEX

    def _take(self, end: int, token: str, operand_follows: bool) -> None:
        self._at, self._last, self._operand = end, token, operand_follows

    def _open(self, char: str) -> None:
        if char == "(":
            operand_follows = self._last in _WORDS_BEFORE_HEAD
        else:
            operand_follows = char == "{" and self._last in _BEFORE_BLOCK
        self._levels.append(_Level(char, operand_follows))
        self._take(self._at + 1, "{}" if operand_follows and char == "{" else char, True)

    def _close(self, char: str) -> None:
        level = self._levels.pop() if self._levels else _Level("")
        if level.opener and char != _CLOSERS[level.opener]:
            shown = "${" if level.opener == "`" else level.opener
            raise self._problem(f"{shown} is not closed before {char}")
        if level.opener == "`":
            self._template_literal(self._at + 1)
        else:
            is_block = level.operand_follows and char == "}"
            self._take(self._at + 1, "{}" if is_block else char, level.operand_follows)

    def _template_literal(self, at: int) -> None:
        """Read a template literal's characters: to its closing backtick, or to a ``${``."""
        text = self._text
        while at < len(text):
            if text[at] == "\\":
                at += 2
            elif text[at] == "`":
                return self._take(at + 1, "`", False)
            elif text.startswith("${", at):
                self._levels.append(_Level("`"))
                return self._take(at + 2, "${", True)
            else:
                at += 1
        raise self._problem("a template literal is not closed: ` is missing")

    def _skip(self, pattern: re.Pattern[str], complaint: str) -> int:
        match = pattern.match(self._text, self._at)
        if match is None:
            shown = self._text[self._start : self._start + 60]
            raise TemplateSyntaxError(complaint, self._start - len(OPEN), shown)
        return match.end()

    def _problem(self, message: str) -> TemplateSyntaxError:
        return TemplateSyntaxError(message, self._start - len(OPEN))
