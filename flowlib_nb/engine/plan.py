"""A flow definition made ready to run: what each node needs, in which order, compiled templates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ..errors import InputError, Problem
from ..hints import did_you_mean
from ..language.source import Path, Source
from ..models.flow import Branch, FlowDefinition, NodeDefinition
from ..templates.compiler import Code, CompiledValue, compile_value
from ..templates.direct import references
from ..templates.names import HELPERS, JAVASCRIPT_GLOBALS
from ..templates.tokenizer import TemplateSyntaxError
from .actions import Action, actions

ITEM_INFO = "_item"
RUN, INPUT, INPUTS, PREVIOUS = "$run", "$input", "inputs", "previous_nodes"
_SCOPE = frozenset({RUN, INPUT, INPUTS, PREVIOUS})


@dataclass(frozen=True)
class Step:
    """A node, ready to run.

    Parameters
    ----------
    name : str
        The node's name.
    definition : NodeDefinition
        What the text says.
    action : Action
        What it does.
    parameters : CompiledValue
        ``with:``, compiled.
    over : CompiledValue or None
        ``each.over``, compiled.
    key : CompiledValue or None
        ``each.key``, compiled.
    needs : tuple of str
        Nodes that must be done first.
    ways : mapping of str to tuple or None
        Those of them of which one must lead to the node, each with the branches that do (None: any
        does). Without one, the node runs at the start.
    """

    name: str
    definition: NodeDefinition
    action: Action
    parameters: CompiledValue
    over: CompiledValue | None
    key: CompiledValue | None
    needs: tuple[str, ...] = ()
    ways: Mapping[str, tuple[Branch, ...] | None] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the node stands in the source."""
        return ("nodes", self.name)

    @cached_property
    def is_trivial(self) -> bool:
        """Whether it neither waits nor iterates nor needs the sandbox."""
        node = self.definition
        is_plain = self.action.is_pure and node.each is None and node.timeout is None
        return is_plain and references(self.parameters.fields) is not None

    def codes(self) -> Iterator[tuple[Path, Code]]:
        """All JavaScript of the node, each with the path of the text that holds it."""
        for code in self.parameters.codes:
            yield (*self.path, "with", *code.path), code
        for code in self.over.codes if self.over else ():
            yield (*self.path, "each", "over", *code.path), code
        for code in self.key.codes if self.key else ():
            yield (*self.path, "each", "key", *code.path), code


@dataclass(frozen=True, slots=True)
class Plan:
    """A flow, ready to run.

    Parameters
    ----------
    definition : FlowDefinition
        What the text says.
    source : Source
        Where each part of it stands.
    steps : dict of Step
        By name, each after what it needs.
    """

    definition: FlowDefinition
    source: Source
    steps: Mapping[str, Step]

    def upstream(self, node: str) -> list[str]:
        """All nodes that a node needs, directly or not, in the order of the plan.

        Parameters
        ----------
        node : str
            One of the plan's.
        """
        # Not kept with each step: of a long chain, that would take memory with its square.
        found: set[str] = set()
        todo = list(self.steps[node].needs)
        while todo:
            need = todo.pop()
            if need not in found:
                found.add(need)
                todo += self.steps[need].needs
        return [name for name in self.steps if name in found]

    def downstream(self, nodes: Collection[str]) -> set[str]:
        """All nodes that need one of some nodes, directly or not.

        Parameters
        ----------
        nodes : collection of str
            Some of the plan's.
        """
        found: set[str] = set()
        for name, step in self.steps.items():  # each after what it needs
            if any(need in found or need in nodes for need in step.needs):
                found.add(name)
        return found

    def up_to(self, node: str) -> Plan:
        """The part of the flow that a node needs, with that node as its output.

        Parameters
        ----------
        node : str
            The node.

        Raises
        ------
        InputError
            The flow has no such node.
        """
        self.require(node)
        needed = {node, *self.upstream(node)}
        steps = {name: step for name, step in self.steps.items() if name in needed}
        return replace(
            self, definition=self.definition.model_copy(update={"output": node}), steps=steps
        )

    def require(self, node: str) -> None:
        """Refuse a name that is no node's.

        Raises
        ------
        InputError
            The flow has no such node.
        """
        if node not in self.steps:
            hint = did_you_mean(node, self.steps)
            raise InputError(f"The flow has no node {node!r}.", hint=hint)

    def given(self, nodes: Collection[str]) -> Plan:
        """The plan for a run in which some nodes are not run, since their values are known.

        Parameters
        ----------
        nodes : collection of str
            These; what only they need is left out.

        Raises
        ------
        InputError
            The flow has no such node.
        """
        for node in nodes:
            self.require(node)
        steps = {
            name: replace(step, needs=(), ways={}) if name in nodes else step
            for name, step in self.steps.items()
        }
        with_dependants = {need for step in self.steps.values() for need in step.needs}
        needed = set(nodes)
        for name in reversed(list(self.steps)):
            if name in needed or name not in with_dependants:
                needed |= {name, *steps[name].needs}
        return replace(self, steps={name: step for name, step in steps.items() if name in needed})

    @property
    def credentials(self) -> dict[str, Path]:
        """The names of credentials that nodes use, each with where it is first named."""
        found: dict[str, Path] = {}
        for step in self.steps.values():
            if step.definition.credential is not None:
                found.setdefault(step.definition.credential, (*step.path, "credential"))
        return found


