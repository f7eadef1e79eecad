"""Compiles all templates of a value (a node's parameters, say) into one JavaScript program.

One crossing into the sandbox evaluates them all, for one scope or for thousands of rows; only the
names that they reference are serialised, once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ..errors import TemplateError
from ..sandbox.engine import PARSED
from .names import Use, assigns, outer_names
from .reach import Reach, Way, reach_of
from .tokenizer import OPEN, Expression, TemplateSyntaxError, split

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of JavaScript in a program.

    Parameters
    ----------
    source : str
        The JavaScript.
    is_body : bool
        Whether it is a function body with ``return`` rather than an expression.
    path : tuple
        Where in the compiled value it stands.
    start : int
        Its offset in the string at that path.
    """

    source: str
    is_body: bool
    path: Path
    start: int

    @property
    def uses(self) -> tuple[Use, ...]:
        """The outer names that it uses."""
        return outer_names(self.source, is_body=self.is_body)

    @property
    def assigns(self) -> bool:
        """Whether it assigns to anything."""
        return assigns(self.source, is_body=self.is_body)


@dataclass(frozen=True, slots=True)
class TemplatedField:
    """A string with templates.

    Parameters
    ----------
    path : tuple
        Where in the compiled value it stands.
    parts : tuple of str or Code
        Literal text and code, in order.
    is_exact : bool
        Whether it is exactly one template, so that the value keeps its type.
    """

    path: Path
    parts: tuple[str | Code, ...]
    is_exact: bool


@dataclass(frozen=True)
class CompiledValue:
    """A value whose strings may hold templates, ready to be rendered.

    Parameters
    ----------
    value : object
        The original, of dicts, lists and scalars.
    fields : tuple of TemplatedField
        Its strings with templates.
    """

    value: Any
    fields: tuple[TemplatedField, ...]

    @cached_property
    def codes(self) -> tuple[Code, ...]:
        """All pieces of JavaScript, in the program's order."""
        return tuple(part for f in self.fields for part in f.parts if isinstance(part, Code))

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """All uses of outer names."""
        return tuple(use for code in self.codes for use in code.uses)

    @cached_property
    def reaches(self) -> Mapping[str, Reach]:
        """For each outer name what the code uses of its value."""
        ways: dict[str, list[Way]] = {}
        for use in self.uses:
            ways.setdefault(use.name, []).append(use.way)
        return {name: reach_of(into) for name, into in ways.items()}

    @property
    def names(self) -> Set[str]:
        """The outer names."""
        return self.reaches.keys()

    def filled(self, values: Iterable[Any]) -> Any:
        """The value with each field replaced.

        Parameters
        ----------
        values : iterable
            One for each of ``fields``, in order.
        """
        replacements = {field.path: value for field, value in zip(self.fields, values, strict=True)}
        return _rebuild(self.value, (), replacements)


def compile_value(value: Any) -> CompiledValue:
    """Find the templates at any depth of a value.

    Parameters
    ----------
    value : object
        Dicts, lists and scalars; strings may hold ``{{ }}``. Keys are not templates.

    Raises
    ------
    TemplateSyntaxError
        A template is empty or never closed; ``path`` on the error says which string.
    """
    return CompiledValue(value, tuple(_fields(value, ())))


def compile_code(source: str, path: Path, *, is_body: bool) -> CompiledValue:
    """A value that is one piece of JavaScript without braces, as the ``js`` action has it."""
    code = Code(source, is_body, path, 0)
    return CompiledValue(source, (TemplatedField((), (code,), is_exact=True),))


