"""Flows of the original Flowlib, converted to this flow language.

What differs on purpose, and is not noted for each node: values keep their types between nodes,
where the original made text of numbers and booleans; an expression that fails fails its node, where
the original went on with null, false or the template's own text; a failing iteration fails its
node. Where nodes stand in the editor is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .definition import name_problem
from .original_actions import Body, Conversion, convert_action
from .original_code import script
from .original_form import Edge, Graph, OriginalNode, read_original
from .original_scope import ROUTING, Names, Scope
from .source import Path
from .writing import write

_BRANCHES: Mapping[str, bool] = {
    "true_output": True, "true": True, "yes": True, "then": True,
    "false_output": False, "false": False, "no": False, "else": False,
}  # fmt: skip
_PLAIN_HANDLES = frozenset({"output", "source", "default", "right", "bottom"})
_IN_PLACE = frozenset({"js", "template", "output", "if", "switch", "input"})
_CONCURRENCY = 5


@dataclass(frozen=True, slots=True)
class Note:
    """Something of a flow that could not be converted as it was.

    Parameters
    ----------
    node : str or None
        The node's name here; None for the flow itself.
    message : str
        What is different.
    hint : str, optional
        What to do about it.
    """

    node: str | None
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        who = f"The node {self.node!r}" if self.node else "The flow"
        return f"{who} {self.message}." + (f" {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class ConvertedFlow:
    """A flow of the original in this flow language.

    Parameters
    ----------
    text : str
        YAML.
    notes : tuple of Note
        What to look at before running it; nothing is left out without one.
    """

    text: str
    notes: tuple[Note, ...] = ()


def from_original(definition: Mapping[str, Any] | str) -> ConvertedFlow:
    """Convert a flow of the original Flowlib.

    Parameters
    ----------
    definition : mapping or str
        Its JSON: ``nodes`` and ``edges``, bare or inside a stored version.

    Returns
    -------
    ConvertedFlow
        Edges have become ``needs:``, handles of routing nodes branches, reference ids node names,
        mappers ``each:``. An action that there is not here calls a function of the notebook.

    Raises
    ------
    InputError
        It is not JSON.
    FlowValidationError
        It is no definition; the problems name the paths.

    Examples
    --------
    >>> nodes = [{"id": "n1", "type": "core.input", "referenceId": "city", "params": {}}]
    >>> print(from_original({"nodes": nodes, "edges": []}).text)
    inputs: {input: ""}
    nodes:
      city:
        uses: input
        with: {name: input}
    <BLANKLINE>
    """
    return _Converter(read_original(definition)).flow()


@dataclass(slots=True)
class _Converter:
    graph: Graph
    names: Names = field(init=False)
    inputs: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Body] = field(default_factory=dict)
    comments: dict[Path, str] = field(default_factory=dict)
    notes: dict[Note, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = Names(self.graph)

    def flow(self) -> ConvertedFlow:
        for node in self.graph.nodes.values():
            self._node(node)
        output = self._output()
        head = {"name": self.graph.name} if self.graph.name else {}
        inputs = {"inputs": self.inputs} if self.inputs else {}
        if self.graph.description:
            self.comments[()] = self.graph.description
        data = {**head, **inputs, "nodes": self.nodes, **output}
        return ConvertedFlow(write(data, comments=self.comments), tuple(self.notes))

    def _node(self, node: OriginalNode) -> None:
        name = self.names.of[node.id]
        report = self._reporter(name)
        for key in node.others:
            report(f"has {key!r}, which is left out: nothing here does that", None)
        if node.label and node.label != name:
            self.comments["nodes", name] = node.label
        if name != node.slug and name_problem(node.slug) is None:
            report(f"shares the name {node.slug!r} with another, and is called {name!r} now", None)
        needs = self._needs(node, report)
        mapper = self._mapper(node, report)
        if mapper is None:
            self._plain(node, name, Scope(self.graph, self.names, node, report), needs)
        elif mapper.pop("reshape"):
            self._reshaped(node, name, mapper["expression"], report, needs)
        else:
            self._iterated(node, name, mapper, report, needs)

    def _plain(self, node: OriginalNode, name: str, scope: Scope, needs: _Needs) -> None:
        body = convert_action(Conversion(node, name, scope, self.names, self.inputs))
        self._add(name, body, _unless_said(needs, scope.used))

    def _reshaped(
        self, node: OriginalNode, name: str, expression: str, report: _Report, needs: _Needs
    ) -> None:
        """A node whose code sees what another expression makes of the nodes before it."""
        data = self.names.fresh(f"{name}_data")
        scope = Scope(self.graph, self.names, node, report)
        maker = Conversion(node, data, scope, self.names, self.inputs)
        made = maker.script(expression, "mapper")
        code = made.source if made.gives_object() else _AS_OBJECT.format(made.expression())
        self._add(data, {"uses": "js", "with": {"code": code}}, _unless_said(needs, scope.used))
        inner = Scope(self.graph, self.names, node, report, data=data)
        body = convert_action(Conversion(node, name, inner, self.names, self.inputs))
        self._add(name, body, {} if inner.used == {data} else {data: None})

    def _iterated(
        self, node: OriginalNode, name: str, mapper: Body, report: _Report, needs: _Needs
    ) -> None:
        item = "item" if "item" not in self.names.of.values() else self.names.fresh("item")
        over = Scope(self.graph, self.names, node, report)
        each: Body = {"over": Conversion(node, name, over, self.names, self.inputs).template(
            mapper["expression"], "mapper")}  # fmt: skip
        if item != "item":
            each["as"] = item
        scope = Scope(self.graph, self.names, node, report, item=item)
        body = convert_action(Conversion(node, name, scope, self.names, self.inputs))
        if body["uses"] not in _IN_PLACE and mapper["concurrency"] != _CONCURRENCY:
            each["concurrency"] = mapper["concurrency"]
        joined = _joining(mapper)
        if joined is None and mapper["collect"] != "array":
            each["collect"] = mapper["collect"]
        if mapper["on_empty"] == "error":
            each["on_empty"] = "fail"
        body = {"uses": body.pop("uses"), "each": each, **body}
        used = over.used | scope.used
        if joined is None:
            self._add(name, body, _unless_said(needs, used))
            return
        items = self.names.fresh(f"{name}_items")
        self._add(items, body, _unless_said(needs, used))
        self._add(name, {"uses": "js", "with": {"code": joined.format(items)}}, {})

    def _add(self, name: str, body: Body, needs: _Needs) -> None:
        written: Any = needs
        if needs and all(branch is None for branch in needs.values()):
            written = list(needs)
        self.nodes[name] = {
            "uses": body.pop("uses"),
            **({"needs": written} if needs else {}),
            **body,
        }

    def _needs(self, node: OriginalNode, report: _Report) -> _Needs:
        found: dict[str, list[Any]] = {}
        for edge in self.graph.edges:
            if edge.target == node.id:
                branches = found.setdefault(self.names.of[edge.source], [])
                branch = self._branch(edge, report)
                if branch not in branches:
                    branches.append(branch)
        # An edge without a branch leads on whatever the node does.
        return {
            name: None if None in branches else branches[0] if len(branches) == 1 else branches
            for name, branches in found.items()
        }

    def _branch(self, edge: Edge, report: _Report) -> Any:
        source = self.graph.nodes[edge.source]
        handle = edge.handle
        if handle is None or (source.kind not in ROUTING and handle in _PLAIN_HANDLES):
            return None
        if source.kind == "switch":
            known = {case_name(c, i) for i, c in enumerate(_cases(source))} | {"default"}
            if handle in known:
                return handle
        elif source.kind in ROUTING and handle.lower() in _BRANCHES:
            return _BRANCHES[handle.lower()]
        report(
            f"hangs on the output {handle!r} of {self.names.of[source.id]!r}, which there is not "
            "here; it runs behind that node in any case",
            "Name a branch under needs:, if one is meant.",
        )
        return None

    def _mapper(self, node: OriginalNode, report: _Report) -> Body | None:
        mapper = node.mapper
        if not mapper or not str(mapper.get("expression") or "").strip():
            return None
        if not mapper.get("enabled", True):
            report("has a mapper that is switched off; it is left out", None)
            return None
        if node.kind in ROUTING or node.kind == "input":
            report("has a mapper, which a node of its kind cannot have here; it is left out",
                   "Compute what it needs in a js node before it.")  # fmt: skip
            return None
        return _settings(mapper, report)

    def _output(self) -> Body:
        outputs = [name for name, body in self.nodes.items() if body["uses"] == "output"]
        if len(outputs) < 2:
            return {}
        name = self.names.fresh("outputs")
        self.nodes[name] = {"uses": "merge", "needs": outputs, "with": {"mode": "object"}}
        self._reporter(None)(
            f"has {len(outputs)} outputs; its value is an object of those that were reached",
            f"See the node {name!r}; for one of them write output: {outputs[0]}.",
        )
        return {"output": name}

    def _reporter(self, name: str | None) -> _Report:
        return lambda message, hint: self.notes.setdefault(Note(name, message, hint))


_Needs = dict[str, Any]
_Report = Callable[[str, str | None], None]
# What the original hands a node whose mapper gives something else than an object.
_AS_OBJECT = """\
const value = {}
if (value !== null && typeof value === "object" && !Array.isArray(value)) return value
return Array.isArray(value) ? {{items: value, item: {{items: value}}}} : {{item: value}}"""


def case_name(case: Any, index: int) -> str:
    """What the branch of a switch's case is called."""
    return str(case.get("slug") or f"case_{index}") if isinstance(case, Mapping) else ""


