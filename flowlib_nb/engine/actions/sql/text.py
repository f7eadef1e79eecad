"""SQL text: what of it is code, and where values are bound.

Templates and ``$1``, ``$2``, … stand for values. They are found in code only: inside quotes and
comments a value could not be bound, and a driver that writes values into the text would write it
where no value belongs. How far quotes and comments reach differs from database to database, so a
place counts as code only when it is code by all readings that the database may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ....errors import NodeError
from ....templates.compiler import Code
from ....templates.tokenizer import Expression, TemplateSyntaxError, split

_OPENING = re.compile(
    r"(?P<escaped>(?<!\w)[eE]')|(?P<quote>['\"`])|(?P<line>--)|(?P<hash>\#)|(?P<block>/\*)"
    r"|(?P<dollar>(?<![\w$])\$(?:[^\W\d]\w*)?\$)"
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_MARKER = re.compile(r"(?<![\w$])\$([0-9]{1,4})(?!\w)")
_ROWS = frozenset({"select", "with", "values", "table"})
# What a cursor on the server cannot be declared for.
_CHANGES = frozenset({"insert", "update", "delete", "merge", "into"})
_WORD = re.compile(r"\w+")
_IN = re.compile(r"(?P<in>\bin)\s*\((?P<values>[^()]*)\)", re.IGNORECASE)
_NAMED = re.compile(r"(?<![\w:\\]):p(\d+)\b")
_ONLY_ONE = re.compile(r"\s*:p\d+\s*")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a database reads quotes and comments.

    Parameters
    ----------
    backslash : bool
        Whether a backslash takes the next character's meaning inside every string.
    hashes : bool
        Whether ``#`` begins a comment.
    nested : bool
        Whether comments may hold comments.
    dollars : bool
        Whether ``$$`` begins a string.
    """

    backslash: bool = False
    hashes: bool = False
    nested: bool = False
    dollars: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the text that is not code.

    Parameters
    ----------
    start, stop : int
        From one character to before another.
    is_comment : bool
        Whether it is a comment rather than something in quotes.
    """

    start: int
    stop: int
    is_comment: bool


# DuckDB's, too.
_POSTGRESQL = Reading(nested=True, dollars=True)
# A setting of the session decides about backslashes.
_MYSQL = (Reading(backslash=True, hashes=True), Reading(hashes=True))
_READINGS = {
    "postgresql": (_POSTGRESQL,),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
_ANY = (Reading(), Reading(nested=True))


def bind_templates(query: str) -> tuple[str, list[Code]]:
    """Put ``$1``, ``$2``, … in place of a query's templates.

    Parameters
    ----------
    query : str
        SQL with templates.

    Returns
    -------
    str, list of Code
        The SQL without templates, and what they were.

    Raises
    ------
    TemplateSyntaxError
        A template is never closed, or stands inside quotes or a comment.
    """
    try:
        parts = split(query)
    except TemplateSyntaxError as problem:
        problem.path = ("query",)
        raise
    text = ""
    places: list[int] = []
    expressions: list[Expression] = []
    for part in parts:
        if isinstance(part, Expression):
            expressions.append(part)
            # Blanks, lest the marker becomes part of a word beside it.
            text += f" ${len(expressions)} "
            places.append(len(text) - 2)
        else:
            text += part
    spans = list(_spans(text, _POSTGRESQL))
    for place, expression in zip(places, expressions, strict=True):
        if span := _around(place, spans):
            raise _misplaced(expression, span)
    return text, [Code(e.source, False, ("query",), e.start) for e in expressions]


def expanded_lists(text: str, values: Mapping[int, Any]) -> tuple[str, set[str]]:
    """Let a list stand for the values of an ``in (…)``.

    Parameters
    ----------
    text : str
        From :func:`name_markers`.
    values : mapping of int to object
        Of the numbers that it names.

    Returns
    -------
    str, set of str
        The text without the parentheses around such a list, which SQLAlchemy puts there itself,
        and the names of these lists.

    Raises
    ------
    NodeError
        A list is one of several values: as a whole it would be equal to nothing.
    """
    lists: set[str] = set()

    def without_parentheses(match: re.Match[str]) -> str:
        numbers = [int(number) for number in _NAMED.findall(match["values"])]
        if not any(isinstance(values.get(number), list) for number in numbers):
            return match[0]
        if not _ONLY_ONE.fullmatch(match["values"]):
            raise NodeError(
                "In in (…) a list stands alone, for all of its values.",
                hint="Join them in the template: {{ [...a, b] }}.",
            )
        lists.add(f"p{numbers[0]}")
        return f"{match['in']} :p{numbers[0]} "

    return _IN.sub(without_parentheses, text), lists


def name_markers(query: str, values: int, dialect: str) -> tuple[str, set[int]]:
    """Turn ``$1`` into ``:p1`` and escape all other colons, as SQLAlchemy's ``text()`` wants it.

    Parameters
    ----------
    query : str
        SQL with markers.
    values : int
        How many values there are.
    dialect : str
        SQLAlchemy's name of the database.

    Returns
    -------
    str, set of int
        The text, and the numbers that it names.

    Raises
    ------
    NodeError
        A marker has no value, a value no marker, or it is not clear whether one is in quotes.
    """
    readings = [list(_spans(query, reading)) for reading in _READINGS.get(dialect, _ANY)]
    used: set[int] = set()
    pieces: list[str] = []
    at = 0
    for match in _MARKER.finditer(query):
        inside = {_around(match.start(), spans) is not None for spans in readings}
        if inside == {True}:
            continue
        if len(inside) > 1:
            raise NodeError(
                f"It is not clear whether {match[0]} stands inside quotes or a comment.",
                hint="Write a quote in a text twice ('') instead of with a backslash before it.",
            )
        number = int(match[1])
        if not 1 <= number <= values:
            raise NodeError(
                f"The query names {match[0]}, but there are {values} values.",
                hint="Templates of the query count first, then those of `parameters`.",
            )
        used.add(number)
        pieces += [_escaped(query[at : match.start()]), f":p{number}"]
        at = match.end()
    if unused := set(range(1, values + 1)) - used:
        raise NodeError(
            f"The query never uses the value ${min(unused)}.",
            hint="Write $1, $2, … where the values of `parameters` belong, outside of quotes.",
        )
    return "".join(pieces) + _escaped(query[at:]), used


def is_streamable(query: str, dialect: str) -> bool:
    """Whether a query only reads, so that its rows can come through a cursor on the server.

    Parameters
    ----------
    query : str
        SQL.
    dialect : str
        SQLAlchemy's name of the database.
    """
    code = _code(query, _READINGS.get(dialect, _ANY)[0])
    words = [word.lower() for word in _WORD.findall(code)]
    is_single = ";" not in code.rstrip().rstrip(";")
    return bool(words) and words[0] in _ROWS and is_single and not _CHANGES & set(words)


def _misplaced(expression: Expression, span: Span) -> TemplateSyntaxError:
    message = "a template in SQL is a bound parameter: write it without quotes around it"
    if span.is_comment:
        message = "a template in a comment of the SQL has no effect: take it out"
    problem = TemplateSyntaxError(message, expression.start, expression.source)
    problem.path = ("query",)
    return problem


def _escaped(text: str) -> str:
    return text.replace(":", "\\:")


def _around(place: int, spans: list[Span]) -> Span | None:
    return next((span for span in spans if span.start <= place < span.stop), None)


def _code(text: str, reading: Reading) -> str:
    pieces: list[str] = []
    at = 0
    for span in _spans(text, reading):
        pieces.append(text[at : span.start])
        at = span.stop
    return " ".join([*pieces, text[at:]])


def _spans(text: str, reading: Reading) -> Iterator[Span]:
    at = 0
    while match := _OPENING.search(text, at):
        kind = match.lastgroup
        if (kind == "hash" and not reading.hashes) or (kind == "dollar" and not reading.dollars):
            at = match.end()
            continue
        if kind == "escaped":
            at = _quote_end(text, match.end(), "'", backslash=True)
        elif kind == "quote":
            backslash = reading.backslash and match[0] != "`"
            at = _quote_end(text, match.end(), match[0], backslash=backslash)
        elif kind == "block":
            at = _block_end(text, match.end(), nested=reading.nested)
        else:
            at = _behind(text, match[0] if kind == "dollar" else "\n", match.end())
        yield Span(match.start(), at, kind in ("line", "hash", "block"))


def _quote_end(text: str, at: int, quote: str, *, backslash: bool) -> int:
    while at < len(text):
        if backslash and text[at] == "\\":
            at += 2
        elif text[at] == quote:
            if text[at + 1 : at + 2] != quote:
                return at + 1
            at += 2
        else:
            at += 1
    return len(text)


def _block_end(text: str, at: int, *, nested: bool) -> int:
    depth = 1
    while depth and (edge := _BLOCK_EDGE.search(text, at)):
        at = edge.end()
        if edge[0] == "*/":
            depth -= 1
        elif nested:
            depth += 1
    return at if depth == 0 else len(text)


def _behind(text: str, end: str, at: int) -> int:
    found = text.find(end, at)
    return len(text) if found < 0 else found + len(end)
