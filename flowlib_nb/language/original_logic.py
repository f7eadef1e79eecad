"""JSON Logic, in which older flows of the original hold conditions, as JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_BETWEEN = {
    op: op for op in ("===", "!==", "==", "!=", "<", "<=", ">", ">=", "+", "*", "-", "/", "%")
}
_BETWEEN |= {"and": "&&", "or": "||"}
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


def javascript(rule: Any) -> str | None:
    """A JSON Logic rule as a JavaScript expression.

    Parameters
    ----------
    rule : object
        As in JSON.

    Returns
    -------
    str or None
        None where the rule uses an operation that is not known here.
    """
    if isinstance(rule, list):
        items = [javascript(item) for item in rule]
        known = [item for item in items if item is not None]
        return f"[{', '.join(known)}]" if len(known) == len(items) else None
    if not isinstance(rule, dict) or len(rule) != 1:
        return None if isinstance(rule, dict) else json.dumps(rule, ensure_ascii=False)
    ((operation, given),) = rule.items()
    given = given if isinstance(given, list) else [given]
    if operation == "var":
        return _variable(given)
    values = [javascript(value) for value in given]
    known = [value for value in values if value is not None]
    return _applied(operation, known) if len(known) == len(values) else None


def _applied(operation: str, values: Sequence[str]) -> str | None:
    if operation in ("<", "<=") and len(values) == 3:
        low, value, high = values
        return f"({low} {operation} {value} && {value} {operation} {high})"
    if operation in _BETWEEN and len(values) > 1:
        return f"({f' {_BETWEEN[operation]} '.join(values)})"
    if operation in ("-", "+", "!") and len(values) == 1:
        return f"{operation}{values[0]}"
    if operation == "!!" and len(values) == 1:
        return f"!!{values[0]}"
    if operation in ("?:", "if") and len(values) == 3:
        return f"({values[0]} ? {values[1]} : {values[2]})"
    if operation == "in" and len(values) == 2:
        return f"({values[1]} ?? []).includes({values[0]})"
    if operation in ("max", "min") and values:
        return f"Math.{operation}({', '.join(values)})"
    return f"[{', '.join(values)}].join('')" if operation == "cat" else None


def _variable(given: Sequence[Any]) -> str | None:
    if not given or not isinstance(given[0], (str, int)):
        return None
    steps = str(given[0]).split(".") if given[0] != "" else []
    if steps and not _NAME.fullmatch(steps[0]):
        steps = ["$input", *steps]
    text = steps[0] if steps else "$input"
    for step in steps[1:]:
        text += f"?.{step}" if _NAME.fullmatch(step) else f"?.[{_index(step)}]"
    default = javascript(given[1]) if len(given) > 1 else None
    return text if default is None else f"({text} ?? {default})"


def _index(step: str) -> str:
    return step if step.isdigit() else json.dumps(step)
