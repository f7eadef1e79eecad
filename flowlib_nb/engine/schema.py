"""The JSON Schema of the flow language, made from its models and the actions' parameters."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from ..language.definition import SCOPE_NAMES
from ..language.docstrings import read_docstring
from ..models.flow import Each, FlowDefinition, NodeDefinition, Retry
from ..templates.names import HELPERS, JAVASCRIPT_GLOBALS, RESERVED_WORDS
from .actions import Action, actions

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTIFIER = "urn:flowlib-nb:schema:flow"
_DEFS = "#/$defs/"
_TEMPLATE = {"$ref": f"{_DEFS}template"}
_NAME = {"$ref": f"{_DEFS}name"}
_BRANCH = {"type": ["boolean", "integer", "string"]}
_HAS_TEMPLATE = r"\{\{"


def flow_schema() -> Schema:
    """The schema of flows with the actions that are known now.

    Returns
    -------
    dict
        JSON Schema, draft 2020-12, the same for the same actions. Where a parameter is not text it
        may be a template as well. It holds what one value shows alone: rules between parameters,
        references and templates are :meth:`Flow.validate`'s.
    """
    known = actions()
    schema = _of_model(FlowDefinition)
    definitions: dict[str, Schema] = schema.pop("$defs")
    schema["properties"]["nodes"]["propertyNames"] = _NAME
    schema["properties"]["inputs"]["additionalProperties"] = {
        "not": {"type": "string", "pattern": _HAS_TEMPLATE}
    }
    node = definitions[NodeDefinition.__name__]
    _complete_node(node, known)
    definitions[Each.__name__]["properties"]["as"] |= _NAME
    definitions["template"] = {
        "description": "Text with JavaScript in `{{ }}`; alone, it keeps its value's type.",
        "type": "string",
        "pattern": _HAS_TEMPLATE,
    }
    definitions["name"] = _name()
    for name, action in sorted(known.items()):
        definitions |= _action_definitions(name, action)
    return {"$schema": DIALECT, "$id": IDENTIFIER, "title": "Flow", **schema, "$defs": definitions}


def flow_schema_json() -> str:
    """The schema as text, byte for byte the same for the same actions."""
    return json.dumps(flow_schema(), indent=2, sort_keys=True, ensure_ascii=False)


def parameters_schema(action: Action) -> Schema:
    """The schema of an action's parameters as they are when it runs, without templates.

    Parameters
    ----------
    action : Action
        The action.

    Returns
    -------
    dict
        JSON Schema with its own ``$defs``; what has no JSON form may be anything.
    """
    schema = _of_model(action.parameters)
    texts = read_docstring(_own_docstring(action)).parameters
    for name, part in schema.get("properties", {}).items():
        if name in texts:
            part.setdefault("description", texts[name])
    return schema


def description_of(action: Action) -> str:
    """What an action's docstring says, less its parameters."""
    return read_docstring(_own_docstring(action)).text or action.summary


def _own_docstring(action: Action) -> str | None:
    """Not that of the base class, which describes actions as such."""
    return type(action).__dict__.get("__doc__")


class _Generator(GenerateJsonSchema):
    """Without titles, which only repeat names, and without complaints about Python's own types."""

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing of defaults and choices that are left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave titles out."""
        return False

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """Take what has no JSON form for anything."""
        return {}

    def encode_default(self, dft: Any) -> Any:
        """Leave out what JSON has no number for."""
        value = super().encode_default(dft)
        return None if isinstance(value, float) and not math.isfinite(value) else value


def _of_model(model: type[BaseModel]) -> Schema:
    # The models are few and their schemas take a while; what is handed out may be changed.
    schema: Schema = json.loads(_text_of_model(model))
    return schema


@lru_cache(maxsize=256)
def _text_of_model(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    docs = {kind.__name__: _described_fields(kind) for kind in (model, *_OF_FLOWS)}
    definitions = schema.get("$defs", {})
    for name, part in ((model.__name__, schema), *definitions.items()):
        part.pop("title", None)
        if "description" in part:
            part["description"] = read_docstring(part["description"]).text
        for key, text in docs.get(name, {}).items():
            if key in part.get("properties", {}):
                part["properties"][key].setdefault("description", text)
    return json.dumps(schema)


_OF_FLOWS = (FlowDefinition, NodeDefinition, Each, Retry)


def _described_fields(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring says of each field, by the name in the text."""
    texts = read_docstring(inspect.getdoc(model)).parameters
    fields = model.model_fields.items()
    return {field.alias or name: texts[name] for name, field in fields if name in texts}


