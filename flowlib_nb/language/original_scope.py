"""What names in the original's code stand for, and what they are called here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..templates.names import JAVASCRIPT_GLOBALS, Use
from .definition import name_problem
from .original_code import Replacement
from .original_form import Graph, OriginalNode

ROUTING = frozenset({"if_else", "if", "switch"})
HTTP = frozenset({"http.request", "http_request"})
SQL = frozenset({"postgres.execute_query", "mysql.execute_query", "sql_query", "sql.query"})

Step = str | int
Report = Callable[[str, str | None], None]


class Names:
    """The names of a flow's nodes here: valid and each used once.

    Parameters
    ----------
    graph : Graph
        The flow.
    """

    def __init__(self, graph: Graph) -> None:
        # A node whose reference id can stay as it is keeps it, whatever others are made into.
        self._taken = {n.slug for n in graph.nodes.values() if name_problem(n.slug) is None}
        self.of: dict[str, str] = {}
        kept: set[str] = set()
        for node in graph.nodes.values():
            if node.slug in self._taken and node.slug not in kept:
                kept.add(node.slug)
                self.of[node.id] = node.slug
            else:
                self.of[node.id] = self.fresh(node.slug)

    def fresh(self, wanted: str) -> str:
        """A name like the one that is wanted, which no other node has."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        if not base.strip("_") or base[0].isdigit():
            base = f"node_{base}".rstrip("_")
        if name_problem(base):
            base = f"{base}_node"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name


