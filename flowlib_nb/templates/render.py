"""Renders compiled values through the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import Position, TemplateError
from .compiler import Code, CompiledValue, Path, Program, check_forms, compile_value, program_for
from .names import HELPERS, JAVASCRIPT_GLOBALS, is_complete
from .tokenizer import TemplateSyntaxError

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from ..sandbox.pool import SyntaxReport

_FRAME = re.compile(r"at (.*) \((?:eval_script|<input>):(\d+):(\d+)\)")
# Functions of the sandbox's prelude: the lines of their frames are not the program's.
_PRELUDE = HELPERS | {"asText", "rejectUnusable", "toJson"}
# The token that an engine's message ends with.
_TOKEN = re.compile(r"'(.+)'$")


@dataclass(frozen=True, slots=True)
class Fault:
    """A failing piece of code.

    Parameters
    ----------
    code : Code
        Which one.
    error : TemplateError
        Why.
    offset : int
        Where in ``code.source`` the engine noticed it, in characters; 0 where it does not say.
    """

    code: Code
    error: TemplateError
    offset: int = 0


Rendered = Any | Fault


def render_rows(
    compiled: CompiledValue,
    scope: Mapping[str, bytes],
    rows: Sequence[Mapping[str, Any]] = ({},),
    *,
    sandbox: Sandbox,
    lenient: bool = False,
) -> list[Rendered]:
    """Render a value once for each row, in one crossing.

    Parameters
    ----------
    compiled : CompiledValue
        What to render.
    scope : mapping of str to bytes
        For each name its value as UTF-8 JSON; names that are not used are not sent.
    rows : sequence of mappings
        Names that differ by row, as JSON-ready values.
    sandbox : Sandbox
        Where to evaluate.
    lenient : bool
        Whether a failing expression gives null (or no text) instead of a fault.

    Returns
    -------
    list
        For each row the rendered value, or the first Fault in it.

    Raises
    ------
    TemplateError
        The evaluation as a whole ended: a limit was reached.
    """
    if not compiled.fields or not rows:
        return [compiled.value for _ in rows]
    used = compiled.names
    scope_names = [name for name in scope if name in used]
    row_names = sorted({name for name in rows[0] if name in used})
    program = program_for(compiled, scope_names, row_names, lenient=lenient)
    payload = _payload(scope, scope_names, rows, row_names)
    codes = compiled.codes
    shown = codes[0].source if len(codes) == 1 else ""
    answer = json.loads(sandbox.evaluate(program.source, payload, expression=shown))
    return [_row(compiled, codes, program, fields, sandbox) for fields in answer]


def _payload(
    scope: Mapping[str, bytes],
    scope_names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    row_names: Sequence[str],
) -> bytes:
    fixed = b",".join(json.dumps(name).encode() + b":" + scope[name] for name in scope_names)
    varying = [{name: row[name] for name in row_names} for row in rows]
    return b'{"scope":{' + fixed + b'},"rows":' + to_json(varying) + b"}"


def _row(
    compiled: CompiledValue,
    codes: Sequence[Code],
    program: Program,
    fields: Sequence[Sequence[Any]],
    sandbox: Sandbox,
) -> Rendered:
    for failed, detail in fields:
        if failed:
            return _fault(codes, program, detail, sandbox)
    return compiled.filled(value for _, value in fields)


def _fault(
    codes: Sequence[Code], program: Program, detail: Mapping[str, Any], sandbox: Sandbox
) -> Fault:
    index = detail["expression"]
    code = codes[index]
    name, message = detail["name"], detail["message"]
    if name == "null" or (name, message) == ("InternalError", "out of memory"):
        text = f"it needed more than {sandbox.memory_limit} MB"
        if name == "null":
            text = f"it threw null, as the engine does when {sandbox.memory_limit} MB are used up"
        error = TemplateError(
            "memory",
            text,
            expression=code.source,
            hint="Pass it less data, or raise the limit: %config Sandbox.memory_limit = …",
        )
    else:
        error = TemplateError("runtime", f"{name}: {message}", expression=code.source)
    return Fault(code, error, _thrown_at(code.source, program.first_lines[index], detail["stack"]))


def _thrown_at(source: str, first_line: int, stack: str) -> int:
    """The offset that the innermost of the code's own frames names."""
    for name, line, column in _FRAME.findall(stack):
        if name == "renderField":
            break
        if name not in _PRELUDE:
            return offset_at(source, int(line) - first_line + 1, int(column))
    return 0


def offset_at(source: str, line: int, column: int) -> int:
    """The character offset of a line and column; 0 where there is no such place.

    Parameters
    ----------
    source : str
        The code.
    line, column : int
        Both from 1; the column counts bytes of UTF-8, as the engine does.
    """
    lines = source.split("\n")
    if not 1 <= line <= len(lines):
        return 0
    text = lines[line - 1]
    encoded = text.encode("utf-8", "surrogatepass")
    if not 1 <= column <= len(encoded) + 1:
        return 0
    before = len(encoded[: column - 1].decode("utf-8", "replace"))
    # The engine gives column 1 where it knows the line only.
    return _line_start(lines, line) + before + _blanks(text[before:])