def make_plan(
    definition: FlowDefinition, source: Source, *, given_inputs: Collection[str] = ()
) -> tuple[Plan, list[Problem]]:
    """Plan a flow.

    Parameters
    ----------
    definition : FlowDefinition
        The flow.
    source : Source
        For positions.
    given_inputs : collection of str
        Inputs that the run gives besides those that the flow declares.

    Returns
    -------
    Plan, list of Problem
        The plan can run only when there are no problems.
    """
    planner = _Planner(definition, source, given_inputs)
    return planner.plan(), planner.problems


class _Planner:
    def __init__(
        self, definition: FlowDefinition, source: Source, given_inputs: Collection[str]
    ) -> None:
        self._definition = definition
        self._source = source
        data = source.data if isinstance(source.data, dict) else {}
        nodes = data.get("nodes")
        # A node whose form is wrong is missing from the definition, yet may be referred to.
        self._names = {*definition.nodes, *(nodes if isinstance(nodes, dict) else ())}
        self._inputs = {*definition.inputs, *given_inputs}
        self.problems: list[Problem] = []

    def plan(self) -> Plan:
        for name, node in self._definition.nodes.items():
            if node.uses == "input":
                self._inputs.add(str(node.with_.get("name") or name))
        steps = {
            name: s for name, n in self._definition.nodes.items() if (s := self._step(name, n))
        }
        self._check_flow()
        return Plan(self._definition, self._source, self._ordered(steps))

    def _step(self, name: str, node: NodeDefinition) -> Step | None:
        path: Path = ("nodes", name)
        action = actions().get(node.uses)
        if action is None:
            hint = did_you_mean(node.uses, actions())
            self._problem(
                "unknown_action", f"There is no action {node.uses!r}.", (*path, "uses"), hint
            )
            return None
        action = action.for_node(node)
        parameters = self._compiled(action.compile, node.with_, (*path, "with"))
        over = key = None
        if node.each is not None:
            over = self._compiled(compile_value, node.each.over, (*path, "each", "over"))
            key = self._compiled(compile_value, node.each.key, (*path, "each", "key"))
        step = Step(name, node, action, parameters, over, key)
        needs = dict.fromkeys([*self._declared_needs(step), *self._referred(step)])
        if node.credential is not None and action.credential == "never":
            message = f"The action {action.name!r} does not use credentials."
            self._problem("unused_credential", message, (*path, "credential"))
        needed = tuple(need for need in needs if need != name)
        declared = {need: _branches(branch) for need, branch in node.needs.items()}
        return replace(step, needs=needed, ways=declared or dict.fromkeys(needed))

    def _compiled(
        self, compile_: Callable[[Any], CompiledValue], value: Any, path: Path
    ) -> CompiledValue:
        """Compile a value; texts that cannot be split are reported and left out, one by one."""
        while True:
            try:
                return compile_(value)
            except TemplateSyntaxError as problem:
                where = (*path, *problem.path)
                text = problem.message[:1].upper() + problem.message[1:]
                position = self._source.position(where, problem.offset)
                self.problems.append(Problem("template_syntax", f"{text}.", where, position))
                value = _without(value, problem.path)

    def _declared_needs(self, step: Step) -> Iterator[str]:
        for need, branch in step.definition.needs.items():
            path = (*step.path, "needs", need)
            if need not in self._names:
                hint = did_you_mean(need, self._names - {step.name})
                self._problem("unknown_node", f"There is no node {need!r}.", path, hint)
            elif need == step.name:
                self._problem("cycle", f"The node {need!r} needs itself.", path)
            else:
                self._check_branches(need, _branches(branch) or (), path)
                yield need

    def _check_branches(self, need: str, branches: tuple[Branch, ...], path: Path) -> None:
        node = self._definition.nodes.get(need)
        action = actions().get(node.uses) if node else None
        if node is None or action is None:
            return  # which is a problem of its own
        known = action.branches(node.with_)
        if branches and not known:
            message = f"The node {need!r} ({node.uses}) has no branches."
            self._problem("no_branch", message, path, f"Write needs: [{need}].")
            return
        for branch in branches:
            if branch not in known or isinstance(branch, bool) != isinstance(known[0], bool):
                hint = f"Known: {', '.join(_shown(one) for one in known)}."
                message = f"The node {need!r} has no branch {_shown(branch)}."
                self._problem("no_branch", message, path, hint)

    def _referred(self, step: Step) -> Iterator[str]:
        yield from (n for n in step.action.references(step.definition.with_) if n in self._names)
        each = step.definition.each
        item_names = {each.as_, ITEM_INFO} if each else set()
        for path, code in step.codes():
            in_over = path[2:4] == ("each", "over")
            local = set() if in_over else item_names
            for use in code.uses:
                if use.name in local:
                    continue
                if use.name in self._names:
                    if use.name == step.name:
                        message = f"The node {use.name!r} refers to itself."
                        self._problem_at("cycle", message, path, code, use.offset)
                    yield use.name
                elif use.name == INPUTS:
                    self._check_input(use.member, path, code, use.offset)
                elif use.name not in _SCOPE | JAVASCRIPT_GLOBALS | HELPERS:
                    self._unknown_name(use.name, local | item_names, path, code, use.offset)

    def _check_input(self, member: str | None, path: Path, code: Code, offset: int) -> None:
        if member is not None and member not in self._inputs:
            hint = did_you_mean(member, self._inputs) or "Declare it under inputs:."
            message = f"The flow has no input {member!r}."
            self._problem_at("unknown_input", message, path, code, offset, hint)

    def _unknown_name(
        self, name: str, local: set[str], path: Path, code: Code, offset: int
    ) -> None:
        if name == ITEM_INFO or name in local:
            message = f"{name!r} is known only in the parameters of a node with each:."
            self._problem_at("unknown_name", message, path, code, offset)
            return
        known = self._names | local | {INPUTS} | HELPERS
        hint = did_you_mean(name, known)
        if name in self._inputs:
            hint = f"Inputs are reached through inputs: write inputs.{name}."
        self._problem_at(
            "unknown_name", f"There is no node or name {name!r}.", path, code, offset, hint
        )

    def _check_flow(self) -> None:
        output = self._definition.output
        if output is not None and output not in self._names:
            hint = did_you_mean(output, self._names)
            self._problem("unknown_node", f"There is no node {output!r}.", ("output",), hint)
        for name, value in self._definition.inputs.items():
            if isinstance(value, str) and "{{" in value:
                message = f"The input {name!r} cannot hold a template."
                hint = "Write a value, or $variable for a variable of the notebook."
                self._problem("input_template", message, ("inputs", name), hint)

    def _ordered(self, steps: dict[str, Step]) -> dict[str, Step]:
        graph = {name: [n for n in step.needs if n in steps] for name, step in steps.items()}
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle = list(dict.fromkeys(reversed(error.args[1])))
            shown = " → ".join([*cycle, cycle[0]])
            message = f"Nodes wait for each other in a circle: {shown}."
            self._problem("cycle", message, ("nodes", cycle[0]))
            return steps
        return {name: steps[name] for name in order}

    def _problem(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        place = self._source.value_position(path)
        self.problems.append(Problem(code, message, path, place, hint))

    def _problem_at(
        self, kind: str, message: str, path: Path, code: Code, offset: int, hint: str | None = None
    ) -> None:
        place = self._source.position(path, code.start + offset)
        if (known := Problem(kind, message, path, place, hint)) not in self.problems:
            self.problems.append(known)


def _branches(given: Branch | list[Branch] | None) -> tuple[Branch, ...] | None:
    if given is None:
        return None
    return tuple(given) if isinstance(given, list) else (given,)


def _shown(branch: Branch) -> str:
    return str(branch).lower() if isinstance(branch, bool) else str(branch)


def _without(value: Any, path: Path) -> Any:
    """The value with null in place of the text at a path."""
    if not path:
        return None
    if isinstance(value, list):
        return [_without(v, path[1:]) if i == path[0] else v for i, v in enumerate(value)]
    return {k: _without(v, path[1:]) if k == path[0] else v for k, v in value.items()}
