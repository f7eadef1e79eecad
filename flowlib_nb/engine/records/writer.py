"""The thread that writes records, so that neither a database nor a large value delays a run."""

from __future__ import annotations

import atexit
import functools
import itertools
import logging
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import FlowlibError
from ..options.records import Limits, Location, shown
from .events import Event, NodeEnded

if TYPE_CHECKING:
    from .changes import Batch, Changes
    from .values import Redact

# So many events may wait with their values, so many at all; runs themselves are always taken.
WAITING_WITH_VALUES = 1_000
WAITING = 20_000
# After the first event of a batch, so that the batch is not of one.
_LINGER_SECONDS = 0.05
_BATCH_BYTES = 8_000_000
_EXIT_SECONDS = 10.0
_log = logging.getLogger("flowlib_nb.records")


@dataclass(frozen=True, slots=True)
class Item:
    """An event on its way into a database.

    Parameters
    ----------
    event : RunStarted, NodeEnded or RunEnded
        What happened.
    location : Path or DatabaseUrl
        Where it goes.
    redact : callable
        Masks secrets.
    limits : Limits
        How much is kept.
    """

    event: Event
    location: Location
    redact: Redact = field(repr=False)
    limits: Limits

    @property
    def run_id(self) -> str:
        """The run that it is about."""
        return self.event.run_id if isinstance(self.event, NodeEnded) else self.event.id

    def without_values(self) -> Item:
        """The same without what a node was given and gave."""
        if not isinstance(self.event, NodeEnded):
            return self
        e = self.event  # many nodes in a short time come here: dataclasses.replace() is slow
        kept = (e.run_id, e.name, e.status, e.attempt, e.started, e.seconds, e.rows)
        event = NodeEnded(*kept, None, None, e.error, ())
        return Item(event, self.location, self.redact, self.limits)


class Writer:
    """A queue, and a daemon thread that writes what is in it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._taken = 0
        self._done = 0
        # How much is to be done before the thread may wait for more again.
        self._urgent = 0
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._changes: Changes | None = None
        self._abandoned: set[str] = set()
        self._warned: set[tuple[Location, str]] = set()

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._is_closing

    def put(self, item: Item) -> None:
        """Take an event; returns at once, and never fails."""
        with self._changed:
            waiting = len(self._waiting)
            if self._is_closing or (waiting >= WAITING and isinstance(item.event, NodeEnded)):
                return
            self._waiting.append(item if waiting < WAITING_WITH_VALUES else item.without_values())
            self._taken += 1
            if self._thread is None:
                self._start()
            if not waiting:
                self._changed.notify_all()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="flowlib-records", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more, or the interpreter is ending
            self._waiting.clear()
            self._done = self._taken
            _log.warning("A run is not being recorded: no thread could be started for it.")
        else:
            self._thread = thread

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until everything taken so far is written, or given up.

        Parameters
        ----------
        seconds : float, optional
            How long to wait; without it, as long as it takes.

        Returns
        -------
        bool
            Whether it is.
        """
        with self._changed:
            target = self._urgent = self._taken
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._done >= target, seconds)

    def close(self) -> None:
        """Write what is left, within some seconds, and take no more."""
        with self._changed:
            self._is_closing = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join(_EXIT_SECONDS)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                self._changed.wait_for(
                    lambda: self._urgent > self._done or self._is_closing, _LINGER_SECONDS
                )
                items = list(self._waiting)
                self._waiting.clear()
            if not items:
                return
            for location, group in itertools.groupby(items, key=lambda item: item.location):
                self._write(location, list(group))
            with self._changed:
                self._done += len(items)
                self._changed.notify_all()

    def _write(self, location: Location, items: list[Item]) -> None:
        from .changes import Batch

        batch = Batch()
        for item in items:
            self._add(item, batch)
            if batch.size > _BATCH_BYTES:
                self._store(location, batch, item.limits)
                batch = Batch()
        self._store(location, batch, items[-1].limits)

    def _add(self, item: Item, batch: Batch) -> None:
        from .changes import Changes

        if isinstance(item.event, NodeEnded) and item.run_id in self._abandoned:
            return
        if self._changes is None:
            self._changes = Changes()
        try:
            self._changes.add(item.event, batch, item.redact, item.limits.max_value_bytes)
        except Exception as error:
            self._abandon(item.location, {item.run_id}, error)

    def _store(self, location: Location, batch: Batch, limits: Limits) -> None:
        runs = batch.run_ids
        if not runs:
            return
        try:
            self._store_once(location, batch, limits)
        except Exception as error:
            self._abandon(location, runs, error)
        self._abandoned -= {row["of_run"] for row in batch.ended_runs}

    def _store_once(self, location: Location, batch: Batch, limits: Limits) -> None:
        from .database import DataError
        from .store import RunStore

        store = RunStore.open(location)
        try:
            store.write(batch, limits)
        except DataError:
            # What does not fit belongs to one run; it shall not cost the others theirs.
            for part in batch.by_run():
                try:
                    store.write(part, limits)
                except DataError as error:
                    self._abandon(location, part.run_ids, error)

    def _abandon(self, location: Location, runs: set[str], error: Exception) -> None:
        self._abandoned |= runs
        # Texts of other errors may hold anything, a secret too.
        reason = str(error) if isinstance(error, FlowlibError) else type(error).__name__
        if (location, reason) not in self._warned:
            self._warned.add((location, reason))
            _log.warning(
                "Runs are not being recorded in %s; they go on without. %s", shown(location), reason
            )


def writer() -> Writer:
    """The process's writer; what it has taken is written before the interpreter ends."""
    made = _writer(os.getpid())
    if made.is_closed:
        _writer.cache_clear()
        made = _writer(os.getpid())
    return made


@functools.lru_cache(maxsize=1)
def _writer(pid: int) -> Writer:
    # By process: the thread, and whatever a lock was held for, stay behind in a fork.
    made = Writer()
    atexit.register(made.close)
    return made
