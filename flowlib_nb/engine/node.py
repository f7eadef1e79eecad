"""Runs one node: renders its parameters, iterates, tries again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..errors import FlowlibError, NodeError, TemplateError
from ..frames import to_plain
from ..language.problems import from_pydantic
from ..models.run import FailedItem, NodeState
from ..templates.compiler import CompiledValue
from ..templates.render import Fault, render_rows
from .actions.base import ActionContext, RetryableError
from .plan import ITEM_INFO, Step
from .scope import Scope

if TYPE_CHECKING:
    from ..language.source import Path, Source
    from ..models.flow import Each
    from ..sandbox import Sandbox

# Rows in one crossing: few enough for the sandbox's time limit, many enough to make it cheap.
_BATCH = 1000
_FAILED = object()


class NodeRunner:
    """One node in one run.

    Parameters
    ----------
    step : Step
        The node.
    state : NodeState
        Where progress goes.
    context : ActionContext
        What its action works with.
    scope : Scope
        What its templates see.
    source : Source
        For the positions of errors.
    sandbox : Sandbox
        Evaluates its templates.
    """

    def __init__(
        self,
        step: Step,
        state: NodeState,
        context: ActionContext,
        scope: Scope,
        source: Source,
        sandbox: Sandbox,
    ) -> None:
        self._step = step
        self._state = state
        self._context = context
        self._scope = scope
        self._source = source
        self._sandbox = sandbox

    async def value(self) -> Any:
        """Do the node's work.

        Raises
        ------
        FlowlibError
            The node failed.
        """
        if self._step.definition.each is not None:
            return await self._iterate(self._step.definition.each)
        # An evaluation that fails would fail again: rendering is outside the attempts.
        (rendered,) = await self._render(self._step.parameters, ({},), "with")
        return await self._attempts(lambda: self._act(rendered))

    async def _iterate(self, each: Each) -> list[Any]:
        items = await self._items()
        self._state.items_total = len(items)
        total = len(items)
        rows = [
            {
                each.as_: item,
                ITEM_INFO: {
                    "value": item,
                    "index": index,
                    "total": total,
                    "first": index == 0,
                    "last": index == total - 1,
                },
            }
            for index, item in enumerate(items)
        ]
        rendered: list[Any] = []
        for start in range(0, total, _BATCH):
            rendered += await self._render(
                self._step.parameters, rows[start : start + _BATCH], "with"
            )
        results: list[Any] = [_FAILED] * total
        todo = iter(range(total))

        async def worker() -> None:
            for index in todo:
                results[index] = await self._item(each, index, items[index], rendered[index])
                self._state.items_done += 1

        workers = 1 if self._step.action.is_pure else min(each.concurrency, total)
        await _all(worker() for _ in range(workers))
        if each.on_error == "skip":
            return [result for result in results if result is not _FAILED]
        return [None if result is _FAILED else result for result in results]

    async def _items(self) -> list[Any]:
        assert self._step.over is not None
        (items,) = await self._render(self._step.over, ({},), "each", "over")
        if isinstance(items, Fault):
            raise self._placed(items, "each", "over")
        items = to_plain(items)
        if isinstance(items, list):
            return items
        kind = "null" if items is None else type(items).__name__
        hint = "Give its values: {{ values(…) }}." if isinstance(items, dict) else None
        path = (*self._step.path, "each", "over")
        position = self._source.value_position(path)
        raise NodeError(f"each.over must give a list, not {kind}.", hint=hint, position=position)

    async def _item(self, each: Each, index: int, item: Any, rendered: Any) -> Any:
        try:
            return await self._attempts(lambda: self._act(rendered))
        except FlowlibError as error:
            if each.on_error != "fail":
                self._state.failed_items.append(FailedItem(index, item, error.with_traceback(None)))
                return _FAILED
            error.message = f"item {index}: {error.message}"
            raise

    async def _attempts(self, once: Callable[[], Awaitable[Any]]) -> Any:
        retry, limit = self._step.definition.retry, self._step.definition.timeout
        for attempt in range(1, retry.attempts + 1):
            self._state.attempt = max(self._state.attempt, attempt)
            try:
                async with asyncio.timeout(limit):
                    return await once()
            except TimeoutError:
                failure = RetryableError(f"It took longer than its timeout of {limit:g} s.")
            except RetryableError as error:
                failure = error
            if attempt == retry.attempts:
                break
            wait = retry.backoff * 2 ** (attempt - 1)
            await asyncio.sleep(max(wait, failure.retry_after or 0.0))
        raise failure

    async def _act(self, rendered: Any) -> Any:
        if isinstance(rendered, Fault):
            raise self._placed(rendered, "with")
        parameters = self._validated(rendered)
        action = self._step.action
        if action.is_pure:
            return action.run_pure(self._context, parameters)
        return await action.run(self._context, parameters)

    def _validated(self, rendered: Mapping[str, Any]) -> Any:
        model = self._step.action.parameters
        try:
            return model.model_validate(rendered)
        except ValidationError as error:
            base = (*self._step.path, "with")
            problems = from_pydantic(error, model, self._source, base)
        text = " ".join(problem.message for problem in problems)
        raise NodeError(text, hint=problems[0].hint, position=problems[0].position)

    async def _render(
        self, compiled: CompiledValue, rows: Sequence[Mapping[str, Any]], *below: str | int
    ) -> list[Any]:
        if not compiled.fields:
            return [compiled.value for _ in rows]
        lenient = self._step.definition.on_template_error == "empty"
        try:
            return await self._context.in_thread(
                lambda: render_rows(
                    compiled,
                    self._scope.texts(compiled.reaches),
                    rows,
                    sandbox=self._sandbox,
                    lenient=lenient,
                )
            )
        except TemplateError as error:
            codes = compiled.codes
            if error.position is None and len(codes) == 1:
                path: Path = (*self._step.path, *below, *codes[0].path)
                raise error.at(self._source.position(path, codes[0].start)) from None
            raise
        except TypeError as error:
            raise NodeError(f"A value cannot be given to a template: {error}.") from None

    def _placed(self, fault: Fault, *below: str | int) -> TemplateError:
        path: Path = (*self._step.path, *below, *fault.code.path)
        return fault.error.at(self._source.position(path, fault.code.start + fault.offset))


async def _all(workers: Iterator[Awaitable[None]]) -> None:
    """Wait for all; the first failure ends the others and is raised itself."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
