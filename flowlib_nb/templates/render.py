"""Renders compiled values through the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from ..errors import TemplateError
from .compiler import Code, CompiledValue, Program, check_forms, program_for
from .names import HELPERS, RESERVED_WORDS, is_complete
from .reach import Reach, reached
from .values import LARGE_INTEGERS, may_have_large_integers, to_json

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from ..sandbox.pool import SyntaxReport

_FRAME = re.compile(r"at (.*) \((?:eval_script|<input>):(\d+):(\d+)\)")
# Functions of the sandbox's prelude: the lines of their frames are not the program's.
_PRELUDE = HELPERS | set("asText rejectUnusable toJson bigIntToJson mapToJson setToJson".split())
_MEMBER = re.compile(r"cannot (?:read|set) property '([\w$]+)' of (?:undefined|null)")
_BIGINT_HINT = (
    "An integer beyond 2**53 arrives as a BigInt: write Number(x), or calculate with 1n, 2n …"
)
# Rows for which a longer program pays.
_MANY = 100
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
        For each name its value, or what ``compiled.reaches`` of it, as UTF-8 JSON; names that are
        not used are not sent.
    rows : sequence of mappings
        Names that differ by row, as JSON-ready values; what cannot be reached is not sent.
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
    columns = render_fields(compiled, scope, rows, sandbox=sandbox, lenient=lenient)
    if compiled.fields[0].path == ():
        return columns[0]  # the value is one text: it has no other field
    return [_row(compiled, fields) for fields in zip(*columns, strict=True)]


def render_fields(
    compiled: CompiledValue,
    scope: Mapping[str, bytes],
    rows: Sequence[Mapping[str, Any]],
    *,
    sandbox: Sandbox,
    lenient: bool = False,
    has_gaps: bool = False,
) -> list[list[Rendered]]:
    """The same by field: each of ``compiled.fields`` gets a list with a value or Fault a row.

    Parameters
    ----------
    compiled : CompiledValue
        With at least one field.
    scope, rows, sandbox, lenient
        As :func:`render_rows` has them; at least one row.
    has_gaps : bool
        Whether None as one of a row's values is undefined, of which JavaScript makes NaN where it
        is calculated with, rather than null, of which it makes 0.

    Raises
    ------
    TemplateError
        The evaluation as a whole ended: a limit was reached.
    """
    used = compiled.names - RESERVED_WORDS  # which cannot name a function's parameters
    scope_names = [name for name in scope if name in used]
    row_names = sorted({name for name in rows[0] if name in used})
    program = program_for(
        compiled, scope_names, row_names, lenient=lenient, for_many=len(rows) >= _MANY
    )
    codes = compiled.codes
    shown = codes[0].source if len(codes) == 1 else ""
    varying = _varying(rows, row_names, compiled.reaches)
    payload = _payload({name: scope[name] for name in scope_names}, varying, has_gaps=has_gaps)
    columns, failures = _decoded(sandbox.evaluate(program.source, payload, expression=shown))
    for field, row, detail in failures:
        columns[field][row] = _fault(codes, program, detail, sandbox)
    return cast("list[list[Rendered]]", columns)


def _decoded(answer: bytes) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(answer)
    except RecursionError:
        raise TemplateError("runtime", "the result is nested too deeply") from None


def _varying(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], reaches: Mapping[str, Reach]
) -> bytes:
    # As arrays, since their names are the program's parameters.
    columns: list[Iterable[Any]] = []
    for name in names:
        column, reach = map(itemgetter(name), rows), reaches[name]
        columns.append((reached(value, reach) for value in column) if reach else column)
    return to_json(list(zip(*columns, strict=True)) if columns else [()] * len(rows))


def _payload(scope: Mapping[str, bytes], varying: bytes, *, has_gaps: bool) -> bytes:
    is_large = any(may_have_large_integers(text) for text in (varying, *scope.values()))
    fixed = b",".join(to_json(name) + b":" + text for name, text in scope.items())
    mark = LARGE_INTEGERS if is_large else b""
    gaps = b',"hasGaps":true' if has_gaps else b""
    return mark + b'{"scope":{' + fixed + b'},"rows":' + varying + gaps + b"}"


def _row(compiled: CompiledValue, fields: Sequence[Rendered]) -> Rendered:
    for value in fields:
        if isinstance(value, Fault):
            return value
    return compiled.filled(fields)


def _fault(
    codes: Sequence[Code], program: Program, detail: Mapping[str, Any], sandbox: Sandbox
) -> Fault:
    index = detail["expression"]
    code = codes[index]
    name, message = detail["name"], detail["message"]
    if name == "null" and "throw" in code.source:
        error = TemplateError("runtime", "it threw null", expression=code.source)
    elif name == "null" or (name, message) == ("InternalError", "out of memory"):
        # Null is what the engine throws where no memory is left even for an error.
        error = TemplateError(
            "memory",
            f"it needed more than {sandbox.memory_limit} MB",
            expression=code.source,
            hint="Pass it less data, or raise the limit: %config Sandbox.memory_limit = …",
        )
    else:
        hint = _BIGINT_HINT if "BigInt" in message else None
        error = TemplateError("runtime", f"{name}: {message}", expression=code.source, hint=hint)
    member = _member_at(code.source, message)
    first_line = program.first_lines[index]
    place = _thrown_at(code.source, first_line, detail["stack"]) if member is None else member
    return Fault(code, error, place)


def _member_at(source: str, message: str) -> int | None:
    """Where the member is read that a message names, if it is read only once.

    One of the engines tells only the function in which that happens.
    """
    match = _MEMBER.match(message)
    if match is None:
        return None
    found = list(re.finditer(rf"\??\.\s*{re.escape(match[1])}(?![\w$])", source))
    return found[0].start() if len(found) == 1 else None


def _thrown_at(source: str, first_line: int, stack: str) -> int:
    """The offset that the innermost of the code's own frames names."""
    for name, line, column in _FRAME.findall(stack):
        if name in ("renderText", "renderExact"):
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
        is_whole = is_complete(code.source, is_body=code.is_body)
        if report is not None and (is_whole or report.code == "syntax"):
            faults.append(_syntax_fault(code, report))
        elif not is_whole:
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
    word, hint = code.source.strip(), None
    if word in RESERVED_WORDS:
        message = f"{word!r} is a word of JavaScript"
        hint = f"What has this name is reached through what holds it, as in row.{word}."
    error = TemplateError(report.code, message, expression=code.source, hint=hint)
    return Fault(code, error, offset)


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
    from .template import compile_template

    return compile_template(template).render(scope)


__all__ = [
    "CompiledValue",
    "Fault",
    "check_syntax",
    "render",
    "render_fields",
    "render_rows",
    "to_json",
]
