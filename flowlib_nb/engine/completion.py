"""What can be typed at a place in a flow: keys, values, actions, nodes, names in templates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..language.draft import Draft, Place, read_draft
from ..language.source import Path
from ..templates.names import HELPERS
from ..templates.tokenizer import CLOSE, OPEN, TemplateSyntaxError, expression_end
from .actions import actions
from .schema import Schema, flow_schema

Kind = Literal["key", "value", "action", "node", "branch", "input", "name", "credential"]

_CHAIN = re.compile(r"(?:([A-Za-z_$][\w$]*)\s*\??\.\s*)?([A-Za-z_$][\w$]*)?\Z", re.ASCII)
_WORD = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
# A table's name is expected, or the one that is being typed.
_TABLE = re.compile(r"\b(?:from|join)\s+(?:\w+\s*,\s*)*(\w*)\Z", re.IGNORECASE)
_CODE = (("js", "code"), ("sql", "query"))
_MEMBERS = {
    "_item": ("value", "index", "total", "first", "last"),
    "$run": ("id", "flow", "started_at"),
}
_SCOPE = {
    "inputs": "the run's inputs",
    "previous_nodes": "nodes further up",
    "$run": "id, flow and started_at of the run",
    "$input": "all values that the node gets",
}


@dataclass(frozen=True, slots=True)
class Completion:
    """Something that can be typed.

    Parameters
    ----------
    text : str
        What stands there afterwards, from ``start`` to the cursor.
    kind : str
        ``key`` (to be followed by a colon), ``value``, ``action``, ``node``, ``branch``,
        ``input``, ``name`` (of a template's scope) or ``credential``.
    detail : str
        One sentence about it; may be empty.
    start : int
        The column, from 1, at which what has been typed of it begins.
    """

    text: str
    kind: Kind
    detail: str = ""
    start: int = 1


def complete(
    text: str, line: int, column: int, *, credentials: Collection[str] = ()
) -> list[Completion]:
    """What can be typed at a place in a flow.

    Parameters
    ----------
    text : str
        YAML, which need not be finished.
    line, column : int
        The cursor stands before the character there. Both count from 1, as editors do; what lies
        outside the text counts as its nearest place.
    credentials : collection of str, optional
        Names that the vault holds.

    Returns
    -------
    list of Completion
        Those that begin with what has been typed, whatever its case; none where nothing is known.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    line = min(max(line, 1), len(lines))
    begin = sum(len(one) + 1 for one in lines[: line - 1])
    cursor = begin + min(max(column - 1, 0), len(lines[line - 1]))
    draft = read_draft(text, cursor)
    if draft.place is None:
        return []
    found = _Finder(draft, draft.place, credentials)
    start = cursor - len(found.typed) - begin + 1
    typed = found.typed.casefold()
    known: dict[str, Completion] = {}
    for name, kind, detail in found.all():
        if name.casefold().startswith(typed):
            known.setdefault(name, Completion(name, kind, detail, start))
    return list(known.values())


_Found = tuple[str, Kind, str]


class _Finder:
    def __init__(self, draft: Draft, place: Place, credentials: Collection[str]) -> None:
        self._draft = draft
        self._place = place
        self._credentials = credentials
        self._node = str(place.path[1]) if place.path[:1] == ("nodes",) and place.path[1:] else None
        self._code = _code_before(draft, place) if place.is_value else None
        self._chain = _CHAIN.search(self._code) if self._code is not None else None
        self._table = _TABLE.search(place.typed) if self._is_query() else None
        self.typed = self._typed()

    def _typed(self) -> str:
        """What has been typed of the word at the cursor."""
        if self._chain is not None:
            return self._chain[2] or ""
        return self._table[1] if self._table else self._place.typed

    def all(self) -> Iterator[_Found]:
        """All that could stand at the place, whatever has been typed."""
        if self._code is not None:
            yield from self._names()
        elif self._is_query():
            yield from self._nodes(self._table is not None)
        else:
            yield from self._structure()

    def _structure(self) -> Iterator[_Found]:
        path, place = self._place.path, self._place
        in_needs = path[2:3] == ("needs",)
        if in_needs and (len(path) == 3 or isinstance(path[3], int)):
            yield from self._needs()
        elif in_needs and place.is_value:
            yield from self._branches(str(path[3]))
        elif path == ("output",):
            yield from self._nodes(True)
        elif path[2:] == ("credential",) and self._node is not None:
            yield from ((name, "credential", "") for name in self._credentials)
        else:
            schemas = list(_schemas(self._draft, path))
            if place.is_key and path not in self._draft.texts:
                yield from self._keys(schemas)
            if place.is_value and not self._draft.children.get(path):
                yield from _values(schemas, "action" if path[2:] == ("uses",) else "value")

    def _keys(self, schemas: list[Schema]) -> Iterator[_Found]:
        present = {*self._draft.names(*self._place.path)} - {self._place.own}
        for schema in schemas:
            for name, part in schema.get("properties", {}).items():
                if name not in present:
                    yield name, "key", str(part.get("description", "")) if part else ""

    def _needs(self) -> Iterator[_Found]:
        path = self._place.path[:3]
        listed = [self._draft.texts.get((*path, i)) for i in self._draft.children.get(path, ())]
        present = {*self._draft.names(*path), *listed} - {self._place.own, self._place.typed}
        yield from (found for found in self._nodes(True) if found[0] not in present)

    def _branches(self, need: str) -> Iterator[_Found]:
        node = ("nodes", need)
        action = actions().get(self._draft.texts.get((*node, "uses"), ""))
        parameters = self._draft.data(*node, "with")
        if action is not None:
            for branch in action.branches(parameters if isinstance(parameters, dict) else {}):
                shown = str(branch).lower() if isinstance(branch, bool) else str(branch)
                yield shown, "branch", f"of {need}"

    def _nodes(self, is_asked: bool) -> Iterator[_Found]:
        """The nodes that the node at the cursor can refer to; all of them outside of nodes."""
        below = _below(self._draft, self._node) if self._node and is_asked else set()
        for name in self._draft.names("nodes") if is_asked else ():
            if name not in below:
                uses = self._draft.texts.get(("nodes", name, "uses"), "")
                yield name, "node", uses

    def _names(self) -> Iterator[_Found]:
        code = self._code or ""
        if self._chain is None or _is_in_string(code):
            return
        owner = self._chain[1]
        if owner is not None:
            before = code[: self._chain.start()].rstrip()
            if not before.endswith("."):
                yield from self._members(owner)
        elif not code[: len(code) - len(self.typed)].rstrip().endswith("."):
            yield from self._scope()

    def _members(self, owner: str) -> Iterator[_Found]:
        if owner == "inputs":
            names = [*self._draft.names("inputs"), *_input_nodes(self._draft)]
            yield from ((name, "input", "") for name in names)
        yield from ((name, "name", "") for name in _MEMBERS.get(owner, ()))

    def _scope(self) -> Iterator[_Found]:
        each = ("nodes", self._node or "", "each")
        if each in self._draft.children and self._place.path[2:4] != ("each", "over"):
            item = self._draft.texts.get((*each, "as"), "item")
            yield item, "name", "the item"
            yield "_item", "name", "value, index, total, first and last of the iteration"
        yield from self._nodes(True)
        yield from ((name, "name", detail) for name, detail in _SCOPE.items())
        yield from ((name, "name", "a function") for name in sorted(HELPERS))

    def _is_query(self) -> bool:
        return self._place.is_value and _is_at(self._draft, self._place.path, "sql", "query")


def _is_at(draft: Draft, path: Path, action: str, parameter: str) -> bool:
    is_parameter = path[:1] == ("nodes",) and path[2:] == ("with", parameter)
    return is_parameter and draft.texts.get((*path[:2], "uses")) == action


def _code_before(draft: Draft, place: Place) -> str | None:
    """The JavaScript between its beginning and the cursor; None where there is none."""
    path, typed = place.path, place.typed
    if path[:1] != ("nodes",) or path[2:3] not in (("with",), ("each",)):
        return None
    at = 0
    while (begin := typed.find(OPEN, at)) >= 0:
        at = begin + len(OPEN)
        try:
            at = expression_end(typed, at) + len(CLOSE)
        except TemplateSyntaxError:
            return typed[at:]
    return typed if _is_at(draft, path, "js", "code") and OPEN not in typed else None


def _is_in_string(code: str) -> bool:
    try:
        expression_end(code, 0)
    except TemplateSyntaxError as problem:
        return problem.message.startswith("a string ")
    return False


def _below(draft: Draft, node: str) -> set[str]:
    """A node and all that need it, directly or not."""
    dependants: dict[str, set[str]] = {name: set() for name in draft.names("nodes")}
    for name, need in _references(draft):
        if need in dependants:
            dependants[need].add(name)
    found = {node}
    todo = [node]
    while todo:
        more = dependants.get(todo.pop(), set()) - found
        found |= more
        todo += more
    return found


def _references(draft: Draft) -> Iterator[tuple[str, str]]:
    """Nodes with the words that may name what they need."""
    for name in draft.names("nodes"):
        yield from ((name, need) for need in draft.names("nodes", name, "needs"))
    for path, text in draft.texts.items():
        if path[:1] != ("nodes",) or len(path) < 3:
            continue
        name = str(path[1])
        if path[2] == "needs":
            yield name, text
        elif path[2] in ("with", "each"):
            is_code = any(_is_at(draft, path, *place) for place in _CODE)
            for word in _WORD.findall(text if is_code else _inside_templates(text)):
                yield name, word


def _inside_templates(text: str) -> str:
    return " ".join(part.partition(CLOSE)[0] for part in text.split(OPEN)[1:])


def _input_nodes(draft: Draft) -> Iterator[str]:
    for name in draft.names("nodes"):
        if draft.texts.get(("nodes", name, "uses")) == "input":
            yield draft.texts.get(("nodes", name, "with", "name"), name)


def _schemas(draft: Draft, path: Path) -> Iterator[Schema]:
    """The parts of the schema that speak of what is at a path."""
    root = flow_schema()
    current = [root]
    above: Path = ()
    for step in path:
        current = [
            inner
            for schema in current
            for part in _expanded(schema, root, draft, above)
            if (inner := _inner(part, step)) is not None
        ]
        above = (*above, step)
    for schema in current:
        yield from _expanded(schema, root, draft, above)


def _inner(schema: Schema, step: str | int) -> Schema | None:
    inner: Any
    if isinstance(step, int):
        inner = schema.get("items")
    else:
        inner = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    return inner if isinstance(inner, dict) else None


def _expanded(schema: Schema, root: Schema, draft: Draft, path: Path) -> Iterator[Schema]:
    """A schema and all that it refers to and that holds for what is written."""
    yield schema
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, ())]
    if "$ref" in schema:
        parts.append(root["$defs"][schema["$ref"].rpartition("/")[2]])
    if "if" in schema:
        wanted = schema["if"]["properties"]["uses"]["const"]
        if draft.texts.get((*path, "uses")) == wanted:
            parts.append(schema["then"])
    for part in parts:
        yield from _expanded(part, root, draft, path)


def _values(schemas: list[Schema], kind: Kind) -> Iterator[_Found]:
    for schema in schemas:
        values = list(schema.get("enum", ()))
        details = schema.get("enumDescriptions", [""] * len(values))
        if "const" in schema:
            values, details = [schema["const"]], [""]
        if schema.get("type") == "boolean":
            values, details = [True, False], ["", ""]
        for value, detail in zip(values, details, strict=True):
            if isinstance(value, (bool, str)):
                yield str(value).lower() if isinstance(value, bool) else value, kind, detail
