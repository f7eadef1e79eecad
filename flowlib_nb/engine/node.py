"""Runs one node: renders its parameters, iterates, tries again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..errors import FlowlibError, NodeError
from ..frames import to_plain
from ..language.problems import from_pydantic
from ..models.run import UNDONE, FailedItem, NodeState
from ..templates.compiler import CompiledValue
from ..templates.render import Fault
from .actions.base import ActionContext, RetryableError
from .cache import MISSING, OutputCache, cache_key
from .collecting import collected
from .plan import ITEM_INFO, Step
from .rendering import Renderer, Row

if TYPE_CHECKING:
    from ..language.source import Source
    from ..models.flow import Each

# Rows in one crossing: few enough for the sandbox's time limit, many enough to make it cheap.
_BATCH = 1000


class NothingToDoError(Exception):
    """The node has no items, and is to be skipped then."""


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
    renderer : Renderer
        Of its templates.
    source : Source
        For the positions of errors.
    cache : OutputCache or None
        Where values of calls that only read are kept.
    earlier : NodeState or None
        The node in the run that this one resumes: items that succeeded there are not done again.
    """

    def __init__(
        self,
        step: Step,
        state: NodeState,
        context: ActionContext,
        renderer: Renderer,
        source: Source,
        *,
        cache: OutputCache | None = None,
        earlier: NodeState | None = None,
    ) -> None:
        self._step = step
        self._state = state
        self._context = context
        self._renderer = renderer
        self._source = source
        self._cache = cache
        self._earlier = earlier

    async def value(self) -> Any:
        """Do the node's work.

        Raises
        ------
        FlowlibError
            The node failed.
        NothingToDoError
            It has no items, and is to be skipped then.
        """
        if self._step.definition.each is not None:
            return await self._iterate(self._step.definition.each)
        # An evaluation that fails would fail again: rendering is outside the attempts.
        (rendered,) = await self._renderer.render(self._step.parameters, ({},), "with")
        self._state.parameters = None if isinstance(rendered, Fault) else rendered
        return await self._attempts(lambda: self._act(rendered))

    async def _iterate(self, each: Each) -> Any:
        state = self._state
        state.items = items = await self._items()
        state.items_total = total = len(items)
        state.item_values = values = self._done_earlier(items)
        if not items and each.on_empty != "empty":
            if each.on_empty == "skip":
                raise NothingToDoError
            position = self._source.value_position((*self._step.path, "each", "over"))
            raise NodeError("each.over gave an empty list.", position=position)
        rows = [_row(each, index, items) for index in range(total)]
        todo = [index for index in range(total) if values[index] is UNDONE]
        rendered = await self._in_batches(self._step.parameters, rows, todo, "with")
        state.parameters = [None if isinstance(one, Fault) else one for one in rendered]
        state.items_done = total - len(todo)
        upcoming = iter(todo)

        async def worker() -> None:
            for index in upcoming:
                values[index] = await self._item(each, index, items[index], rendered[index])
                state.items_done += 1

        workers = 1 if self._step.action.is_pure else min(each.concurrency, len(todo))
        await _all(worker() for _ in range(workers))
        return collected(each, values, await self._keys(rows))

    def _done_earlier(self, items: list[Any]) -> list[Any]:
        """For each item the value that it gave in the run before, where that was the same item."""
        earlier = self._earlier
        values = [UNDONE] * len(items)
        if earlier is not None and earlier.items is not None and earlier.item_values is not None:
            pairs = zip(items, earlier.items, earlier.item_values, strict=False)
            for index, (item, before, value) in enumerate(pairs):
                if item == before:
                    values[index] = value
        return values

    async def _in_batches(
        self, compiled: CompiledValue, rows: Sequence[Row], todo: Sequence[int], *below: str
    ) -> list[Any]:
        rendered: list[Any] = [None] * len(rows)
        for start in range(0, len(todo), _BATCH):
            batch = todo[start : start + _BATCH]
            chosen = [rows[index] for index in batch]
            results = await self._renderer.render(compiled, chosen, *below)
            for index, result in zip(batch, results, strict=True):
                rendered[index] = result
        return rendered

    async def _items(self) -> list[Any]:
        assert self._step.over is not None
        (items,) = await self._renderer.render(self._step.over, ({},), "each", "over")
        if isinstance(items, Fault):
            raise self._renderer.placed(items, "each", "over")
        items = to_plain(items)
        if isinstance(items, list):
            return items
        kind = "null" if items is None else type(items).__name__
        hint = "Give its values: {{ values(…) }}." if isinstance(items, dict) else None
        position = self._source.value_position((*self._step.path, "each", "over"))
        raise NodeError(f"each.over must give a list, not {kind}.", hint=hint, position=position)

    async def _keys(self, rows: Sequence[Row]) -> list[Any] | None:
        key = self._step.key
        if key is None or key.value is None:
            return None
        keys = await self._in_batches(key, rows, range(len(rows)), "each", "key")
        for fault in keys:
            if isinstance(fault, Fault):
                raise self._renderer.placed(fault, "each", "key")
        return keys

    async def _item(self, each: Each, index: int, item: Any, rendered: Any) -> Any:
        try:
            return await self._attempts(lambda: self._act(rendered))
        except FlowlibError as error:
            if each.on_error != "fail":
                self._state.failed_items.append(FailedItem(index, item, error.with_traceback(None)))
                return UNDONE
            error.message = f"item {index}: {error.message}"
            raise

    async def _attempts(self, once: Callable[[], Awaitable[Any]]) -> Any:
        retry, limit = self._step.definition.retry, self._step.definition.timeout
        if retry.attempts == 1 and limit is None:
            self._state.attempt = 1
            return await once()
        for attempt in range(1, retry.attempts + 1):
            self._state.attempt = max(self._state.attempt, attempt)
            try:
                async with asyncio.timeout(limit):
                    return await once()
            except TimeoutError:
                failure = RetryableError(f"It took longer than its timeout of {limit:g} s.")
            except RetryableError as error:
                failure = error
            if attempt < retry.attempts:
                chance = random.random()  # noqa: S311
                asked = failure.retry_after
                await asyncio.sleep(retry.wait(attempt, chance=chance, asked=asked))
        raise failure

    async def _act(self, rendered: Any) -> Any:
        if isinstance(rendered, Fault):
            raise self._renderer.placed(rendered, "with")
        parameters = self._validated(rendered)
        action, context = self._step.action, self._context
        if action.is_pure:
            return action.run_pure(context, parameters)
        cache = self._cache
        key = cache_key(action, parameters, context.credential) if cache is not None else None
        if cache is None or key is None:
            return await action.run(context, parameters)
        value = await context.in_thread(cache.get, key)
        if value is not MISSING:
            self._state.cached += 1
            return value
        value = await action.run(context, parameters)
        await context.in_thread(cache.put, key, value)
        return value

    def _validated(self, rendered: Mapping[str, Any]) -> Any:
        model = self._step.action.parameters
        try:
            return model.model_validate(rendered)
        except ValidationError as error:
            base = (*self._step.path, "with")
            problems = from_pydantic(error, model, self._source, base)
        text = " ".join(problem.message for problem in problems)
        raise NodeError(text, hint=problems[0].hint, position=problems[0].position)


def _row(each: Each, index: int, items: Sequence[Any]) -> Row:
    info = {
        "value": items[index],
        "index": index,
        "total": len(items),
        "first": index == 0,
        "last": index == len(items) - 1,
    }
    return {each.as_: items[index], ITEM_INFO: info}


async def _all(workers: Iterator[Awaitable[None]]) -> None:
    """Wait for all; the first failure ends the others and is raised itself."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
