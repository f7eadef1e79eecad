"""What there is to know about actions, read off their classes and parameter models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from ..errors import InputError
from ..hints import did_you_mean
from ..models.catalogue import ActionInfo, ParameterInfo
from .actions import Action, actions
from .schema import Schema, description_of, parameters_schema

_ALL = "`flowlib actions`, in a notebook `%flow_actions`, lists all."
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "mapping",
}


def catalogue() -> list[ActionInfo]:
    """All actions that are known now, by name."""
    return [_info(action) for _, action in sorted(actions().items())]


def action_info(name: str) -> ActionInfo:
    """One action.

    Parameters
    ----------
    name : str
        What ``uses:`` says.

    Raises
    ------
    InputError
        There is none of that name.
    """
    known = actions()
    if name not in known:
        message = f"There is no action {name!r}."
        raise InputError(message, hint=did_you_mean(name, known) or _ALL)
    return _info(known[name])


def _info(action: Action) -> ActionInfo:
    schema = parameters_schema(action)
    return ActionInfo(
        action.name,
        action.summary,
        description_of(action),
        action.credential,
        type(action).branches is not Action.branches,
        action.branches({}),
        tuple(_parameters(schema, schema.get("$defs", {}))),
        _example(action.name),
    )


def _example(name: str) -> str:
    place = files(__package__) / "examples" / f"{name}.yaml"
    return place.read_text(encoding="utf-8") if place.is_file() else ""


def _parameters(
    schema: Schema, definitions: dict[str, Schema], inside: tuple[str, ...] = ()
) -> Iterator[ParameterInfo]:
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        models = [way["$ref"] for way in _ways(part) if "$ref" in way]
        model = models[0].rpartition("/")[2] if len(models) == 1 else ""
        # A model may hold one of its own kind.
        resolved = definitions[model] if model and model not in inside else {}
        nested = tuple(_parameters(resolved, definitions, (*inside, model)))
        yield ParameterInfo(
            name,
            _type(part, definitions),
            name in required,
            None if nested or name in required else part.get("default", _empty(part)),
            part.get("description", ""),
            tuple(_choices(part, definitions)),
            nested,
        )


def _empty(schema: Schema) -> Any:
    """What a parameter that need not be given is without a default of its own."""
    return {"array": [], "object": {}}.get(str(schema.get("type")))


def _ways(schema: Schema) -> list[Schema]:
    ways: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return [way for way in ways if way.get("type") != "null"]


def _choices(schema: Schema, definitions: dict[str, Schema]) -> list[Any]:
    ways = [_resolved(way, definitions) for way in _ways(schema)]
    if all("enum" in way or "const" in way for way in ways):
        return [value for way in ways for value in way.get("enum", [way.get("const")])]
    return []


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    return definitions[reference.rpartition("/")[2]] if reference else schema


def _type(schema: Schema, definitions: dict[str, Schema]) -> str:
    """A type in words."""
    if choices := _choices(schema, definitions):
        return f"one of {', '.join(_shown(value) for value in choices)}"
    words = list(dict.fromkeys(_word(way, definitions) for way in _ways(schema)))
    if "number" in words and "whole number" in words:
        words.remove("whole number")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _word(schema: Schema, definitions: dict[str, Schema]) -> str:
    if "$ref" in schema:
        schema = _resolved(schema, definitions)
        return _WORDS.get(str(schema.get("type")), "any value")
    word = _WORDS.get(str(schema.get("type")), "any value")
    inner = schema.get("items", schema.get("additionalProperties"))
    if isinstance(inner, dict) and inner:
        of = _type(inner, definitions)
        word += f" of ({of})" if " or " in of or "," in of else f" of {of}"
    return word + _bounds(schema)


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low:,} to {high:,}"
    parts = {
        "at least": low, "at most": high, "above": schema.get("exclusiveMinimum"),
        "below": schema.get("exclusiveMaximum"),
    }  # fmt: skip
    return "".join(f", {word} {bound:,}" for word, bound in parts.items() if bound is not None)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
