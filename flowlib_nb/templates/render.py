"""Renders compiled values through the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import TemplateError
from .compiler import Code, CompiledValue, Program, check_forms, compile_value, program_for
from .names import HELPERS, JAVASCRIPT_GLOBALS, is_complete

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from ..sandbox.pool import SyntaxReport

_FRAME = re.compile(r"eval_script:(\d+):(\d+)")


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
    if (name, message) == ("InternalError", "out of memory"):
        error = TemplateError(
            "memory",
            f"it needed more than {sandbox.memory_limit} MB",
            expression=code.source,
            hint="Pass it less data, or raise the limit: %config Sandbox.memory_limit = …",
        )
    else:
        error = TemplateError("runtime", f"{name}: {message}", expression=code.source)
    at = _FRAME.search(detail["stack"])
    offset = 0
    if at:
        offset = offset_at(code.source, int(at[1]) - program.first_lines[index] + 1, int(at[2]))
    return Fault(code, error, offset)


def offset_at(source: str, line: int, column: int) -> int:
    """The character offset of a line and column (both from 1); 0 where there is no such place."""
    lines = source.split("\n")
    if not 1 <= line <= len(lines) or not 1 <= column <= len(lines[line - 1]) + 1:
        return 0
    return sum(len(text) + 1 for text in lines[: line - 1]) + column - 1


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
        if report is not None:
            faults.append(_syntax_fault(code, report))
        elif not is_complete(code.source, is_body=code.is_body):
            message = "this is not one whole expression"
            faults.append(Fault(code, TemplateError("syntax", message, expression=code.source)))
    return faults


def _syntax_fault(code: Code, report: SyntaxReport) -> Fault:
    error = TemplateError(report.code, report.message, expression=code.source)
    # The forms put the code on a line of its own, the second.
    offset = offset_at(code.source, (report.line or 0) - 1, report.column or 0)
    return Fault(code, error, offset)


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

    return msgspec.json.encode(value, enc_hook=_plain_scalar)


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
        With ``code``, ``expression`` and ``position`` (line and column in ``template``).

    Examples
    --------
    >>> render("{{ a + 1 }}", {"a": 1})  # doctest: +SKIP
    2
    """
    from ..sandbox.pool import sandbox

    compiled = compile_value(template)
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
    faults = check_syntax(compiled.codes, sandbox())
    if faults:
        raise _positioned(template, faults[0])
    texts = {name: to_json(value) for name, value in known.items() if name in compiled.names}
    (result,) = render_rows(compiled, texts, sandbox=sandbox())
    if isinstance(result, Fault):
        raise _positioned(template, result)
    return result


def _positioned(template: Any, fault: Fault) -> TemplateError:
    from ..errors import Position

    text = template
    for step in fault.code.path:
        text = text[step]
    before = text[: fault.code.start + fault.offset]
    line = before.count("\n") + 1
    return fault.error.at(Position(line, len(before) - (before.rfind("\n") + 1) + 1))


__all__ = ["CompiledValue", "Fault", "check_syntax", "render", "render_rows", "to_json"]
