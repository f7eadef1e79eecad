"""Templates that only name something, such as ``{{ orders.body[0].id }}``: no JavaScript is run.

Most of a flow's templates are like this. Their values are looked up in Python, by the rules by
which JavaScript would find them; whatever is not plain enough for that is left to the sandbox.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .compiler import Code, CompiledValue, TemplatedField
from .names import JAVASCRIPT_GLOBALS, RESERVED_WORDS
from .reach import Way

_REFERENCE = re.compile(r"([A-Za-z_$][\w$]*)((?:\.[A-Za-z_]\w*|\[(?:0|[1-9]\d{0,8})\])*)", re.ASCII)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]", re.ASCII)
_LITERALS = frozenset({"null", "true", "false", "this", "undefined"})


class NotDirectError(Exception):
    """Only JavaScript tells what the template gives."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A name and a way into its value.

    Parameters
    ----------
    name : str
        An outer name.
    way : tuple
        Members, from the value inwards.
    """

    name: str
    way: Way

    def find(self, value: Any) -> Any:
        """What stands at the end of the way.

        Parameters
        ----------
        value : object
            The name's value.

        Raises
        ------
        NotDirectError
            The way leads through something else than dicts and lists that have these members.
        """
        for step in self.way:
            if step == "length" and isinstance(value, list):
                value = len(value)
                continue
            if isinstance(value, dict):
                is_there = isinstance(step, str) and step in value
            else:
                is_there = isinstance(value, list) and isinstance(step, int) and step < len(value)
            if not is_there:
                raise NotDirectError
            value = value[step]
        return value


Fields = tuple[tuple[str | Reference, ...], ...]


@lru_cache(maxsize=4096)
def references(fields: tuple[TemplatedField, ...]) -> Fields | None:
    """The parts of each field as text and references.

    Parameters
    ----------
    fields : tuple of TemplatedField
        Of a compiled value.

    Returns
    -------
    tuple of tuple, or None
        One for each field; None where some code is more than a reference.
    """
    found: list[tuple[str | Reference, ...]] = []
    for field in fields:
        parts = tuple(_part(part) for part in field.parts)
        if None in parts:
            return None
        found.append(tuple(part for part in parts if part is not None))
    return tuple(found)


def is_reference(code: Code) -> bool:
    """Whether code is only a name and members of it."""
    return _part(code) is not None


def _part(part: str | Code) -> str | Reference | None:
    if isinstance(part, str):
        return part
    match = _REFERENCE.fullmatch(part.source)
    if match is None or part.is_body or match[1] in _LITERALS | JAVASCRIPT_GLOBALS | RESERVED_WORDS:
        return None
    way = [name or int(index) for name, index in _STEP.findall(match[2])]
    return Reference(match[1], tuple(way))


def render_direct(
    compiled: CompiledValue,
    fields: Fields,
    value_of: Callable[[str], Any],
    plain: Callable[[Reference | None, Any], Any],
    rows: Iterable[Mapping[str, Any]],
) -> list[Any]:
    """Render a value once for each row.

    Parameters
    ----------
    compiled : CompiledValue
        What to render.
    fields : tuple of tuple
        Its :func:`references`.
    value_of : callable
        Gives a name's value.
    plain : callable
        Makes data of JSON's types of what is no scalar: of the reference and what it leads to.
        There is no reference where it leads into a row.
    rows : iterable of mappings
        Names that differ by row.

    Raises
    ------
    NotDirectError
        Some value is not that plain.
    """

    def scalar(reference: Reference, row: Mapping[str, Any]) -> Any:
        is_of_row = reference.name in row
        value = reference.find(row[reference.name] if is_of_row else value_of(reference.name))
        return value, is_of_row

    def exact(reference: Reference, row: Mapping[str, Any]) -> Any:
        value, is_of_row = scalar(reference, row)
        if _is_plain(value):
            return None if isinstance(value, float) and not math.isfinite(value) else value
        return plain(None if is_of_row else reference, value)

    def text(parts: tuple[str | Reference, ...], row: Mapping[str, Any]) -> Iterator[str]:
        for part in parts:
            yield part if isinstance(part, str) else _as_text(scalar(part, row)[0])

    rendered = []
    for row in rows:
        values = []
        for field, parts in zip(compiled.fields, fields, strict=True):
            if field.is_exact:
                (part,) = parts
                assert isinstance(part, Reference)
                values.append(exact(part, row))
            else:
                values.append("".join(text(parts, row)))
        rendered.append(compiled.filled(values))
    return rendered


def _is_plain(value: Any) -> bool:
    if type(value) is str:
        return _is_unicode(value)
    return value is None or type(value) in (bool, int, float)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int and abs(value) < 10**15:
        return str(value)
    if type(value) is str and _is_unicode(value):
        return value
    raise NotDirectError  # JavaScript writes other numbers, and objects, in its own way


def _is_unicode(text: str) -> bool:
    """Whether it is free of half surrogate pairs."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
