"""Starts runs of a plan: all of it, a part, or what is left of an earlier run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..models.run import NodeState, Status
from ..sandbox.pool import sandbox
from .actions.base import BoundCredential
from .background import background
from .cache import output_cache
from .journal import Journal
from .plan import Plan
from .run import Run
from .runner import Runner, Surroundings
from .session import last_run, remember
from .subflows import run_subflow

if TYPE_CHECKING:
    from ..vault import Vault


def part_of(
    plan: Plan, flow: str, *, to: str | None, only: str | None, mock: Mapping[str, Any]
) -> tuple[Plan, dict[str, Any]]:
    """The part of a plan that is to be run, and the values that are known.

    Parameters
    ----------
    plan : Plan
        The whole flow's.
    flow : str
        Its name.
    to, only, mock
        As ``Flow.run`` has them.

    Raises
    ------
    InputError
        There is no such node, or no value of what ``only`` needs.
    """
    known = dict(mock)
    for node in known:
        plan.require(node)
    if to is not None or only is not None:
        plan = plan.up_to(to or only or "")
        known = {node: value for node, value in known.items() if node in plan.steps}
    if only is not None:
        for need in plan.steps[only].needs:
            if need not in known:
                known[need] = _last_value(flow, need, only)
    return plan, known


def _last_value(flow: str, need: str, node: str) -> Any:
    run = last_run(flow)
    state = None if run is None else run._nodes.get(need)
    if state is None or state.status is not Status.SUCCESS:
        raise InputError(
            f"There is no value of {need!r}, which {node!r} needs, from an earlier run.",
            hint=f"Run with --to {need} first, or give a value with --mock {need}=VAR.",
        )
    return state.value


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a run is started with, kept so that it can be resumed.

    Parameters
    ----------
    flow, text : str
        The flow's name and definition.
    vault : Vault or None
        The flow's own.
    plan : Plan
        The part of the flow that is run, before what is known is taken out.
    inputs : mapping
        Resolved.
    namespace : mapping
        Functions and variables of the notebook.
    credential : callable
        Gives a credential by name.
    cache : bool
        Whether values of earlier requests may be used.
    """

    flow: str
    text: str
    vault: Vault | None
    plan: Plan
    inputs: Mapping[str, Any]
    namespace: Mapping[str, Any]
    credential: Callable[[str], BoundCredential]
    cache: bool

    def start(
        self, known: Mapping[str, Any], earlier: Mapping[str, NodeState] | None = None
    ) -> Run:
        """Start a run.

        Parameters
        ----------
        known : mapping
            Values of nodes that are not to be run.
        earlier : mapping, optional
            Nodes of the run that this one resumes, of which items that succeeded are kept.
        """
        plan = self.plan.given(known) if known else self.plan
        states = {name: NodeState(name, step.action.name) for name, step in plan.steps.items()}
        run = Run(self.flow, list(states.values()), plan.definition.output_node)
        run._resume = functools.partial(self.resume, run)
        journal = Journal(run, self.text, plan, self.vault)
        around = Surroundings(
            self.inputs,
            self.namespace,
            journal.noting(self.credential),
            sandbox(),
            background(),
            functools.partial(run_subflow, self.namespace),
            journal,
            known,
            earlier or {},
            output_cache() if self.cache else None,
        )
        run._future = background().start(Runner(plan, run, states, around).execute())
        remember(run)
        return run

    def resume(self, run: Run, patches: Mapping[str, Any]) -> Run:
        """Start a run that does what another left undone.

        Parameters
        ----------
        run : Run
            The other, which has ended.
        patches : mapping
            Values of nodes in place of what they gave.

        Raises
        ------
        InputError
            There is no such node.
        """
        for node in patches:
            self.plan.require(node)
        states = run._nodes
        again = {
            name
            for name, state in states.items()
            if name not in patches and (state.status is not Status.SUCCESS or state.failed_items)
        }
        changed = self.plan.downstream({*again, *patches}) - patches.keys()
        renewed = again | changed | patches.keys()
        kept = {name: state.value for name, state in states.items() if name not in renewed}
        # Where what comes before is the same, items that succeeded need not be done again.
        earlier = {name: states[name] for name in again - changed}
        return self.start({**kept, **patches}, earlier)
