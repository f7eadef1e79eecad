"""Events as rows of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...models.run import Status
from .errors import RecordsError
from .events import Event, NodeEnded, RunEnded, RunStarted
from .processes import ProcessIdentity
from .values import Redact, StoredValue, clean_text, pack

# Characters.
_LONGEST_FLOW = 200_000
_LONGEST_ERROR = 20_000
_LONGEST_NAME = 1_000
Row = dict[str, Any]


@dataclass(slots=True, repr=False)
class Batch:
    """Rows to write in one transaction.

    Parameters
    ----------
    runs, nodes, values : list of dict
        New rows.
    ended_nodes, ended_runs : list of dict
        New values of columns; ``of_run`` and ``at`` say of which rows.
    size : int
        Bytes of the values.
    """

    runs: list[Row] = field(default_factory=list)
    nodes: list[Row] = field(default_factory=list)
    values: list[Row] = field(default_factory=list)
    ended_nodes: list[Row] = field(default_factory=list)
    ended_runs: list[Row] = field(default_factory=list)
    size: int = field(default=0, init=False)

    @property
    def run_ids(self) -> set[str]:
        """The runs that it writes to."""
        return {_run_of(row) for rows in self._parts for row in rows}

    def by_run(self) -> Iterator[Batch]:
        """Split it into one for each run."""
        for run in self.run_ids:
            parts = ([row for row in rows if _run_of(row) == run] for rows in self._parts)
            yield Batch(*parts)

    @property
    def _parts(self) -> tuple[list[Row], ...]:
        return (self.runs, self.nodes, self.values, self.ended_nodes, self.ended_runs)


class Changes:
    """Turns events into rows; knows the nodes of the runs that are under way."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, int]] = {}

    def add(self, event: Event, batch: Batch, redact: Redact, max_value_bytes: int) -> None:
        """Put what an event changes into a batch.

        Parameters
        ----------
        event : RunStarted, NodeEnded or RunEnded
            The event.
        batch : Batch
            Where its rows go.
        redact : callable
            Masks secrets.
        max_value_bytes : int
            Bytes of JSON of one value.

        Raises
        ------
        RecordsError
            The event is about something that was never announced.
        """
        if isinstance(event, RunStarted):
            self._places[event.id] = {node.name: node.place for node in event.nodes}
            _add_run(event, batch, redact)
        elif isinstance(event, NodeEnded):
            place = self._places.get(event.run_id, {}).get(event.name)
            if place is None:
                raise RecordsError(f"the run {event.run_id} was not announced with such a node.")
            _add_node(event, place, batch, redact, max_value_bytes)
        else:
            self._places.pop(event.id, None)
            _add_end(event, batch, redact)


def _run_of(row: Row) -> str:
    return str(row.get("of_run") or row.get("run_id") or row.get("id"))


def _add_run(event: RunStarted, batch: Batch, redact: Redact) -> None:
    process = ProcessIdentity.current()
    batch.runs.append(
        {
            "id": event.id,
            "flow": clean_text(event.flow, redact, _LONGEST_NAME),
            "text": clean_text(event.text, redact, _LONGEST_FLOW),
            "started_at": event.started_at,
            "status": Status.RUNNING.value,
            "seconds": None,
            "error": None,
            "interrupted": False,
            "host": process.host,
            "pid": process.pid,
            "process_started": process.started,
            "boot": process.boot,
        }
    )
    batch.nodes += [
        {
            "run_id": event.id,
            "place": node.place,
            "name": clean_text(node.name, redact, _LONGEST_NAME),
            "action": clean_text(node.action, redact, _LONGEST_NAME),
            "status": Status.PENDING.value,
            "attempt": 0,
        }
        for node in event.nodes
    ]


def _add_node(event: NodeEnded, place: int, batch: Batch, redact: Redact, limit: int) -> None:
    batch.ended_nodes.append(
        {
            "of_run": event.run_id,
            "at": place,
            "status": str(event.status),
            "attempt": event.attempt,
            "started": event.started,
            "seconds": event.seconds,
            "rows": event.rows,
            "error": _error(event.error, redact),
        }
    )
    failed = [
        {"index": failure.index, "item": failure.item, "error": failure.error}
        for failure in event.failed_items
    ]
    given = {"input": event.input, "output": event.output, "failed_items": failed or None}
    for kind, value in given.items():
        if value is not None:
            packed = pack(value, redact, limit)
            batch.size += len(packed.content)
            batch.values.append(_value_row(event.run_id, place, kind, packed))


def _value_row(run_id: str, place: int, kind: str, packed: StoredValue) -> Row:
    return {
        "run_id": run_id,
        "place": place,
        "kind": kind,
        "encoding": packed.encoding,
        "shape": packed.shape,
        "rows": packed.rows,
        "truncated": packed.truncated,
        "content": packed.content,
    }


def _add_end(event: RunEnded, batch: Batch, redact: Redact) -> None:
    batch.ended_runs.append(
        {
            "of_run": event.id,
            "status": str(event.status),
            "seconds": event.seconds,
            "error": _error(event.error, redact),
        }
    )


def _error(error: str | None, redact: Redact) -> str | None:
    return None if error is None else clean_text(error, redact, _LONGEST_ERROR)
