"""A run of the past and its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...errors import FlowFailedError, InputError
from ...frames import to_frame
from ...hints import did_you_mean
from ...models.run import Status

if TYPE_CHECKING:
    import pandas as pd

    from .store import NodeRow, RunRow, RunStore
    from .values import StoredValue


class RecordedNode:
    """A node of a recorded run.

    Parameters
    ----------
    store : RunStore
        Where it is.
    run_id : str
        Its run.
    row : NodeRow
        What is known of it.
    """

    def __init__(self, store: RunStore, run_id: str, row: NodeRow) -> None:
        self._store = store
        self._run_id = run_id
        self._row = row

    @property
    def name(self) -> str:
        """The node's name."""
        return self._row.name

    @property
    def action(self) -> str:
        """What it uses."""
        return self._row.action

    @property
    def status(self) -> str:
        """How it ended."""
        return self._row.status

    @property
    def attempt(self) -> int:
        """How often it was tried."""
        return self._row.attempt

    @property
    def started(self) -> datetime | None:
        """When it began, UTC; None where it never did."""
        return self._row.started

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return self._row.seconds

    @property
    def rows(self) -> int | None:
        """How many rows it gave."""
        return self._row.rows

    @property
    def error(self) -> str | None:
        """Why it failed or was skipped."""
        return self._row.error

    @property
    def input(self) -> Any:
        """Its parameters with all templates filled in; with ``each`` a list, one for each item.

        None where none were kept. Of a large value only the first rows are kept: see
        :attr:`input_is_whole`.
        """
        return self._value("input")

    @property
    def output(self) -> Any:
        """What it gave; None where it gave nothing. A DataFrame is one again."""
        return self._value("output")

    @property
    def input_df(self) -> pd.DataFrame:
        """Its parameters as a frame.

        Raises
        ------
        InputError
            None were kept, because it never began.
        """
        if self._stored("input") is None:
            raise InputError(
                f"No input of the node {self.name!r} was kept: it is {self.status}.",
                hint=self.error,
            )
        return to_frame(self.input)

    @property
    def df(self) -> pd.DataFrame:
        """What it gave, as a frame.

        Raises
        ------
        FlowFailedError
            It gave nothing.
        """
        if self.status != Status.SUCCESS:
            reason = f"\n{self.error}" if self.error else ""
            text = f"The node {self.name!r} gave nothing: it is {self.status}.{reason}"
            raise FlowFailedError(text)
        return to_frame(self.output)

    @property
    def input_is_whole(self) -> bool:
        """Whether all of its input was kept."""
        return self._is_whole("input")

    @property
    def output_is_whole(self) -> bool:
        """Whether all of its output was kept."""
        return self._is_whole("output")

    @property
    def failed_items(self) -> pd.DataFrame:
        """A row for each failed iteration of ``each``: index, item, error."""
        import pandas as pd

        items = self._value("failed_items") or []
        return pd.DataFrame(
            {
                "index": pd.Series([item["index"] for item in items], dtype="int64"),
                "item": pd.Series([item["item"] for item in items], dtype=object),
                "error": pd.Series([item["error"] for item in items], dtype=object),
            }
        )

    def __repr__(self) -> str:
        """Show name and status; a value may be large."""
        return f"<recorded node {self.name}: {self.status}>"

    def _stored(self, kind: str) -> StoredValue | None:
        return self._store.value(self._run_id, self._row.place, kind)

    def _value(self, kind: str) -> Any:
        from .values import unpack

        stored = self._stored(kind)
        return None if stored is None else unpack(stored)

    def _is_whole(self, kind: str) -> bool:
        stored = self._stored(kind)
        return stored is None or not stored.truncated


class RecordedRun:
    """A run of the past.

    Parameters
    ----------
    store : RunStore
        Where it is.
    row : RunRow
        What is known of it.
    """

    def __init__(self, store: RunStore, row: RunRow) -> None:
        self._store = store
        self._row = row
        self._rows: dict[str, NodeRow] | None = None

    @property
    def row(self) -> RunRow:
        """All that is known of the run itself."""
        return self._row

    @property
    def id(self) -> str:
        """The run's id."""
        return self._row.id

    @property
    def flow(self) -> str:
        """The flow's name."""
        return self._row.flow

    @property
    def text(self) -> str:
        """The flow's definition as it was."""
        return self._row.text

    @property
    def status(self) -> str:
        """How it ended, or ``running``."""
        return self._row.status

    @property
    def started_at(self) -> datetime:
        """When it began, UTC."""
        return self._row.started_at

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs, or where it was interrupted."""
        return self._row.seconds

    @property
    def error(self) -> str | None:
        """Why it failed."""
        return self._row.error

    @property
    def interrupted(self) -> bool:
        """Whether its kernel ended while it ran."""
        return self._row.interrupted

    @property
    def trace(self) -> pd.DataFrame:
        """A row for each node: node, action, status, attempt, started, seconds, rows, error."""
        import pandas as pd

        rows = list(self._nodes.values())
        return pd.DataFrame(
            {
                "node": pd.Series([row.name for row in rows], dtype=object),
                "action": pd.Series([row.action for row in rows], dtype=object),
                "status": pd.Series([row.status for row in rows], dtype=object),
                "attempt": pd.Series([row.attempt for row in rows], dtype="int64"),
                "started": pd.Series([row.started for row in rows], dtype="datetime64[us, UTC]"),
                "seconds": pd.array([row.seconds for row in rows], dtype="Float64"),
                "rows": pd.array([row.rows for row in rows], dtype="Int64"),
                "error": pd.Series([row.error for row in rows], dtype=object),
            }
        )

    def __getitem__(self, node: str) -> RecordedNode:
        """Return a node.

        Raises
        ------
        InputError
            The run has no such node.
        """
        if node not in self._nodes:
            hint = did_you_mean(str(node), self._nodes)
            raise InputError(f"The run {self.id} has no node {node!r}.", hint=hint)
        return RecordedNode(self._store, self.id, self._nodes[node])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the nodes' names."""
        return iter(self._nodes)

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self._nodes)

    def __repr__(self) -> str:
        """Show the run in one line."""
        when = f"{self.started_at:%Y-%m-%d %H:%M:%S} UTC"
        return f"<recorded run {self.id} of {self.flow}: {self.status}, {when}>"

    @property
    def _nodes(self) -> dict[str, NodeRow]:
        if self._rows is None:
            self._rows = {row.name: row for row in self._store.nodes(self.id)}
        return self._rows
