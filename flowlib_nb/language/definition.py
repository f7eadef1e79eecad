"""YAML text to a flow definition."""

from __future__ import annotations

import keyword
import re

from pydantic import ValidationError

from ..errors import FlowValidationError, Problem
from ..models.flow import FlowDefinition
from ..templates.names import HELPERS, JAVASCRIPT_GLOBALS, RESERVED_WORDS
from .problems import from_pydantic
from .source import Path, Source, read

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# What a template sees besides nodes; a node of that name would hide it, or be hidden.
SCOPE_NAMES = frozenset({"inputs", "previous_nodes", "_item"})


def parse(text: str, *, first_line: int = 1) -> tuple[FlowDefinition, Source]:
    """Read a flow.

    Parameters
    ----------
    text : str
        YAML 1.2.
    first_line : int, optional
        The line of the cell or file on which ``text`` begins.

    Returns
    -------
    FlowDefinition, Source
        The definition, and where each part of it stands.

    Raises
    ------
    FlowValidationError
        With all problems of form: syntax, keys, types, names.
    """
    source = read(text, first_line=first_line)
    if not isinstance(source.data, dict):
        message = "A flow is a mapping with the keys inputs, nodes and output."
        hint = "Begin with:\nnodes:\n  hello:\n    uses: js\n    with: {code: 1 + 1}"
        raise FlowValidationError(
            [Problem("flow_form", message, (), source.position(()), hint)]
        )
    problems = _bad_names(source)
    try:
        definition = FlowDefinition.model_validate(source.data)
    except ValidationError as error:
        problems += from_pydantic(error, FlowDefinition, source)
    if problems:
        raise FlowValidationError(in_order(problems))
    return definition, source


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
            hint = None if not keyword.iskeyword(name) else "Choose another name."
            problems.append(Problem("bad_name", message, path, source.position(path), hint))

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
