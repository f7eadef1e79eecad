"""YAML text to a flow definition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import FlowValidationError, Problem
from ..models.flow import FlowDefinition
from ..templates.names import HELPERS, JAVASCRIPT_GLOBALS, RESERVED_WORDS
from .problems import from_pydantic
from .source import Path, Source, read

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# What a template sees besides nodes; a node of that name would hide it, or be hidden.
SCOPE_NAMES = frozenset({"inputs", "previous_nodes", "_item"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read of a flow.

    Parameters
    ----------
    definition : FlowDefinition or None
        The flow without the parts that are wrong; None where nothing sound is left.
    source : Source
        Where each part stands.
    problems : tuple of Problem
        What is wrong with its form; the rest can be checked all the same.
    """

    definition: FlowDefinition | None
    source: Source
    problems: tuple[Problem, ...] = ()


def parse(text: str, *, first_line: int = 1) -> Parsed:
    """Read a flow.

    Parameters
    ----------
    text : str
        YAML 1.2.
    first_line : int, optional
        The line of the cell or file on which ``text`` begins.

    Returns
    -------
    Parsed
        With all problems of form: syntax, keys, types, names. Never raises for the text's sake.
    """
    try:
        source = read(text, first_line=first_line)
    except FlowValidationError as error:
        return Parsed(None, Source(text, None, first_line), error.problems)
    if not isinstance(source.data, dict):
        message = "A flow is a mapping with the keys inputs, nodes and output."
        hint = "The smallest one: nodes: {hello: {uses: js, with: {code: 1 + 1}}}"
        problem = Problem("flow_form", message, (), source.position(()), hint)
        return Parsed(None, source, (problem,))
    problems = _bad_names(source)
    definition = None
    data = source.data
    # What is wrong is cut out, so that the rest is checked too; once more for defects inside.
    for _ in range(3):
        try:
            definition = FlowDefinition.model_validate(data)
            break
        except ValidationError as error:
            found = from_pydantic(error, FlowDefinition, source)
            problems += [p for p in found if p not in problems]
            data = _without(data, [problem.path for problem in found])
    return Parsed(definition, source, tuple(problems))


def _without(data: Any, paths: list[Path]) -> Any:
    if () in paths:
        return None
    if not isinstance(data, dict):
        return data
    return {
        key: _without(value, [path[1:] for path in paths if path[0] == key])
        for key, value in data.items()
        if (key,) not in paths
    }


def in_order(problems: list[Problem]) -> list[Problem]:
    """Problems as they stand in the text."""
    return sorted(problems, key=lambda p: (p.line or 0, p.column or 0))


def name_problem(name: str) -> str | None:
    """Why a node, an input of templates or an item cannot have this name; None where it can."""
    if not _NAME.fullmatch(name):
        return "must be a word of letters, digits and _, so that templates can use it"
    if name in RESERVED_WORDS:
        return "is a word of JavaScript"
    if name in JAVASCRIPT_GLOBALS or name in HELPERS or name in SCOPE_NAMES:
        return "is the name of something else in templates"
    return None


def _bad_names(source: Source) -> list[Problem]:
    problems: list[Problem] = []

    def check(kind: str, name: object, path: Path) -> None:
        if isinstance(name, str) and (reason := name_problem(name)):
            message = f"{kind} {name!r} {reason}."
            problems.append(Problem("bad_name", message, path, source.position(path)))

    nodes = source.data.get("nodes")
    if not isinstance(nodes, dict):
        return problems
    for name, node in nodes.items():
        check("The node name", name, ("nodes", name))
        each = node.get("each") if isinstance(node, dict) else None
        if isinstance(each, dict) and "as" in each:
            path: Path = ("nodes", name, "each", "as")
            check("The item name", each["as"], path)
            if each["as"] in nodes:
                message = f"The item name {each['as']!r} would hide the node of that name."
                problems.append(Problem("bad_name", message, path, source.position(path)))
    return problems
