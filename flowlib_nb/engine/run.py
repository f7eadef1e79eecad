"""A run, while it is under way and afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import FlowFailedError, FlowlibError, InputError
from ..frames import row_count, to_frame
from ..hints import did_you_mean
from ..models.run import NodeState, RunSnapshot, Status

if TYPE_CHECKING:
    import pandas as pd

PREVIEW_ROWS = 20
_TICK_SECONDS = 0.1
# Clean-up after a cancellation that takes longer goes on in the background.
_CANCEL_SECONDS = 0.8


@dataclass(frozen=True, slots=True, repr=False)
class NodeResult:
    """What a node of a run gave.

    Parameters
    ----------
    state : NodeState
        The node in the run.
    """

    state: NodeState

    @property
    def status(self) -> Status:
        """Where the node stands."""
        return self.state.status

    @property
    def value(self) -> Any:
        """What it gave; None while there is nothing."""
        return self.state.value

    @property
    def df(self) -> pd.DataFrame:
        """What it gave, as a DataFrame.

        Raises
        ------
        FlowFailedError
            It gave nothing, because it failed or never ran.
        """
        if self.status is not Status.SUCCESS:
            raise FlowFailedError(_no_value(self.state))
        return to_frame(self.value)

    @property
    def error(self) -> FlowlibError | None:
        """Why it failed or was skipped."""
        return self.state.error

    def __repr__(self) -> str:
        """Show name and status; a value may be large."""
        return f"<node {self.state.name}: {self.status.value}>"


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a run is done.

    Parameters
    ----------
    nodes_done, nodes_total : int
        Nodes that have ended, and all.
    items_done, items_total : int
        Iterations of nodes with ``each`` that have begun.
    """

    nodes_done: int
    nodes_total: int
    items_done: int
    items_total: int

    def __str__(self) -> str:
        """Say it in words."""
        text = f"{self.nodes_done:,} of {self.nodes_total:,} nodes"
        if self.items_total:
            text += f", {self.items_done:,} of {self.items_total:,} items"
        return text