def _line_start(lines: Sequence[str], line: int) -> int:
    return sum(len(text) + 1 for text in lines[: line - 1])


def _blanks(text: str) -> int:
    return len(text) - len(text.lstrip())


def check_syntax(codes: Sequence[Code], sandbox: Sandbox) -> list[Fault]:
    """The syntax errors of pieces of code; nothing of them is run.

    Parameters
    ----------
    codes : sequence of Code
        Any number; one crossing checks them all.
    sandbox : Sandbox
        Whose engine parses: the one that would run them.
    """
    reports = sandbox.check([check_forms(code) for code in codes])
    faults = []
    for code, report in zip(codes, reports, strict=True):
        whole = is_complete(code.source, is_body=code.is_body)
        if report is not None and (whole or report.code == "syntax"):
            faults.append(_syntax_fault(code, report))
        elif not whole:
            message = f"this is not one whole {'function body' if code.is_body else 'expression'}"
            faults.append(Fault(code, TemplateError("syntax", message, expression=code.source)))
    return faults


def _syntax_fault(code: Code, report: SyntaxReport) -> Fault:
    lines = code.source.split("\n")
    # The forms put the code on lines of its own, from the second on.
    line = max(1, (report.line or 0) - 1)
    if line > len(lines):
        # The token that the engine names is what the form closes with.
        message, offset = "the code ends where more is expected", len(code.source)
    else:
        message, text = report.message, lines[line - 1]
        token = _TOKEN.search(message)
        # The engine tells only the line; a token that stands there once tells the rest.
        once = token is not None and text.count(token[1]) == 1
        column = text.index(token[1]) if token and once else _blanks(text)
        offset = _line_start(lines, line) + column
    return Fault(code, TemplateError(report.code, message, expression=code.source), offset)


def to_json(value: Any) -> bytes:
    """UTF-8 JSON as the sandbox takes it: not-a-number and infinities become null.

    Parameters
    ----------
    value : object
        Plain data; moments, durations and numpy's and pandas's scalars and arrays are as well.

    Raises
    ------
    TypeError
        The value holds something that has no JSON form.
    """
    import msgspec

    try:
        return msgspec.json.encode(value, enc_hook=_plain_scalar)
    except UnicodeEncodeError:  # which carries the whole text, so it ends here
        pass
    raise TypeError("a text with half of a surrogate pair has no JSON form")


def _plain_scalar(value: Any) -> Any:
    """What the encoder does not know: subclasses of moments, and scalars of other libraries."""
    if isinstance(value, datetime):
        return value.isoformat() if value == value else None  # NaT is a moment unlike itself
    if isinstance(value, timedelta):
        return timedelta(seconds=value.total_seconds())
    if type(value).__module__.partition(".")[0] == "numpy":
        return value.tolist()
    if type(value).__name__ == "NAType":
        return None
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def render(template: Any, scope: Mapping[str, Any] | None = None) -> Any:
    """Render a template, or a value with templates at any depth.

    Parameters
    ----------
    template : object
        A string, or dicts and lists that hold strings.
    scope : mapping, optional
        The names that the templates may use, with JSON-ready values.

    Returns
    -------
    object
        A string that is exactly one ``{{ }}`` gives the value with its type; a string with text
        around gives a string.

    Raises
    ------
    TemplateError
        With ``code``, ``expression`` and ``position`` (line and column in the string that holds
        the template); the latter two are not known where several templates reached a limit.

    Examples
    --------
    >>> render("{{ a + 1 }}", {"a": 1})  # doctest: +SKIP
    2
    """
    from ..sandbox.pool import sandbox

    try:
        compiled = compile_value(template)
    except TemplateSyntaxError as problem:
        raise problem.at(_position(template, problem.path, problem.offset)) from None
    # First, since names are only sure where the syntax is right.
    faults = check_syntax(compiled.codes, sandbox())
    if faults:
        raise _positioned(template, faults[0])
    known = dict(scope or {})
    for code in compiled.codes:
        for use in code.uses:
            if use.name not in known and use.name not in JAVASCRIPT_GLOBALS | HELPERS:
                message = f"ReferenceError: {use.name} is not defined"
                raise _positioned(
                    template,
                    Fault(
                        code,
                        TemplateError("runtime", message, expression=code.source),
                        use.offset,
                    ),
                )
    texts = {name: to_json(value) for name, value in known.items() if name in compiled.names}
    try:
        (result,) = render_rows(compiled, texts, sandbox=sandbox())
    except TemplateError as error:
        if len(compiled.codes) != 1:  # a limit does not say which of them reached it
            raise
        raise _positioned(template, Fault(compiled.codes[0], error)) from None
    if isinstance(result, Fault):
        raise _positioned(template, result)
    return result


def _positioned(template: Any, fault: Fault) -> TemplateError:
    place = _position(template, fault.code.path, fault.code.start + fault.offset)
    return fault.error.at(place)


def _position(template: Any, path: Path, offset: int) -> Position:
    text = template
    for step in path:
        text = text[step]
    before = text[:offset]
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))


__all__ = ["CompiledValue", "Fault", "check_syntax", "render", "render_rows", "to_json"]
