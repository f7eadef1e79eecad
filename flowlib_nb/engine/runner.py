"""Runs a plan: nodes as soon as what they need is done, independent ones at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import FlowlibError, NodeError
from ..models.run import NodeState, Status
from .actions.base import ActionContext, BoundCredential
from .node import NodeRunner, NothingToDoError
from .plan import Plan, Step
from .rendering import Renderer
from .run import Run
from .schedule import Schedule
from .scope import JsonCache, Scope, Upstream

if TYPE_CHECKING:
    import httpx2

    from ..sandbox import Sandbox
    from .background import Background
    from .cache import OutputCache
    from .journal import Journal


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run works with.

    Parameters
    ----------
    inputs : mapping
        Resolved.
    namespace : mapping
        Functions of the notebook.
    credential : callable
        Gives a credential by name.
    sandbox : Sandbox
        Evaluates templates.
    background : Background
        For blocking work.
    run_flow : callable
        Runs another flow, by name or file, with inputs, and gives its output.
    journal : Journal
        Records what happens.
    given : mapping
        Values of nodes that are not to be run.
    earlier : mapping
        Nodes of the run that this one resumes.
    cache : OutputCache or None
        Where values of calls that only read are kept.
    """

    inputs: Mapping[str, Any]
    namespace: Mapping[str, Any]
    credential: Callable[[str], BoundCredential]
    sandbox: Sandbox
    background: Background
    run_flow: Callable[[str, Mapping[str, Any]], Awaitable[Any]]
    journal: Journal
    given: Mapping[str, Any] = field(default_factory=dict)
    earlier: Mapping[str, NodeState] = field(default_factory=dict)
    cache: OutputCache | None = None


class Runner:
    """One execution of a plan.

    Parameters
    ----------
    plan : Plan
        Without problems.
    run : Run
        Where progress and results go.
    states : dict of NodeState
        The run's nodes.
    surroundings : Surroundings
        What it works with.
    """

    def __init__(
        self, plan: Plan, run: Run, states: dict[str, NodeState], surroundings: Surroundings
    ) -> None:
        self._plan = plan
        self._run = run
        self._states = states
        self._around = surroundings
        self._given = surroundings.given
        self._values: dict[str, Any] = {}
        self._texts = JsonCache()
        self._info = {"id": run.id, "flow": run.flow, "started_at": run.started_at.isoformat()}
        self._transport: httpx2.AsyncBaseTransport | None = None

    async def execute(self) -> None:
        """Run to the end; what happens is in the run, not in exceptions."""
        status = Status.CANCELLED
        try:
            self._run._began()
            self._around.journal.began()
            await self._run_nodes()
            failed = any(s.status is Status.FAILED for s in self._states.values())
            status = Status.FAILED if failed else Status.SUCCESS
        finally:
            for state in self._states.values():
                if not state.is_final:
                    state.status = Status.CANCELLED
            self._run._ended(status)
            self._around.journal.ended()
            if self._transport is not None:
                with contextlib.suppress(Exception):
                    await self._transport.aclose()

    async def _run_nodes(self) -> None:
        schedule = Schedule(self._plan.steps)
        running: dict[asyncio.Task[None], str] = {}
        ended: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
        try:
            while True:
                while (name := schedule.next()) is not None:
                    step = self._plan.steps[name]
                    if not self._is_at_once(name, schedule):
                        sources = tuple(n for n in step.ways if schedule.is_open(name, n))
                        node = self._node(step, sources)
                        if not step.is_trivial:
                            task = asyncio.create_task(node)
                            task.add_done_callback(ended.put_nowait)
                            running[task] = name
                            continue
                        await node
                    self._settle(name, schedule)
                if not running:
                    return
                task = await ended.get()
                self._settle(running.pop(task), schedule)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _is_at_once(self, name: str, schedule: Schedule) -> bool:
        """Whether a node is done without being run: it is given, or no way leads to it."""
        state = self._states[name]
        verdict = schedule.verdict(name)
        if name in self._given:
            state.status, state.value = Status.SUCCESS, self._given[name]
        elif verdict.outcome is None:
            return False
        else:
            state.status = Status.SKIPPED
            if verdict.outcome == "blocked":
                state.error = NodeError(self._blocked_by(verdict.cause))
        return True

    def _blocked_by(self, cause: str) -> str:
        word = "failed" if self._states[cause].status is Status.FAILED else "was skipped"
        return f"Skipped, because {cause!r} {word}."

    def _settle(self, name: str, schedule: Schedule) -> None:
        state, step = self._states[name], self._plan.steps[name]
        self._around.journal.node_ended(step, state)
        if state.status is Status.SUCCESS:
            self._values[name] = state.value
            schedule.done(name, "success", step.action.taken(state.value))
        elif state.status is Status.FAILED:
            schedule.done(name, "failed")
        else:
            # What other ways lead to sees null in its place.
            self._values[name] = None
            schedule.done(name, "blocked" if state.error else "skipped")

    async def _node(self, step: Step, sources: tuple[str, ...]) -> None:
        state = self._states[step.name]
        state.status = Status.RUNNING
        state.started = datetime.now(UTC)
        clock = perf_counter()
        try:
            state.value = await self._value(step, state, sources)
            state.status = Status.SUCCESS
        except NothingToDoError:
            state.status = Status.SKIPPED
        except asyncio.CancelledError:
            state.status = Status.CANCELLED
            raise
        except FlowlibError as error:
            state.error = self._placed(error, step)
            state.status = Status.FAILED
        except Exception as error:
            state.error = _unexpected(error)
            state.status = Status.FAILED
        finally:
            state.seconds = perf_counter() - clock

    async def _value(self, step: Step, state: NodeState, sources: tuple[str, ...]) -> Any:
        name = step.definition.credential
        upstream = Upstream(self._plan, step, self._values)
        context = ActionContext(
            node=step.name,
            namespace=self._around.namespace,
            inputs=self._around.inputs,
            values=upstream,
            sources=sources,
            credential=None if name is None else self._around.credential(name),
            http=self._http,
            in_thread=self._around.background.in_thread,
            run_flow=self._around.run_flow,
        )
        around, source = self._around, self._plan.source
        scope = Scope(step, upstream, around.inputs, self._info, self._texts)
        renderer = Renderer(step, scope, source, around.sandbox, context.in_thread)
        earlier = around.earlier.get(step.name)
        runner = NodeRunner(
            step, state, context, renderer, source, cache=around.cache, earlier=earlier
        )
        return await runner.value()

    def _http(self) -> httpx2.AsyncBaseTransport:
        if self._transport is None:
            from .connections import pooled_transport

            self._transport = pooled_transport()
        return self._transport

    def _placed(self, error: FlowlibError, step: Step) -> FlowlibError:
        if error.position is None:
            error.position = self._plan.source.position(step.path)
        # The frames hold what the node worked with; the message says what there is to say.
        return error.with_traceback(None)


def _unexpected(error: Exception) -> NodeError:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    return NodeError(
        f"Unexpected {type(error).__name__}{place}: {error}",
        hint="This looks like a defect of flowlib_nb; please report it with the flow.",
    )