def _cases(node: OriginalNode) -> Iterable[Any]:
    cases = node.params.get("cases")
    return cases if isinstance(cases, list) else ()


def _unless_said(needs: _Needs, used: set[str]) -> _Needs:
    """``needs:``, unless the references in the node say just the same."""
    plain = all(branch is None for branch in needs.values())
    return {} if plain and used == needs.keys() else needs


def _settings(mapper: Mapping[str, Any], report: _Report) -> Body:
    def choice(key: str, known: tuple[str, ...]) -> str:
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in key)
        value = mapper.get(key, mapper.get(snake, known[0]))
        if value in known:
            return str(value)
        report(f"has a mapper whose {key} is unknown; {known[0]!r} is taken", None)
        return known[0]

    expression = str(mapper["expression"])
    mode = choice("mode", ("auto", "iterate", "reshape"))
    read = script(expression)
    reshape = mode == "reshape" or (mode == "auto" and read is not None and read.gives_object())
    if mode == "auto" and not reshape:
        report(
            "iterates over what its mapper gives, which must be a list here",
            "Where it gives one object, compute that in a js node instead of each:.",
        )
    concurrency = mapper.get("concurrency", 1)
    if not isinstance(concurrency, int) or isinstance(concurrency, bool):
        concurrency = 1
    return {
        "expression": expression,
        "reshape": reshape,
        "collect": choice("outputMode", ("array", "object", "first", "last", "concat")),
        "key": str(mapper.get("keyField") or mapper.get("key_field") or "id"),
        "concurrency": min(max(concurrency, 1), 100),
        "on_empty": choice("onEmpty", ("skip", "error")),
    }


def _joining(mapper: Body) -> str | None:
    """Code that makes of the items' values what the original makes, where ``each`` has another."""
    if mapper["collect"] == "concat":
        return '{0}.map(value => String(value ?? "")).join("")'
    if mapper["collect"] != "object":
        return None
    key = json.dumps(mapper["key"]).replace("{", "{{").replace("}", "}}")
    return (
        "Object.fromEntries({0}.filter(value => value?.[" + key + "] != null)"
        ".map(value => [String(value[" + key + "]), value]))"
    )
