"""What is known of a run: its nodes, their statuses, times and values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..errors import FlowlibError

# In place of the value of an iteration that failed, or was not reached.
UNDONE: Any = object()


class Status(StrEnum):
    """Of a run or of a node. A run is never ``skipped``, a node never ``paused``."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    PAUSED = "paused"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return self not in (Status.PENDING, Status.RUNNING, Status.PAUSED)


@dataclass(frozen=True, slots=True)
class FailedItem:
    """One iteration of ``each`` that failed.

    Parameters
    ----------
    index : int
        Its place in the list, from 0.
    item : object
        The item.
    error : FlowlibError
        Why.
    """

    index: int
    item: Any
    error: FlowlibError


@dataclass(slots=True)
class NodeState:
    """One node of a run, while it runs and afterwards.

    Parameters
    ----------
    name, action : str
        The node and what it uses.
    status : Status
        Where it stands.
    attempt : int
        How often it was tried; with ``each``, the highest number over all items.
    started : datetime, optional
        UTC.
    seconds : float, optional
        Wall time from start to end.
    parameters : object
        What its templates gave; with ``each`` a list of that, one for each item.
    value : object
        What it gave.
    cached : int
        How many of its calls were not made, since their values were at hand.
    error : FlowlibError, optional
        Why it failed, or was skipped.
    items_total, items_done : int, optional
        With ``each``.
    failed_items : list of FailedItem
        With ``each`` and ``on_error: collect`` or ``skip``.
    items, item_values : list, optional
        With ``each``: what it iterates over, and what each item gave, or ``UNDONE``.
    """

    name: str
    action: str
    status: Status = Status.PENDING
    attempt: int = 0
    started: datetime | None = None
    seconds: float | None = None
    parameters: Any = None
    value: Any = None
    cached: int = 0
    error: FlowlibError | None = None
    items_total: int | None = None
    items_done: int = 0
    failed_items: list[FailedItem] = field(default_factory=list)
    items: list[Any] | None = None
    item_values: list[Any] | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended, or will never begin."""
        return self.status.is_final


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run at one moment, for displays.

    Parameters
    ----------
    id : str
        The run.
    flow : str
        The flow's name.
    status : Status
        Of the whole run.
    seconds : float
        Since it started, or until it ended.
    nodes : tuple of NodeState
        In the order in which they run.
    output_node : str
        The node whose value is the run's output.
    """

    id: str
    flow: str
    status: Status
    seconds: float
    nodes: tuple[NodeState, ...]
    output_node: str

    @property
    def output(self) -> NodeState | None:
        """The output node, where it succeeded."""
        for node in self.nodes:
            if node.name == self.output_node and node.status is Status.SUCCESS:
                return node
        return None
