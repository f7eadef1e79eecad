"""Flows within flows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..errors import FlowFailedError, FlowlibError, NodeError, Problem
from .background import background
from .plan import Plan
from .session import find_flow

if TYPE_CHECKING:
    from .run import Run

# How deeply flows may hold each other: more is taken for a circle.
_DEEPEST = 10
# The names of the flows around the one that is being checked or run.
_around: ContextVar[tuple[str, ...]] = ContextVar("flows_around", default=())


def check_subflows(plan: Plan, namespace: Mapping[str, Any]) -> Iterator[Problem]:
    """Flows that are not there or not valid, of those whose name is written out.

    Parameters
    ----------
    plan : Plan
        Whose nodes use them.
    namespace : mapping
        The notebook's variables.
    """
    for step in plan.steps.values():
        name, inputs = step.definition.with_.get("flow"), step.definition.with_.get("inputs")
        if step.action.name != "subflow" or not isinstance(name, str) or "{{" in name:
            continue
        if name in _around.get():
            continue  # a circle may end; how deep it goes is seen when it runs
        token = _around.set((*_around.get(), name))
        try:
            given = inputs if isinstance(inputs, dict) else ()
            problems = find_flow(name, namespace).validate(given)
            reason = (
                f"it has {len(problems)} problems, the first: {problems[0]}" if problems else ""
            )
            hint = None
        except FlowlibError as error:
            reason, hint = error.message, error.hint
        finally:
            _around.reset(token)
        if reason:
            path = (*step.path, "with", "flow")
            message = f"The flow {name!r} cannot be used: {reason}"
            yield Problem("subflow", message, path, plan.source.value_position(path), hint)


async def run_subflow(namespace: Mapping[str, Any], name: str, inputs: Mapping[str, Any]) -> Any:
    """Run a flow from within another.

    Parameters
    ----------
    namespace : mapping
        The notebook's variables.
    name : str
        As :func:`find_flow` takes it.
    inputs : mapping
        The flow's.

    Returns
    -------
    object
        Its output.

    Raises
    ------
    NodeError
        Flows hold each other too deeply, or the flow failed.
    FlowlibError
        It cannot be run.
    """
    around = _around.get()
    if len(around) >= _DEEPEST:
        shown = " → ".join(around[-3:])
        raise NodeError(f"Flows run each other more than {_DEEPEST} deep: … {shown}.")
    token = _around.set((*around, name))
    try:
        # Checking it and opening the vault would hold up the engine.
        flow = await background().in_thread(find_flow, name, namespace)
        run = await _started(lambda: flow.start(inputs, functions=namespace))
        assert run._future is not None
        await asyncio.wrap_future(run._future)
    finally:
        _around.reset(token)
    try:
        return run.raise_for_status().output
    except FlowFailedError as error:
        raise NodeError(f"The flow {name!r} failed. {error.message}") from None


async def _started(start: Callable[[], Run]) -> Run:
    """Start a run in a thread; whoever is cancelled meanwhile cancels it as soon as it is there."""
    starting = asyncio.ensure_future(background().in_thread(start))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_cancel)
        raise


def _cancel(starting: asyncio.Future[Run]) -> None:
    if starting.cancelled() or starting.exception() is not None:
        return
    if (future := starting.result()._future) is not None:
        future.cancel()