def _fields(value: Any, path: Path) -> Iterator[TemplatedField]:
    if isinstance(value, str):
        if OPEN in value:
            try:
                yield _field(value, path)
            except TemplateSyntaxError as problem:
                problem.path = path
                raise
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _fields(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _fields(item, (*path, index))


def _field(text: str, path: Path) -> TemplatedField:
    parts: list[str | Code] = []
    for part in _split(text):
        if isinstance(part, Expression):
            parts.append(Code(part.source, False, path, part.start))
        else:
            parts.append(part)
    # White space around the only template is layout, not text: YAML block scalars end in "\n".
    codes = [part for part in parts if isinstance(part, Code)]
    blank = all(isinstance(part, Code) or not part.strip() for part in parts)
    if len(codes) == 1 and blank:
        return TemplatedField(path, (codes[0],), is_exact=True)
    return TemplatedField(path, tuple(parts), is_exact=False)


@lru_cache(maxsize=4096)
def _split(text: str) -> tuple[str | Expression, ...]:
    return split(text)


def _rebuild(value: Any, path: Path, replacements: Mapping[Path, Any]) -> Any:
    if path in replacements:
        return replacements[path]
    if isinstance(value, (dict, Mapping)):  # the first is looked at first, and is quick
        return {key: _rebuild(item, (*path, key), replacements) for key, item in value.items()}
    if isinstance(value, list):
        return [_rebuild(item, (*path, i), replacements) for i, item in enumerate(value)]
    return value


@dataclass(frozen=True, slots=True)
class Program:
    """JavaScript for the sandbox.

    Parameters
    ----------
    source : str
        What the engine evaluates.
    first_lines : tuple of int
        For each code, the line of ``source`` on which it begins.
    """

    source: str
    first_lines: tuple[int, ...]


_EXPRESSION_FORMS = (
    ("void function () { 'use strict'; return (", ") }"),
    ("void function () { 'use strict'; return [", "] }"),
)
_BODY_FORMS = (
    ("void function () { 'use strict';", "}"),
    ("(function () { 'use strict';", "})"),
)


@lru_cache(maxsize=512)
def _program(
    fields: tuple[TemplatedField, ...],
    scope_names: tuple[str, ...],
    row_names: tuple[str, ...],
    lenient: bool,
    for_many: bool,
) -> Program:
    # Made once; each call has the row's values as its own parameters. A body may declare one of
    # their names again.
    parameters = ", ".join((*scope_names, *row_names))
    pieces = ["$run((function () { 'use strict'; return ["]
    line = 1
    first_lines: list[int] = []

    def add(piece: str) -> None:
        nonlocal line
        pieces.append(piece)
        line += piece.count("\n")

    for field in fields:
        add(f"[{int(field.is_exact)}, [")
        for part in field.parts:
            if isinstance(part, Code):
                opened, closed = ("(() => {", "})()") if part.is_body else ("(", ")")
                add(f"[{len(first_lines)}, ({parameters}) => {opened}\n")
                first_lines.append(line)
                # The line break ends a `// comment` at the end of the source.
                add(f"{part.source}\n{closed}],")
            else:
                add(_literal(part) + ",")
        add("]")
        if for_many and not field.is_exact and not any(c.assigns for c in _codes(field)):
            add(f", ({parameters}) => {_at_once(field)}")
        add("],")
    add(f"]; }})(), {json.dumps(scope_names)}, {json.dumps(lenient)})")
    return Program("".join(pieces), tuple(first_lines))


def _codes(field: TemplatedField) -> Iterator[Code]:
    return (part for part in field.parts if isinstance(part, Code))


def _at_once(field: TemplatedField) -> str:
    """One expression for all of a text's parts: half the work for the engine.

    They share their parameters, so that none may assign to one.
    """
    return " + ".join(
        f"$text((\n{part.source}\n))" if isinstance(part, Code) else _literal(part)
        for part in ("", *field.parts)
    )


def _literal(text: str) -> str:
    return json.dumps(text)


def program_for(
    compiled: CompiledValue,
    scope_names: Iterable[str],
    row_names: Iterable[str] = (),
    *,
    lenient: bool = False,
    for_many: bool = False,
) -> Program:
    """The program that renders a compiled value.

    Parameters
    ----------
    compiled : CompiledValue
        At least one field.
    scope_names : iterable of str
        Names that are the same for all rows.
    row_names : iterable of str
        Names that differ by row.
    lenient : bool
        Whether a failing expression gives null (or no text) instead of an error.
    for_many : bool
        Whether it is worth more code to need less time for each row.
    """
    return _program(
        compiled.fields, tuple(sorted(scope_names)), tuple(row_names), lenient, for_many
    )


def check_forms(code: Code) -> tuple[str, ...]:
    """Texts that all parse exactly when the code is by itself an expression (or a body).

    One pair of brackets could be broken out of (``1); evil(); (2``), but no text breaks out of two
    different kinds: what closes one is an error in the other. The engine parses by running the
    forms, so each throws before it reaches the code.
    """
    forms = _BODY_FORMS if code.is_body else _EXPRESSION_FORMS
    return tuple(f"{PARSED} {opened}\n{code.source}\n{closed}" for opened, closed in forms)


def field_error(code: Code, message: str, kind: str = "runtime") -> TemplateError:
    """The error of one piece of code."""
    return TemplateError(kind, message, expression=code.source)
