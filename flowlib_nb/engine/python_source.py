"""A flow as Python source that builds and runs it without YAML."""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..models.flow import FlowDefinition
from .actions import actions

# The width that formatters of Python have unless told otherwise.
_WIDTH = 88
_INDENT = "    "
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_TAKEN = frozenset({"fl", "flow", "inputs", "functions", "globals", "print"})


def python_source(name: str, definition: FlowDefinition, data: Mapping[str, Any]) -> str:
    """Write a flow as Python.

    Parameters
    ----------
    name : str
        The flow's.
    definition : FlowDefinition
        The flow.
    data : mapping
        What its text says, as plain data.

    Returns
    -------
    str
        A module, or a cell: the definition as a dict and a function that runs it. The function's
        parameters are the flow's inputs, and before them, without defaults, the functions that
        ``python`` nodes call and the variables that inputs name. Where there is nothing of the
        latter, the module runs the flow by itself, too.
    """
    return _Module(name, definition, data).text()


@dataclass(frozen=True, slots=True)
class _Raw:
    """Python that stands in a literal as it is."""

    text: str


class _Module:
    def __init__(self, name: str, definition: FlowDefinition, data: Mapping[str, Any]) -> None:
        self._definition = definition
        self._data = data
        self._name = name
        self._function = identifier(name.lower(), _TAKEN)
        self._names: dict[tuple[str, str], str] = {}
        self._functions = {f: self._parameter("function", f) for f in self._called()}
        self._defaults = dict(definition.inputs)
        self._required: dict[str, str] = {}
        for value in self._defaults.values():
            for variable in _variables(value):
                self._required[variable] = self._parameter("variable", variable)
        self._inputs = {one: self._input(one) for one in self._input_names()}

    def text(self) -> str:
        constant = f"{self._function.upper()}_FLOW"
        head = f"import flowlib_nb as fl\n\n{_assignment(constant, self._flow(), '', expand=True)}"
        signature = _signature(self._function, self._parameters())
        said = f'{_INDENT}"""Run the flow and return the run."""\n'
        parts = [head, "".join([signature, said, *self._body(constant)])]
        if not (self._required or self._functions):
            call = f"print({self._function}().raise_for_status())"
            parts.append(f'if __name__ == "__main__":\n{_INDENT}{call}\n')
        return "\n\n".join(parts)

    def _flow(self) -> dict[str, Any]:
        """The definition, less the inputs' defaults, which are the function's."""
        flow = dict(self._data)
        if self._definition.inputs:
            flow["inputs"] = dict.fromkeys(self._definition.inputs)
        return flow if "name" in flow else {"name": self._name, **flow}

    def _parameters(self) -> list[str]:
        first = dict.fromkeys([*self._functions.values(), *self._required.values()])
        rest = []
        for one, parameter in self._inputs.items():
            default = self._defaults.get(one)
            if parameter in first:
                continue  # the input is the variable itself
            shown = None if isinstance(default, (dict, list)) else _given(default, self._required)
            rest.append(f"{parameter}={_inline(shown)}")
        return [*first, *rest]

    def _body(self, constant: str) -> Iterator[str]:
        for one, parameter in self._inputs.items():
            default = self._defaults.get(one)
            if isinstance(default, (dict, list)):
                yield f"{_INDENT}if {parameter} is None:\n"
                value = _given(default, self._required)
                yield _assignment(parameter, value, _INDENT * 2)
        arguments = []
        if self._inputs:
            given = {one: _Raw(parameter) for one, parameter in self._inputs.items()}
            yield _assignment("inputs", given, _INDENT)
            arguments.append("inputs")
        if self._functions:
            functions: dict[Any, Any] = {f: _Raw(p) for f, p in self._functions.items()}
            if self._sees_notebook():
                functions = {_Raw("**globals()"): None, **functions}
            yield _assignment("functions", functions, _INDENT)
            arguments.append("functions=functions")
        yield f"{_INDENT}return fl.Flow.from_dict({constant}).run({', '.join(arguments)})\n"

    def _called(self) -> Iterator[str]:
        for node in self._definition.nodes.values():
            function = node.with_.get("function")
            if node.uses == "python" and isinstance(function, str) and "{{" not in function:
                yield function

    def _sees_notebook(self) -> bool:
        """Whether nodes use variables of the notebook that are not known from the text alone."""
        for node in self._definition.nodes.values():
            function = str(node.with_.get("function", ""))
            if node.uses == "subflow" or (node.uses == "python" and "{{" in function):
                return True
            action = actions().get(node.uses)
            tables = action.references(node.with_) if action is not None else ()
            if any(table not in self._definition.nodes for table in tables):
                return True
        return False

    def _input_names(self) -> Iterable[str]:
        names = dict.fromkeys(self._definition.inputs)
        for name, node in self._definition.nodes.items():
            if node.uses == "input":
                names[str(node.with_.get("name") or name)] = None
        return names

    def _input(self, name: str) -> str:
        """The parameter for an input: of an input that is one variable, that variable."""
        default = self._defaults.get(name)
        match = _VARIABLE.fullmatch(default) if isinstance(default, str) else None
        return self._required[match[1]] if match else self._parameter("input", name)

    def _parameter(self, kind: str, name: str) -> str:
        key = (kind, name)
        if key not in self._names:
            self._names[key] = identifier(name, {*_TAKEN, self._function, *self._names.values()})
        return self._names[key]


