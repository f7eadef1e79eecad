"""The original Flowlib's flow definitions: JSON to a checked graph of nodes and edges.

The original has stored flows in several spellings over time; all that were seen are accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ..errors import FlowValidationError, InputError, Problem
from .source import Path
from .writing import check, shown

# Where a stored version or an exported record keeps the definition itself.
_WRAPPERS = ("flowlibDefinition", "invectDefinition", "definition", "flow", "flow_definition")
_WORDS = {
    "reference": ("referenceId", "reference_id", "refId", "slug"),
    "type": ("type", "actionId", "nodeType"),
    "params": ("params", "parameters", "config"),
    "source": ("source", "from", "sourceNodeId"),
    "target": ("target", "to", "targetNodeId"),
    "handle": ("sourceHandle", "source_handle", "handle", "branch"),
}
# How a node looks in the original's editor.
_DISPLAY = frozenset(
    """
    id label name description position positionAbsolute width height measured selected dragging
    selectable draggable deletable style className zIndex sourcePosition targetPosition data mapper
    icon metadata
    """.split()
)
_NAMED = frozenset(word for words in _WORDS.values() for word in words)


@dataclass(frozen=True, slots=True)
class OriginalNode:
    """A node of the original.

    Parameters
    ----------
    id : str
        What edges refer to.
    slug : str
        What templates refer to: its reference id, or its label in snake case.
    type : str
        Such as ``core.javascript``.
    label : str
        What the editor shows.
    params : mapping
        The action's parameters.
    mapper : mapping or None
        The data mapper, unless there is none.
    others : tuple of str
        Keys that have no meaning here.
    """

    id: str
    slug: str
    type: str
    label: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    mapper: Mapping[str, Any] | None = None
    others: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The type without what differs between the original's versions: ``if_else``."""
        return self.type.lower().removeprefix("core.").removeprefix("primitives.")


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection; ``handle`` names the branch of a routing node."""

    source: str
    target: str
    handle: str | None = None


@dataclass(frozen=True)
class Graph:
    """A flow of the original.

    Parameters
    ----------
    nodes : mapping of str to OriginalNode
        By id, each after what leads to it.
    edges : tuple of Edge
        Between nodes that exist; never in a circle.
    name, description : str or None
        Of the flow.
    """

    nodes: Mapping[str, OriginalNode]
    edges: tuple[Edge, ...]
    name: str | None = None
    description: str | None = None

    @cached_property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """For each node those with an edge to it."""
        found: dict[str, dict[str, None]] = {node: {} for node in self.nodes}
        for edge in self.edges:
            found[edge.target][edge.source] = None
        return {node: tuple(sources) for node, sources in found.items()}

    def ancestors(self, node: str) -> Iterator[str]:
        """The nodes that lead to one, but are not its parents: the original's previous_nodes."""
        seen = set(self.parents[node])
        todo = list(self.parents[node])
        while todo:
            for source in self.parents[todo.pop(0)]:
                if source not in seen:
                    seen.add(source)
                    todo.append(source)
                    yield source


def read_original(definition: Mapping[str, Any] | str) -> Graph:
    """Read a definition of the original.

    Parameters
    ----------
    definition : mapping or str
        JSON, or what it stands for.

    Raises
    ------
    InputError
        It is not JSON.
    FlowValidationError
        It is no definition; all that is wrong with its form, each with its path.
    """
    data = _loaded(definition) if isinstance(definition, str) else definition
    check(data)
    outer = data
    for wrapper in _WRAPPERS:
        if isinstance(data, Mapping) and "nodes" not in data and wrapper in data:
            data = data[wrapper]
            data = _loaded(data) if isinstance(data, str) else data
    return _Form().graph(data, outer)


def slug_of(label: str, node_id: str) -> str:
    """What the original calls a node without a reference id in templates."""
    slug = re.sub(r"[^a-z0-9]+", "_", (label.strip() or node_id).lower()).strip("_")
    return slug or re.sub(r"[^a-z0-9]+", "_", f"node_{node_id}".lower())


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"This is not JSON: {error.msg} on line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise InputError("This JSON is nested too deeply.") from None


