"""Renders a template over many rows, in batches that keep within the sandbox's limits."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import TemplateError
from ..templates.compiler import TemplatedField
from ..templates.render import Fault, render_fields
from ..templates.values import to_json
from .columns import ROW, Columns

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from ..templates.template import Template

# What fewer rows may avoid.
_LIMITS = frozenset({"timeout", "memory", "output_size", "crashed"})
# A batch that was too large is halved; after some that were not, twice as many rows are tried. Were
# it sooner, the rows before a row that cannot be rendered would be tried with it too often.
_GROW_AFTER = 3
# Nor is a batch made larger whose double might reach the time limit.
_GROW_BELOW = 0.4
# Seconds without a progress line.
SHOWN_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be rendered.

    Parameters
    ----------
    row : int
        Its position.
    column : hashable or None
        Of the result, where it has several and it is known which one.
    error : TemplateError
        With its position in the template.
    """

    row: int
    column: Any
    error: TemplateError


@dataclass(frozen=True, slots=True)
class Batch:
    """Rendered rows.

    Parameters
    ----------
    stop : int
        How many rows are done with this batch.
    values : list of lists
        For each of the template's fields a value a row, None where it failed.
    failures : list of Failure
        In the order of the rows.
    seconds : float
        How long it took.
    """

    stop: int
    values: list[list[Any]]
    failures: list[Failure]
    seconds: float


def render_batches(template: Template, columns: Columns, batch_rows: int) -> Iterator[Batch]:
    """Render all rows, in as many of the sandbox's workers as it has.

    Parameters
    ----------
    template : Template
        Its names are the columns'.
    columns : Columns
        The rows.
    batch_rows : int
        How many to send at once, at most.

    Yields
    ------
    Batch
        In the order of the rows, as soon as it is done.
    """
    from ..sandbox.pool import sandbox

    box = sandbox()
    if not template.compiled.fields:
        return
    start, size, easy = 0, batch_rows, 0
    threads = ThreadPoolExecutor(box.workers, thread_name_prefix="flowlib-map")
    ahead: deque[tuple[int, Future[Batch]]] = deque()
    try:
        while start < columns.size or ahead:
            # One at a time after a batch that was too much: what is ahead might be too.
            while start < columns.size and len(ahead) < (box.workers if size == batch_rows else 1):
                stop = min(start + size, columns.size)
                future = threads.submit(_render, template, columns, start, stop, box)
                ahead.append((start, future))
                start = stop
            began, future = ahead.popleft()
            try:
                batch = future.result()
            except _TooMuchError as too_much:
                for _, later in ahead:
                    later.cancel()
                ahead.clear()
                start, size, easy = began, too_much.rows // 2, 0
                continue
            yield batch
            easy = easy + 1 if batch.seconds < _GROW_BELOW * box.time_limit else 0
            if easy >= _GROW_AFTER and size < batch_rows:
                size, easy = min(2 * size, batch_rows), 0
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


class _TooMuchError(Exception):
    """These rows cannot be rendered together.

    Parameters
    ----------
    rows : int
        How many they are.
    """

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.rows = rows


def _render(template: Template, columns: Columns, start: int, stop: int, sandbox: Sandbox) -> Batch:
    began = time.monotonic()
    fields = template.compiled.fields
    rows = columns.rows(start, stop)
    try:
        values = render_fields(template.compiled, {}, rows, sandbox=sandbox, has_gaps=True)
    except (TemplateError, TypeError) as error:
        # A limit, or a value that cannot be sent: some row's, and perhaps not the others'.
        if len(rows) > 1:
            raise _TooMuchError(len(rows)) from None
        reason = error if isinstance(error, TemplateError) else _unsendable(rows[0], error)
        failure = Failure(start, _column(fields[0]) if len(fields) == 1 else None, reason)
        failure.error.position = template.positioned(reason).position
        return Batch(stop, [[None] for _ in fields], [failure], time.monotonic() - began)
    failures = []
    for field, items in zip(fields, values, strict=True):
        for place, item in enumerate(items):
            if isinstance(item, Fault):
                # The rows before it may have used up what there was.
                if item.error.code in _LIMITS and len(rows) > 1:
                    raise _TooMuchError(len(rows))
                failures.append(Failure(start + place, _column(field), template.error_of(item)))
                items[place] = None
    failures.sort(key=lambda failure: failure.row)
    return Batch(stop, values, failures, time.monotonic() - began)


def _column(field: TemplatedField) -> Any:
    return field.path[0] if field.path else None


def _unsendable(row: Mapping[str, Any], error: TypeError) -> TemplateError:
    members = {f"{ROW}.{name}": value for name, value in row.get(ROW, {}).items()}
    for name, value in {**members, **row}.items():
        try:
            to_json(value)
        except TypeError:
            return TemplateError("runtime", f"{name}: {error}")
    return TemplateError("runtime", str(error))


class ProgressLine:
    """One line in a notebook that says how many rows are done, once it takes long.

    It is display's, not a widget's, so that it needs no extension to be seen.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._handle: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Say it."""
        ipython = sys.modules.get("IPython")  # a shell imported it
        # A terminal's shell would print a line for each update.
        if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
            return
        if self._handle is None and time.monotonic() - self._began < SHOWN_AFTER:
            return
        text = {"text/plain": f"{done:,} of {total:,} rows"}
        if self._handle is None:
            self._handle = ipython.display.display(text, raw=True, display_id=True)
        else:
            self._handle.update(text, raw=True)
