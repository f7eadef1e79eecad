"""The notebook's variables, and the inputs of a run."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from ..errors import FlowValidationError, Problem
from ..hints import did_you_mean
from .plan import Plan

_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)


def notebook_namespace() -> Mapping[str, Any]:
    """The variables of the notebook, or of the script's main module.

    Returns
    -------
    mapping
        Live: later assignments show.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        user: Mapping[str, Any] = shell.user_ns
        return user
    return vars(sys.modules["__main__"])


def resolve_inputs(
    plan: Plan, given: Mapping[str, Any], namespace: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of a run's inputs: those given, else the flow's own.

    Parameters
    ----------
    plan : Plan
        Its ``inputs:`` may name variables as ``$name``, at any depth; ``$$name`` is the text
        ``$name``.
    given : mapping
        Values for this run.
    namespace : mapping
        Where variables are looked up.

    Raises
    ------
    FlowValidationError
        A variable does not exist, or the flow knows no input of a given name.
    """
    problems: list[Problem] = []
    declared = plan.definition.inputs
    values: dict[str, Any] = {}
    for name, value in declared.items():
        if name not in given:
            values[name] = _resolved(value, plan, ("inputs", name), namespace, problems)
    used = {
        use.member
        for step in plan.steps.values()
        for _, code in step.codes()
        for use in code.uses
        if use.name == "inputs"
    }
    nodes = {
        str(step.definition.with_.get("name") or step.name)
        for step in plan.steps.values()
        if step.definition.uses == "input"
    }
    known = {*declared, *nodes, *(name for name in used if name)}
    for name in given:
        if name not in known and None not in used:
            hint = did_you_mean(name, known)
            problems.append(
                Problem("unknown_input", f"The flow has no input {name!r}.", (), None, hint)
            )
    if problems:
        raise FlowValidationError(problems)
    return {**values, **given}


def _resolved(
    value: Any,
    plan: Plan,
    path: tuple[str | int, ...],
    namespace: Mapping[str, Any],
    problems: list[Problem],
) -> Any:
    if isinstance(value, dict):
        return {k: _resolved(v, plan, (*path, k), namespace, problems) for k, v in value.items()}
    if isinstance(value, list):
        return [_resolved(v, plan, (*path, i), namespace, problems) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    if value.startswith("$$"):
        return value[1:]
    match = _VARIABLE.fullmatch(value)
    if match is None:
        return value
    if match[1] not in namespace:
        known = [name for name in namespace if not name.startswith("_")]
        close = did_you_mean(match[1], known) or ""
        hint = close if close.startswith("Did") else "Run the cell that sets it first."
        message = f"There is no variable {match[1]!r} in the notebook."
        position = plan.source.value_position(path)
        problems.append(Problem("unknown_variable", message, path, position, hint))
        return None
    return namespace[match[1]]
