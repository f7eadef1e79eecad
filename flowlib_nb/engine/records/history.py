"""``fl.runs``: the runs of the past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...hints import did_you_mean
from ...models.run import Status
from ..options.records import RunRecords
from .recorded import RecordedRun
from .writer import writer

if TYPE_CHECKING:
    import pandas as pd

    from .store import RunRow, RunStore

_FLUSH_SECONDS = 5.0
_GUESSES = 100


class Runs:
    """The recorded runs of the workspace, or of the database that the options name; newest first.

    ``runs["1f3a"]`` is the run whose id begins so, ``runs[0]`` the newest, ``runs[-1]`` the oldest.
    """

    @property
    def df(self) -> pd.DataFrame:
        """A row for each run: id, flow, status, started, seconds, nodes, failed, error."""
        import pandas as pd

        rows = self._rows()
        return pd.DataFrame(
            {
                "id": pd.Series([row.id for row in rows], dtype=object),
                "flow": pd.Series([row.flow for row in rows], dtype=object),
                "status": pd.Series([row.status for row in rows], dtype=object),
                "started": pd.Series([row.started_at for row in rows], dtype="datetime64[us, UTC]"),
                "seconds": pd.array([row.seconds for row in rows], dtype="Float64"),
                "nodes": pd.Series([row.nodes for row in rows], dtype="int64"),
                "failed": pd.Series([row.failed for row in rows], dtype="int64"),
                "error": pd.Series([row.error for row in rows], dtype=object),
            }
        )

    def latest(self, limit: int, *, status: str | None = None) -> list[RunRow]:
        """What is known of the newest runs.

        Parameters
        ----------
        limit : int
            How many.
        status : str, optional
            Only those of this status.
        """
        return self._rows(limit=limit, status=status)

    def __getitem__(self, key: str | int) -> RecordedRun:
        """Return a run by its id, the beginning of its id, or its position.

        Raises
        ------
        InputError
            There is no such run, or more than one.
        """
        if isinstance(key, str):
            return self._by_id(key)
        if isinstance(key, int) and not isinstance(key, bool):
            return self._at(key)
        raise InputError(
            f"Runs are found by id or position, not by a {type(key).__name__}.",
            hint='Such as fl.runs["1f3a"] or fl.runs[0], which is the newest.',
        )

    def __iter__(self) -> Iterator[RecordedRun]:
        """Iterate over the runs, newest first."""
        store = self._store()
        return iter([RecordedRun(store, row) for row in self._rows()])

    def __len__(self) -> int:
        """Return how many runs there are."""
        return self._store().count()

    def __repr__(self) -> str:
        """Show the frame."""
        frame = self.df
        return repr(frame) if len(frame) else "No runs are recorded yet."

    def _repr_html_(self) -> str:
        frame = self.df
        if not len(frame):
            return "<p>No runs are recorded yet.</p>"
        html: str = frame._repr_html_()  # type: ignore[operator]
        return html

    def _store(self) -> RunStore:
        from .store import RunStore

        # What this process has just done shall be seen.
        writer().flush(_FLUSH_SECONDS)
        return RunStore.open(RunRecords.instance().location())

    def _rows(self, **which: Any) -> list[RunRow]:
        store = self._store()
        unmarked = store.mark_interrupted()
        return [_settled(row, unmarked) for row in store.runs(**which)]

    def _by_id(self, key: str) -> RecordedRun:
        store = self._store()
        unmarked = store.mark_interrupted()
        row = store.run(key)
        if row is None:
            rows = store.runs_by_prefix(key, limit=_GUESSES) if key else []
            if len(rows) > 1:
                ids = ", ".join(row.id for row in rows[:5]) + (", …" if len(rows) > 5 else "")
                raise InputError(f"{len(rows)} runs begin with {key!r}: {ids}.")
            row = next(iter(rows), None)
        if row is None:
            known = [row.id for row in store.runs(limit=_GUESSES)]
            hint = did_you_mean(key, known) or "fl.runs shows those that there are."
            raise InputError(f"There is no recorded run {key!r}.", hint=hint)
        return RecordedRun(store, _settled(row, unmarked))

    def _at(self, position: int) -> RecordedRun:
        store = self._store()
        unmarked = store.mark_interrupted()
        offset = position if position >= 0 else store.count() + position
        rows = store.runs(limit=1, offset=offset) if offset >= 0 else []
        if not rows:
            raise InputError(
                f"There is no run at {position}: {store.count()} are recorded.",
                hint="fl.runs[0] is the newest.",
            )
        return RecordedRun(store, _settled(rows[0], unmarked))


def _settled(row: RunRow, unmarked: frozenset[str]) -> RunRow:
    """A run as it is, where it could not be marked as interrupted in the database."""
    if row.id not in unmarked:
        return row
    from dataclasses import replace

    from .store import INTERRUPTED

    return replace(row, status=Status.CANCELLED.value, error=INTERRUPTED, interrupted=True)


runs = Runs()