class Run:
    """One run of a flow.

    Parameters
    ----------
    flow : str
        The flow's name.
    nodes : sequence of NodeState
        In the order in which they run.
    output_node : str
        The node whose value is the run's output.
    """

    def __init__(self, flow: str, nodes: Sequence[NodeState], output_node: str) -> None:
        self.id = uuid4().hex[:12]
        self.flow = flow
        self.status = Status.PENDING
        self.started_at = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._seconds: float | None = None
        self._nodes = {node.name: node for node in nodes}
        self._output_node = output_node
        self._finished = threading.Event()
        self._future: Future[None] | None = None
        self._resume: Callable[[Mapping[str, Any]], Run] | None = None
        # How many rows of the result its displays show.
        self.preview_rows = PREVIEW_ROWS

    @property
    def output(self) -> Any:
        """The output node's value.

        Raises
        ------
        FlowFailedError
            The node gave nothing. One that was skipped because no way led to it gives None.
        """
        state = self._nodes[self._output_node]
        if state.status is Status.SKIPPED and state.error is None:
            return None
        if state.status is not Status.SUCCESS:
            raise FlowFailedError(self._no_output(state))
        return state.value

    @property
    def df(self) -> pd.DataFrame:
        """The output node's value as a DataFrame.

        Raises
        ------
        FlowFailedError
            The node gave nothing.
        """
        return to_frame(self.output)

    @property
    def error(self) -> FlowlibError | None:
        """The first error of a node; None where all went well."""
        return next((n.error for n in self._nodes.values() if n.status is Status.FAILED), None)

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.perf_counter() - self._clock if self._seconds is None else self._seconds

    @property
    def trace(self) -> pd.DataFrame:
        """A row for each node: node, action, status, attempt, started, seconds, rows, error."""
        import pandas as pd

        states = list(self._nodes.values())
        return pd.DataFrame(
            {
                "node": [s.name for s in states],
                "action": [s.action for s in states],
                "status": [s.status.value for s in states],
                "attempt": [s.attempt for s in states],
                "started": pd.Series([s.started for s in states], dtype="datetime64[us, UTC]"),
                "seconds": pd.array([s.seconds for s in states], dtype="Float64"),
                "rows": pd.array([_rows(s) for s in states], dtype="Int64"),
                "error": pd.Series(
                    [str(s.error) if s.error else None for s in states], dtype=object
                ),
            }
        )

    @property
    def failed_items(self) -> pd.DataFrame:
        """A row for each failed iteration of ``each``: node, index, item, error."""
        import pandas as pd

        rows = [
            (state.name, failed)
            for state in self._nodes.values()
            for failed in sorted(state.failed_items, key=lambda item: item.index)
        ]
        return pd.DataFrame(
            {
                "node": pd.Series([name for name, _ in rows], dtype=object),
                "index": pd.Series([item.index for _, item in rows], dtype="int64"),
                "item": pd.Series([item.item for _, item in rows], dtype=object),
                "error": pd.Series([str(item.error) for _, item in rows], dtype=object),
            }
        )

    def __getitem__(self, node: str) -> NodeResult:
        """Return what a node gave.

        Raises
        ------
        InputError
            The flow has no such node.
        """
        if node not in self._nodes:
            hint = did_you_mean(str(node), self._nodes)
            raise InputError(f"The flow has no node {node!r}.", hint=hint)
        return NodeResult(self._nodes[node])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the nodes' names."""
        return iter(self._nodes)

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self._nodes)

    def wait(self, on_tick: Callable[[RunSnapshot], None] | None = None) -> Run:
        """Wait until the run has ended.

        Parameters
        ----------
        on_tick : callable, optional
            Called about ten times a second in the waiting thread.

        Returns
        -------
        Run
            This run.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C or the notebook's interrupt; the run is cancelled, and still usable.
        """
        try:
            while not self._finished.wait(_TICK_SECONDS):
                if on_tick is not None:
                    on_tick(self.snapshot())
        except KeyboardInterrupt:
            self.cancel()
            raise
        return self

    @property
    def progress(self) -> Progress:
        """How much of the run is done."""
        nodes = self._nodes.values()
        return Progress(
            sum(node.is_final for node in nodes),
            len(nodes),
            sum(node.items_done for node in nodes),
            sum(node.items_total or 0 for node in nodes),
        )

    def resume(self, with_: Mapping[str, Any] | None = None, *, wait: bool = True) -> Run:
        """Run again what failed or was skipped, keeping what succeeded.

        Of a node with ``each`` only the items that did not succeed are done again, unless what
        comes before the node is done again, too.

        Parameters
        ----------
        with_ : mapping, optional
            Values of nodes, in place of what they gave, or failed to give; what needs them is done
            again.
        wait : bool
            Whether to wait for the end.

        Returns
        -------
        Run
            Another one. Functions of the notebook are those of now, inputs those of then.

        Raises
        ------
        InputError
            The run has not ended, or there is no such node.
        """
        if not self._finished.is_set() or self._resume is None:
            raise InputError("The run has not ended.", hint="Wait for it, or cancel it: run.wait()")
        if not isinstance(with_, Mapping | None):
            raise InputError("with_ is a mapping of nodes to values.")
        run = self._resume(dict(with_ or {}))
        return run.wait() if wait else run

    def cancel(self) -> None:
        """End the run. What has succeeded stays; a function that is being called runs on."""
        if self._future is not None and not self._finished.is_set():
            self._future.cancel()
            self._finished.wait(_CANCEL_SECONDS)

    def raise_for_status(self) -> Run:
        """Raise unless the run succeeded, like the method of that name on HTTP responses.

        Raises
        ------
        FlowFailedError
            With the first failed node and its error.
        """
        if self.status is Status.FAILED:
            failed = [n for n in self._nodes.values() if n.status is Status.FAILED]
            more = f"\n({len(failed) - 1} more failed; see run.trace)" if len(failed) > 1 else ""
            first = failed[0]
            raise FlowFailedError(f"The node {first.name!r} failed.\n{first.error}{more}")
        if self.status is Status.CANCELLED:
            raise FlowFailedError("The run was cancelled.")
        return self

    def snapshot(self) -> RunSnapshot:
        """The run as it stands, for displays."""
        return RunSnapshot(
            self.id,
            self.flow,
            self.status,
            self.seconds,
            tuple(self._nodes.values()),
            self._output_node,
        )

    def __repr__(self) -> str:
        """Show status, nodes and the first rows of the result as text."""
        from ..reports.text import run_text

        return run_text(self.snapshot(), preview_rows=self.preview_rows)

    def _repr_html_(self) -> str:
        from ..reports.html import run_html

        return run_html(self.snapshot(), preview_rows=self.preview_rows)

    def _no_output(self, state: NodeState) -> str:
        if self.error is not None and state.status is not Status.FAILED:
            failed = next(n for n in self._nodes.values() if n.status is Status.FAILED)
            return f"There is no output: the node {failed.name!r} failed.\n{failed.error}"
        return _no_value(state)

    # For the runner, in the engine's thread.

    def _began(self) -> None:
        self.status = Status.RUNNING

    def _ended(self, status: Status) -> None:
        self._seconds = time.perf_counter() - self._clock
        self.status = status
        self._finished.set()


def _no_value(state: NodeState) -> str:
    reason = f"\n{state.error}" if state.error else ""
    return f"The node {state.name!r} gave nothing: it is {state.status.value}.{reason}"


def _rows(state: NodeState) -> int | None:
    return row_count(state.value) if state.status is Status.SUCCESS else None