def _complete_node(node: Schema, known: Mapping[str, Action]) -> None:
    names = sorted(known)
    properties = node["properties"]
    properties["uses"] = {
        "description": properties["uses"]["description"],
        "enum": names,
        "enumDescriptions": [known[name].summary for name in names],
    }
    properties["needs"] = {
        "description": properties["needs"]["description"],
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {
                "type": "object",
                "additionalProperties": {
                    "anyOf": [{"type": "null"}, _BRANCH, {"type": "array", "items": _BRANCH}]
                },
            },
        ],
        "default": {},
    }
    node["allOf"] = [_when_used(name, known[name]) for name in names]


def _when_used(name: str, action: Action) -> Schema:
    properties: Schema = {"with": {"$ref": f"{_DEFS}{_with(name)}"}}
    must: list[str] = ["with"] if parameters_schema(action).get("required") else []
    if action.credential == "never":
        properties["credential"] = {"type": "null"}
    then: Schema = {"properties": properties} | ({"required": must} if must else {})
    return {"if": {"properties": {"uses": {"const": name}}, "required": ["uses"]}, "then": then}


def _action_definitions(name: str, action: Action) -> dict[str, Schema]:
    schema = parameters_schema(action)
    nested: dict[str, Schema] = schema.pop("$defs", {})
    prefix = _with(name)
    described = schema | {"title": f"{name}: parameters", "description": description_of(action)}
    parts = {prefix: described} | {f"{prefix}.{key}": part for key, part in nested.items()}
    return {key: _templated(part, f"{prefix}.", is_whole=True) for key, part in parts.items()}


def _with(name: str) -> str:
    return f"with.{name}"


def _templated(schema: Any, prefix: str, *, is_whole: bool = False) -> Any:
    """The schema of what is written: a template may stand for any value that is not text."""
    if not isinstance(schema, dict) or not schema:
        return schema
    result: Schema = {}
    for key, part in schema.items():
        if key in ("properties", "patternProperties"):
            result[key] = {name: _templated(inner, prefix) for name, inner in part.items()}
        elif key in ("additionalProperties", "items"):
            result[key] = _templated(part, prefix)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            result[key] = [_templated(inner, prefix, is_whole=key == "allOf") for inner in part]
        elif key == "$ref":
            result[key] = f"{_DEFS}{prefix}{part.removeprefix(_DEFS)}"
        elif key != "discriminator":  # OpenAPI's, and its references are not ours
            result[key] = part
    return result if is_whole or _takes_any_text(result) else _or_template(result)


def _or_template(schema: Schema) -> Schema:
    about = {key: schema[key] for key in ("description", "default", "examples") if key in schema}
    rest = {key: part for key, part in schema.items() if key not in about}
    ways = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    inner = [way for part in ways for way in _ways(part) if way != _TEMPLATE]
    return about | {"anyOf": [*inner, _TEMPLATE]}


def _ways(schema: Schema) -> list[Schema]:
    return schema["anyOf"] if set(schema) == {"anyOf"} else [schema]


def _takes_any_text(schema: Schema) -> bool:
    """Whether every text with a template is right already."""
    if "$ref" in schema or any(key in schema for key in ("enum", "const", "allOf", "oneOf")):
        return False
    if "anyOf" in schema:
        return any(_takes_any_text(way) for way in schema["anyOf"] if way != _TEMPLATE)
    if schema.keys() & {"maxLength", "pattern", "format"}:
        return False
    kind = schema.get("type")
    return kind is None or kind == "string" or (isinstance(kind, list) and "string" in kind)


def _name() -> Schema:
    taken = RESERVED_WORDS | JAVASCRIPT_GLOBALS | HELPERS | SCOPE_NAMES
    return {
        "description": "A word of letters, digits and _ that means nothing else in templates.",
        "type": "string",
        "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
        "not": {"enum": sorted(taken)},
    }