def identifier(name: str, taken: Iterable[str]) -> str:
    """A name as a Python identifier that is not taken."""
    base = re.sub(r"\W", "_", name, flags=re.ASCII)
    base = f"flow_{base}".rstrip("_") if not base.strip("_") or base[0].isdigit() else base
    unique, number, others = base, 2, set(taken)
    while unique in others or keyword.iskeyword(unique):
        unique, number = f"{base}_{number}", number + 1
    return unique


def literal(value: Any, indent: str, before: int, after: int = 0, *, expand: bool = False) -> str:
    """A value as a Python expression, formatted.

    Parameters
    ----------
    value : object
        Of dicts, lists and scalars.
    indent : str
        Of the line on which it begins.
    before, after : int
        How many characters stand around it on its line.
    expand : bool
        Whether its members stand on lines of their own even where they would fit on one.
    """
    inline = _inline(value)
    if not expand and before + _columns(inline) + after <= _WIDTH:
        return inline
    inner = indent + _INDENT
    if isinstance(value, dict) and value:
        return _bracketed("{}", [_member(key, one, inner) for key, one in value.items()], indent)
    if isinstance(value, (list, tuple)) and value:
        items = [inner + literal(item, inner, len(inner), 1) for item in value]
        return _bracketed("[]", items, indent)
    lines = value.splitlines(keepends=True) if isinstance(value, str) else []
    if len(lines) > 1 and "".join(lines) == value:
        quoted = "\n".join(f"{inner}{_quoted(line)}" for line in lines)
        return f"(\n{quoted}\n{indent})"
    return inline


def _member(key: Any, value: Any, indent: str) -> str:
    if isinstance(key, _Raw):
        return f"{indent}{key.text}"
    head = f"{indent}{_quoted(key)}: "
    return head + literal(value, indent, _columns(head), 1)


def _bracketed(brackets: str, members: Iterable[str], indent: str) -> str:
    inside = "".join(f"{member},\n" for member in members)
    return f"{brackets[0]}\n{inside}{indent}{brackets[1]}"


def _inline(value: Any) -> str:
    if isinstance(value, _Raw):
        return value.text
    if isinstance(value, dict):
        members = [
            key.text if isinstance(key, _Raw) else f"{_quoted(key)}: {_inline(one)}"
            for key, one in value.items()
        ]
        return "{" + ", ".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return _number(value)
    return repr(value)


def _columns(text: str) -> int:
    """How wide a text is: East Asian characters take two columns, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _number(value: float) -> str:
    return repr(value).replace("e+", "e") if math.isfinite(value) else f'float("{value}")'


def _quoted(text: str) -> str:
    """A string with the quotes that need the fewer escapes, double ones for choice."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_character(char, quote) for char in text) + quote


def _character(char: str, quote: str) -> str:
    if char in (quote, "\\"):
        return f"\\{char}"
    return char if char.isprintable() else repr(char)[1:-1]


def _assignment(name: str, value: Any, indent: str, *, expand: bool = False) -> str:
    head = f"{indent}{name} = "
    return f"{head}{literal(value, indent, len(head), expand=expand)}\n"


def _signature(name: str, parameters: list[str]) -> str:
    line = f"def {name}({', '.join(parameters)}):"
    if len(line) <= _WIDTH:
        return f"{line}\n"
    return f"def {name}(\n" + "".join(f"{_INDENT}{one},\n" for one in parameters) + "):\n"


def _variables(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _variables(member)
    elif isinstance(value, list):
        for item in value:
            yield from _variables(item)
    elif isinstance(value, str) and (match := _VARIABLE.fullmatch(value)):
        yield match[1]


def _given(value: Any, variables: Mapping[str, str]) -> Any:
    """A default as the run would make it: variables by their names, ``$$`` as ``$``."""
    if isinstance(value, dict):
        return {key: _given(member, variables) for key, member in value.items()}
    if isinstance(value, list):
        return [_given(item, variables) for item in value]
    if isinstance(value, str) and value.startswith("$$"):
        return value[1:]
    if isinstance(value, str) and (match := _VARIABLE.fullmatch(value)):
        return _Raw(variables[match[1]])
    return value
