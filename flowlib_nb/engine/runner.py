"""Runs a plan: nodes as soon as what they need is done, independent ones at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import FlowlibError, NodeError
from ..models.run import NodeState, Status
from .actions.base import ActionContext, BoundCredential
from .node import NodeRunner
from .plan import Plan, Step
from .run import Run
from .scope import JsonCache, Scope

if TYPE_CHECKING:
    import httpx2

    from ..sandbox import Sandbox
    from .background import Background


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
    """

    inputs: Mapping[str, Any]
    namespace: Mapping[str, Any]
    credential: Callable[[str], BoundCredential]
    sandbox: Sandbox
    background: Background


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
        self._values: dict[str, Any] = {}
        self._cache = JsonCache()
        self._transport: httpx2.AsyncHTTPTransport | None = None

    async def execute(self) -> None:
        """Run to the end; what happens is in the run, not in exceptions."""
        status = Status.CANCELLED
        try:
            self._run._began()
            await self._schedule()
            failed = any(s.status is Status.FAILED for s in self._states.values())
            status = Status.FAILED if failed else Status.SUCCESS
        finally:
            for state in self._states.values():
                if not state.is_final:
                    state.status = Status.CANCELLED
            self._run._ended(status)
            if self._transport is not None:
                with contextlib.suppress(Exception):
                    await self._transport.aclose()

    async def _schedule(self) -> None:
        steps = self._plan.steps
        missing = {name: set(step.needs) for name, step in steps.items()}
        ready = deque(step for name, step in steps.items() if not missing[name])
        dependants: dict[str, list[str]] = {name: [] for name in steps}
        for name, step in steps.items():
            for need in step.needs:
                dependants[need].append(name)
        running: dict[asyncio.Task[None], str] = {}
        try:
            while ready or running:
                done: list[str] = []
                while ready:
                    step = ready.popleft()
                    if self._is_skipped(step):
                        done.append(step.name)
                    else:
                        running[asyncio.create_task(self._node(step))] = step.name
                if running and not done:
                    ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    done = [running.pop(task) for task in ended]
                for name in done:
                    for dependant in dependants[name]:
                        missing[dependant].discard(name)
                        if not missing[dependant]:
                            ready.append(steps[dependant])
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _is_skipped(self, step: Step) -> bool:
        for need in step.needs:
            status = self._states[need].status
            if status is not Status.SUCCESS:
                state = self._states[step.name]
                state.status = Status.SKIPPED
                word = "failed" if status is Status.FAILED else "was skipped"
                state.error = NodeError(f"Skipped, because {need!r} {word}.")
                return True
        return False

    async def _node(self, step: Step) -> None:
        state = self._states[step.name]
        state.status = Status.RUNNING
        state.started = datetime.now(UTC)
        clock = perf_counter()
        try:
            state.value = self._values[step.name] = await self._value(step, state)
            state.status = Status.SUCCESS
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

    async def _value(self, step: Step, state: NodeState) -> Any:
        name = step.definition.credential
        context = ActionContext(
            node=step.name,
            namespace=self._around.namespace,
            inputs=self._around.inputs,
            values={node: self._values[node] for node in step.ancestors},
            credential=None if name is None else self._around.credential(name),
            http=self._http,
            in_thread=self._around.background.in_thread,
        )
        info = {
            "id": self._run.id,
            "flow": self._run.flow,
            "started_at": self._run.started_at.isoformat(),
        }
        scope = Scope(step, self._values, self._around.inputs, info, self._cache)
        runner = NodeRunner(step, state, context, scope, self._plan.source, self._around.sandbox)
        return await runner.value()

    def _http(self) -> httpx2.AsyncHTTPTransport:
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
