"""Writes and reads recorded runs."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from ...models.run import Status
from ..options.records import Limits, Location
from .changes import Batch
from .database import Database
from .errors import RecordsError
from .processes import ProcessIdentity
from .schema import NODES, RUNS, VALUES
from .values import StoredValue

INTERRUPTED = "The kernel ended while it ran."
_UNFINISHED = (Status.PENDING.value, Status.RUNNING.value)
# Free pages that stay for the next runs: below a quarter of the file, or few anyway.
_FREE_PAGES = 1000


@dataclass(frozen=True, slots=True)
class RunRow:
    """A recorded run.

    Parameters
    ----------
    id, flow, text : str
        The run, the flow's name and its definition.
    status : str
        Of the run; ``cancelled`` where it was interrupted.
    started_at : datetime
        UTC.
    seconds : float or None
        None while it runs, or where it was interrupted.
    error : str or None
        Why it failed.
    interrupted : bool
        Whether its process ended while it ran.
    nodes, failed : int
        How many nodes there are, and how many of them failed.
    """

    id: str
    flow: str
    text: str
    status: str
    started_at: datetime
    seconds: float | None
    error: str | None
    interrupted: bool
    nodes: int
    failed: int


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node of a recorded run.

    Parameters
    ----------
    place : int
        In the order in which they ran.
    name, action, status : str
        The node.
    attempt : int
        How often it was tried.
    started : datetime or None
        UTC.
    seconds : float or None
        From start to end.
    rows : int or None
        Of what it gave.
    error : str or None
        Why it failed or was skipped.
    """

    place: int
    name: str
    action: str
    status: str
    attempt: int
    started: datetime | None
    seconds: float | None
    rows: int | None
    error: str | None