class _Form:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def graph(self, data: Any, outer: Any) -> Graph:
        if not isinstance(data, Mapping) or "nodes" not in data:
            self._problem((), 'must be an object with "nodes" and "edges"')
            raise FlowValidationError(self.problems)
        nodes = self._nodes(data["nodes"])
        edges = tuple(self._edges(data.get("edges", []), nodes))
        if self.problems:
            raise FlowValidationError(self.problems)
        metadata = data.get("metadata")
        about = [part for part in (outer, data, metadata) if isinstance(part, Mapping)]
        return Graph(
            self._ordered(nodes, edges), edges, _text(about, "name"), _text(about, "description")
        )

    def _nodes(self, data: Any) -> dict[str, OriginalNode]:
        items: Iterable[tuple[Path, Any]]
        if isinstance(data, Mapping):
            items = [
                (("nodes", key), {"id": key, **value} if isinstance(value, Mapping) else value)
                for key, value in data.items()
            ]
        elif isinstance(data, list):
            items = [(("nodes", index), value) for index, value in enumerate(data)]
        else:
            items = []
            self._problem(("nodes",), "must be a list")
        nodes: dict[str, OriginalNode] = {}
        for path, item in items:
            node = self._node(item, path)
            if node is not None and node.id in nodes:
                self._problem((*path, "id"), f"is there twice: {node.id!r}")
            elif node is not None:
                nodes[node.id] = node
        if not items and not self.problems:
            self._problem(("nodes",), "must hold at least one node")
        return nodes

    def _node(self, item: Any, path: Path) -> OriginalNode | None:
        if not isinstance(item, Mapping):
            self._problem(path, "must be an object")
            return None
        inner = item.get("data")
        # React Flow keeps a node's own fields under `data`, and `type` for the drawing.
        fields = {**item, **inner} if isinstance(inner, Mapping) else item
        node_id = self._string(fields, ("id",), path, is_needed=True)
        kind = self._string(fields, _WORDS["type"], path, is_needed=True)
        reference = self._string(fields, _WORDS["reference"], path)
        label = self._string(fields, ("label", "name"), path)
        params = self._object(fields, _WORDS["params"], path)
        mapper = self._object(fields, ("mapper",), path)
        if mapper and not isinstance(mapper.get("expression", ""), str):
            self._problem((*path, "mapper", "expression"), "must be text")
        if node_id is None or kind is None:
            return None
        others = tuple(key for key in fields if key not in _DISPLAY and key not in _NAMED)
        slug = reference or slug_of(label or kind, node_id)
        return OriginalNode(node_id, slug, kind, label or "", params or {}, mapper, others)

    def _edges(self, data: Any, nodes: Mapping[str, OriginalNode]) -> Iterator[Edge]:
        if not isinstance(data, list):
            self._problem(("edges",), "must be a list")
            return
        by_slug = {node.slug: node.id for node in nodes.values()}
        for index, item in enumerate(data):
            path: Path = ("edges", index)
            if isinstance(item, (list, tuple)) and len(item) in (2, 3):
                item = dict(zip(("source", "target", "sourceHandle"), item, strict=False))
            if not isinstance(item, Mapping):
                self._problem(path, "must be an object with source and target")
                continue
            ends = []
            for word in ("source", "target"):
                end = self._string(item, _WORDS[word], path, is_needed=True)
                known = end if end in nodes else by_slug.get(end or "")
                if end is not None and known is None:
                    self._problem((*path, word), f"names a node that is not there: {end!r}")
                ends.append(known)
            handle = self._string(item, _WORDS["handle"], path)
            if ends[0] is not None and ends[1] is not None:
                yield Edge(ends[0], ends[1], handle or None)

    def _ordered(
        self, nodes: Mapping[str, OriginalNode], edges: tuple[Edge, ...]
    ) -> dict[str, OriginalNode]:
        graph: dict[str, list[str]] = {node: [] for node in nodes}
        for edge in edges:
            graph[edge.target].append(edge.source)
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = " → ".join(reversed(error.args[1]))
            self._problem(("edges",), f"lead in a circle: {circle}")
            raise FlowValidationError(self.problems) from None
        return {node: nodes[node] for node in order}

    def _string(
        self, item: Mapping[str, Any], words: Iterable[str], path: Path, *, is_needed: bool = False
    ) -> str | None:
        value = self._field(item, words, path, "text", is_needed=is_needed)
        return value if isinstance(value, str) else None

    def _object(
        self, item: Mapping[str, Any], words: Iterable[str], path: Path
    ) -> Mapping[str, Any] | None:
        value = self._field(item, words, path, "an object")
        return value if isinstance(value, Mapping) else None

    def _field(
        self,
        item: Mapping[str, Any],
        words: Iterable[str],
        path: Path,
        kind: str,
        *,
        is_needed: bool = False,
    ) -> Any:
        """The first of some keys that is there, if its value is of the right kind."""
        for word in words:
            value = item.get(word)
            if value is None or (is_needed and value == ""):
                continue
            if not isinstance(value, str if kind == "text" else Mapping):
                self._problem((*path, word), f"must be {kind}")
            return value
        if is_needed:
            self._problem((*path, *list(words)[:1]), "is missing")
        return None

    def _problem(self, path: Path, message: str) -> None:
        self.problems.append(Problem("original_form", f"{shown(path)} {message}.", path))


def _text(parts: Iterable[Mapping[str, Any]], key: str) -> str | None:
    return next((p[key] for p in parts if isinstance(p.get(key), str) and p[key].strip()), None)