@dataclass(slots=True)
class Scope:
    """The names that one node's code sees in the original.

    Parameters
    ----------
    graph : Graph
        The flow.
    names : Names
        Its nodes' names here.
    node : OriginalNode
        Whose code it is.
    report : callable
        Takes what cannot be converted, and what to do about it.
    item : str or None
        The item's name here, where the node iterates: names that are no node's are its members.
    data : str or None
        The node here that holds the mapped data, where a mapper gives the node its own scope.
    has_inputs : bool
        Whether ``flow`` and ``global`` are known, as in text templates.
    used : set of str
        Nodes (by their names here) that the code turned out to refer to.
    """

    graph: Graph
    names: Names
    node: OriginalNode
    report: Report
    item: str | None = None
    data: str | None = None
    has_inputs: bool = False
    used: set[str] = field(default_factory=set)

    def resolve(self, use: Use) -> Replacement | None:
        """What a use of an outer name becomes."""
        name, way = use.name, use.way
        parents = self._parents(self.node)
        if self.has_inputs and name in ("flow", "global") and name not in parents:
            return self._of_run(name)
        if self.data is not None:
            return self._in_data(name)
        if name in ("$input", "ctx") and name not in parents:
            return self._in_context(self.node, way)
        if name == "previous_nodes":
            return self._in_ancestors(self.node, way)
        if name in parents:
            return self._value(parents[name], way, 0)
        if name in JAVASCRIPT_GLOBALS:
            return None
        if self.item is not None:
            return self._in_item(name, way)
        return self._elsewhere(name, way)

    def wholes(self) -> list[str]:
        """The names that stand for the node's whole scope, or for all that lies before it."""
        names = ("$input", "ctx", "previous_nodes")
        return [name for name in names if name not in self._parents(self.node)]

    def whole(self, name: str) -> str:
        """What one of :meth:`wholes` stands for."""
        replacement = self.resolve(Use(name, 0))
        return name if replacement is None else replacement.text

    def context(self, node: OriginalNode) -> str:
        """A node's whole scope as an object with the original's keys."""
        members = self._members(self._parents(node))
        if others := self._members(self._ancestors(node)):
            members.append(f"previous_nodes: {{{', '.join(others)}}}")
        return f"({{{', '.join(members)}}})"

    def _members(self, nodes: Mapping[str, OriginalNode]) -> list[str]:
        return [f"{_key(slug)}: {self._value(node, (), 0).text}" for slug, node in nodes.items()]

    def _parents(self, node: OriginalNode) -> dict[str, OriginalNode]:
        nodes = (self.graph.nodes[one] for one in self.graph.parents[node.id])
        return {one.slug: one for one in nodes}

    def _ancestors(self, node: OriginalNode) -> dict[str, OriginalNode]:
        nodes = (self.graph.nodes[one] for one in self.graph.ancestors(node.id))
        return {one.slug: one for one in nodes}

    def _in_context(
        self, node: OriginalNode, way: tuple[Step, ...], passed: int = 0
    ) -> Replacement:
        """What a way into a node's whole scope leads to; ``passed`` members lie behind."""
        parents = self._parents(node)
        first = way[0] if way else None
        if isinstance(first, str) and first in parents:
            return self._value(parents[first], way[1:], passed + 1)
        if first == "previous_nodes":
            return self._in_ancestors(node, way[1:], passed + 1)
        whole = self.context(node)
        if self.item is not None and node is self.node:
            own = f"{self.item}: {self.item}, ...{self.item}, _item: _item"
            whole = f"({{{', '.join([*self._members(parents), own])}}})"
        return Replacement(whole, passed)

    def _in_ancestors(
        self, node: OriginalNode, way: tuple[Step, ...], passed: int = 0
    ) -> Replacement:
        ancestors = self._ancestors(node)
        if way and isinstance(way[0], str) and way[0] in ancestors:
            return self._value(ancestors[way[0]], way[1:], passed + 1)
        if way and isinstance(way[0], str):
            self.report(f"refers to previous_nodes.{way[0]}, which does not lead to it", None)
        return Replacement(f"({{{', '.join(self._members(ancestors))}}})", passed)

    def _value(self, node: OriginalNode, way: tuple[Step, ...], passed: int) -> Replacement:
        """A node's value, or what a way into it leads to, where the two languages differ."""
        if node.kind in ROUTING:
            # In the original a routing node hands on what it was given; here it gives its branch.
            if way[:1] == ("value",) and "value" not in self._parents(node):
                way, passed = way[1:], passed + 1
            return self._in_context(node, way, passed)
        name = self.names.of[node.id]
        self.used.add(name)
        if node.kind in HTTP:
            return self._of_response(node, name, way, passed)
        if node.kind in SQL:
            return self._of_rows(node, name, way, passed)
        return Replacement(name, passed)

    def _of_response(
        self, node: OriginalNode, name: str, way: tuple[Step, ...], passed: int
    ) -> Replacement:
        first = way[0] if way and not _iterates(node) else None
        if first == "data":
            return Replacement(f"{name}.body", passed + 1)
        if first == "ok":
            return Replacement(f"({name}.status < 400)", passed + 1)
        if first not in ("status", "headers"):
            self.report(
                f"uses the whole response of {name!r}, which has `body` where the original has "
                "`data`, and no `ok`",
                "Where the code reads .data, write .body; for .ok, write .status < 400.",
            )
        return Replacement(name, passed)

    def _of_rows(
        self, node: OriginalNode, name: str, way: tuple[Step, ...], passed: int
    ) -> Replacement:
        first = way[0] if way and not _iterates(node) else None
        if first == "data":
            return Replacement(name, passed + 1)
        if first == "rowCount":
            return Replacement(f"{name}.length", passed + 1)
        self.report(
            f"uses the whole result of {name!r}, which is the list of rows itself here",
            "Where the code reads .data, leave that out; for .columns, Object.keys(rows[0]).",
        )
        return Replacement(name, passed)

    def _of_run(self, name: str) -> Replacement | None:
        if name == "flow":
            return Replacement("inputs")
        self.report("refers to the original's global settings", "Make them inputs of the flow.")
        return None

    def _in_item(self, name: str, way: tuple[Step, ...]) -> Replacement | None:
        if name == "_item":
            return Replacement("(_item.index + 1)", 1) if way[:1] == ("iteration",) else None
        return Replacement(self.item or "" if name == "item" else f"{self.item}.{name}")

    def _in_data(self, name: str) -> Replacement | None:
        if name in JAVASCRIPT_GLOBALS:
            return None
        assert self.data is not None
        self.used.add(self.data)
        return Replacement(self.data if name in ("$input", "ctx") else f"{self.data}.{name}")

    def _elsewhere(self, name: str, way: tuple[Step, ...]) -> Replacement | None:
        """A name that the original would not find."""
        found = [node for node in self.graph.nodes.values() if node.slug == name]
        reaches = {*self.graph.parents[self.node.id], *self.graph.ancestors(self.node.id)}
        if found and found[0].id in reaches:
            return self._value(found[0], way, 0)
        self.report(
            f"refers to {name!r}, which is no node that leads to it",
            "Name a node that does, or declare it under inputs: and write inputs." + name + ".",
        )
        return None


def _iterates(node: OriginalNode) -> bool:
    mapper = node.mapper or {"enabled": False}
    return bool(mapper.get("enabled", True)) and mapper.get("mode") != "reshape"


def _key(slug: str) -> str:
    return slug if re.fullmatch(r"[A-Za-z_$][\w$]*", slug, re.ASCII) else json.dumps(slug)
