"""Turns pydantic's findings into problems with a path, a position and a suggestion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..hints import did_you_mean
from .source import Path, Source

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_CODES = {"missing": "missing", "extra_forbidden": "unknown_key"}


def from_pydantic(
    error: ValidationError, model: type[BaseModel], source: Source, base: Path = ()
) -> list[Problem]:
    """One problem for each finding.

    Parameters
    ----------
    error : ValidationError
        What validating ``model`` raised.
    model : type
        For the names that could have been meant.
    source : Source
        For positions.
    base : tuple, optional
        The path of the validated value in ``source``.
    """
    problems: dict[Path, Problem] = {}
    for finding in error.errors(include_url=False, include_context=True):
        inner = _path(finding["loc"], source.data, base)
        path = (*base, *inner)
        kind = finding["type"]
        name = str(path[-1]) if path else "the flow"
        code = _CODES.get(kind, "bad_value")
        hint = None
        if kind == "missing":
            message = f"{name!r} is missing{_inside(path[:-1])}."
            path, hint = path[:-1], None
        elif kind == "extra_forbidden":
            message = f"There is no key {name!r}{_inside(path[:-1])}."
            hint = did_you_mean(name, _keys(model, inner[:-1]))
            if " " in name:
                hint = "Inside { } a comma ends a value: put a value that holds one in quotes."
        else:
            message = f"{name!r} is not right: {_reason(finding)}."
        # A union reports each of its members: the first is the one meant.
        problems.setdefault(
            (*path, kind), Problem(code, message, path, source.position(path), hint)
        )
    return list(problems.values())


def _path(location: Sequence[str | int], data: Any, base: Path) -> Path:
    """The finding's location without pydantic's own markers (union members, validators)."""
    for step in base:
        data = data.get(step) if isinstance(data, dict) else None
    path: list[str | int] = []
    for index, step in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(data, dict) and (step in data or is_last):
            path.append(step)
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            path.append(step)
            data = data[step]
    return tuple(path)


def _reason(finding: Any) -> str:
    text = str(finding["msg"]).removeprefix("Value error, ").partition(" or instance of ")[0]
    for old, new in (
        ("Dictionary", "it"), ("Input", "it"), ("String", "it"), ("List", "it"),
        ("dictionary", "mapping (name: value)"), ("string", "text"),
        (" after validation", ""), ("should be a valid", "should be a"),
    ):  # fmt: skip
        text = text.replace(old, new)
    return text


def _inside(path: Path) -> str:
    shown = [str(step) for step in path if step != "nodes"]
    return f" in {'.'.join(shown)}" if shown else ""


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that a model has at a path, through mappings of models and optional models."""
    current: Any = model
    for step in path:
        fields = getattr(current, "model_fields", None)
        if fields is None:
            return []
        match = [f for name, f in fields.items() if step in (name, f.alias)]
        if match:
            current = _model_in(match[0].annotation) or match[0].annotation
        elif not any(_model_in(f.annotation) is current for f in fields.values()):
            continue  # a node's own name, between `nodes` and the node's keys
    fields = getattr(current, "model_fields", {})
    return [f.alias or name for name, f in fields.items()]


def _model_in(annotation: Any) -> Any:
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if found := _model_in(argument):
            return found
    return None