class RunStore:
    """The recorded runs of one database. Use :meth:`open`.

    Parameters
    ----------
    database : Database
        Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, location: Location) -> RunStore:
        """Open a store; nothing is made before the first run is written.

        Parameters
        ----------
        location : Path or DatabaseUrl
            An SQLite file or an address.

        Returns
        -------
        RunStore
            The same object for the same location.

        Raises
        ------
        ConfigError
            The address is none, or its driver is missing.
        """
        # A forked process must not share connections with its parent.
        return _store(location, os.getpid())

    def write(self, batch: Batch, limits: Limits) -> None:
        """Write what a batch holds in one transaction, and remove runs beyond the limits.

        Raises
        ------
        RecordsError
            It cannot be written.
        """
        with self._database.writing() as connection:
            for table, rows in ((RUNS, batch.runs), (NODES, batch.nodes)):
                if rows:
                    connection.execute(insert(table), rows)
            if batch.ended_nodes:
                at = (NODES.c.run_id == bindparam("of_run"), NODES.c.place == bindparam("at"))
                connection.execute(update(NODES).where(*at), batch.ended_nodes)
            if batch.values:
                connection.execute(insert(VALUES), batch.values)
            removed = 0
            if batch.ended_runs:
                ended = update(RUNS).where(RUNS.c.id == bindparam("of_run"))
                connection.execute(ended, batch.ended_runs)
                _cancel_nodes(connection, [row["of_run"] for row in batch.ended_runs])
                removed = _prune(connection, limits)
        if removed and self._database.is_sqlite:
            self._give_space_back()

    def mark_interrupted(self) -> frozenset[str]:
        """Mark the runs whose process is gone as interrupted.

        Returns
        -------
        frozenset of str
            Those that could not be marked, as this user may only read.

        Raises
        ------
        RecordsError
            The database cannot be read.
        """
        with self._database.reading() as connection:
            gone = _gone(connection) if connection is not None else []
        if not gone:
            return frozenset()
        try:
            with self._database.writing() as connection:
                connection.execute(
                    update(RUNS)
                    .where(RUNS.c.id.in_(gone), RUNS.c.status == Status.RUNNING.value)
                    .values(status=Status.CANCELLED.value, error=INTERRUPTED, interrupted=True)
                )
                _cancel_nodes(connection, gone)
        except RecordsError:
            return frozenset(gone)
        return frozenset()

    def count(self) -> int:
        """How many runs there are."""
        with self._database.reading() as connection:
            if connection is None:
                return 0
            return connection.execute(select(func.count()).select_from(RUNS)).scalar_one()

    def runs(
        self, *, limit: int | None = None, offset: int = 0, status: str | None = None
    ) -> list[RunRow]:
        """Runs, newest first.

        Parameters
        ----------
        limit, offset : int, optional
            How many, after how many.
        status : str, optional
            Only those of this status.
        """
        query = _RUNS.order_by(RUNS.c.started_at.desc(), RUNS.c.id.desc())
        if status is not None:
            query = query.where(RUNS.c.status == status)
        if limit is not None:
            query = query.limit(limit)
        return self._runs(query.offset(offset) if offset else query)

    def runs_by_prefix(self, prefix: str, *, limit: int) -> list[RunRow]:
        """Runs whose id begins so, newest first."""
        starts = RUNS.c.id.startswith(prefix, autoescape=True)
        return self._runs(_RUNS.where(starts).order_by(RUNS.c.started_at.desc()).limit(limit))

    def run(self, run_id: str) -> RunRow | None:
        """One run by its whole id."""
        return next(iter(self._runs(_RUNS.where(RUNS.c.id == run_id))), None)

    def nodes(self, run_id: str) -> list[NodeRow]:
        """A run's nodes in their order."""
        columns = [column for column in NODES.c if column.name != "run_id"]
        query = select(*columns).where(NODES.c.run_id == run_id).order_by(NODES.c.place)
        with self._database.reading() as connection:
            if connection is None:
                return []
            return [NodeRow(**row) for row in connection.execute(query).mappings()]

    def value(self, run_id: str, place: int, kind: str) -> StoredValue | None:
        """What is kept of a node's ``input``, ``output`` or ``failed_items``."""
        columns = (VALUES.c[name] for name in ("content", "encoding", "shape", "rows", "truncated"))
        where = (VALUES.c.run_id == run_id, VALUES.c.place == place, VALUES.c.kind == kind)
        with self._database.reading() as connection:
            if connection is None:
                return None
            row = connection.execute(select(*columns).where(*where)).mappings().first()
        return None if row is None else StoredValue(**row)

    def _runs(self, query: Any) -> list[RunRow]:
        with self._database.reading() as connection:
            if connection is None:
                return []
            return [RunRow(**row) for row in connection.execute(query).mappings()]

    def _give_space_back(self) -> None:
        with self._database.outside_transactions() as connection:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            surplus = free - max(_FREE_PAGES, pages // 4)
            if surplus > 0:
                # Each step frees one page, and only a script is stepped to its end.
                connection.executescript(f"PRAGMA incremental_vacuum({surplus})")


@functools.lru_cache(maxsize=8)
def _store(location: Location, pid: int) -> RunStore:
    return RunStore(Database(location))


_ALL_NODES = select(func.count()).where(NODES.c.run_id == RUNS.c.id)
_RUNS = select(
    *(RUNS.c[name] for name in ("id", "flow", "text", "status", "started_at", "seconds")),
    RUNS.c.error,
    RUNS.c.interrupted,
    _ALL_NODES.scalar_subquery().label("nodes"),
    _ALL_NODES.where(NODES.c.status == Status.FAILED.value).scalar_subquery().label("failed"),
)


def _gone(connection: Connection) -> list[str]:
    columns = (RUNS.c[name] for name in ("id", "host", "pid", "process_started", "boot"))
    running = connection.execute(select(*columns).where(RUNS.c.status == Status.RUNNING.value))
    gone: dict[ProcessIdentity, bool] = {}
    found = []
    for run_id, *identity in running:
        process = ProcessIdentity(*identity)
        if process not in gone:
            gone[process] = process.is_gone()
        if gone[process]:
            found.append(run_id)
    return found


def _cancel_nodes(connection: Connection, run_ids: Sequence[str]) -> None:
    connection.execute(
        update(NODES)
        .where(NODES.c.run_id.in_(run_ids), NODES.c.status.in_(_UNFINISHED))
        .values(status=Status.CANCELLED.value)
    )


def _prune(connection: Connection, limits: Limits) -> int:
    """Remove the oldest runs; one that is under way only when it is too old by days."""
    too_old = RUNS.c.started_at < datetime.now(UTC) - timedelta(days=limits.keep_days)
    order = (RUNS.c.started_at.desc(), RUNS.c.id.desc())
    last = connection.execute(
        select(RUNS.c.started_at, RUNS.c.id).order_by(*order).offset(limits.keep_runs).limit(1)
    ).first()
    beyond = too_old
    if last is not None:
        surplus = tuple_(RUNS.c.started_at, RUNS.c.id) <= tuple(last)
        beyond = or_(too_old, surplus & (RUNS.c.status != Status.RUNNING.value))
    return connection.execute(delete(RUNS).where(beyond)).rowcount
