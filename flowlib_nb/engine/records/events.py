"""What the engine tells the recorder."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node that a run will come to.

    Parameters
    ----------
    name, action : str
        The node and what it uses.
    place : int
        Its place in the order in which they run, from 0.
    """

    name: str
    action: str
    place: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has begun.

    Parameters
    ----------
    id : str
        The run.
    flow : str
        The flow's name.
    text : str
        The flow's definition.
    started_at : datetime
        With a time zone.
    nodes : tuple of NodeStarted
        All nodes of the run.
    """

    id: str
    flow: str
    text: str = field(repr=False)
    started_at: datetime
    nodes: tuple[NodeStarted, ...]


@dataclass(frozen=True, slots=True)
class FailedItemRecord:
    """An iteration of ``each`` that failed.

    Parameters
    ----------
    index : int
        Its place in the list, from 0.
    item : object
        The item.
    error : str
        Why.
    """

    index: int
    item: Any = field(repr=False)
    error: str


@dataclass(frozen=True, slots=True)
class NodeEnded:
    """A node has ended, or will never begin.

    Parameters
    ----------
    run_id : str
        The run.
    name : str
        The node.
    status : str
        A final one.
    attempt : int
        How often it was tried.
    started : datetime or None
        With a time zone.
    seconds : float or None
        Wall time from start to end.
    rows : int or None
        Of what it gave.
    input : object
        The rendered parameters: a mapping; with ``each`` a list of them.
    output : object
        What it gave.
    error : str or None
        Why it failed or was skipped.
    failed_items : tuple of FailedItemRecord
        With ``each``.

    Notes
    -----
    The writer's thread reads ``input`` and ``output`` a little later, not copies of them: code that
    changes them in the meantime changes what is recorded.
    """

    run_id: str
    name: str
    status: str
    attempt: int
    started: datetime | None
    seconds: float | None
    rows: int | None
    input: Any = field(repr=False)
    output: Any = field(repr=False)
    error: str | None
    failed_items: tuple[FailedItemRecord, ...]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended.

    Parameters
    ----------
    id : str
        The run.
    status : str
        A final one.
    seconds : float
        Wall time from start to end.
    error : str or None
        Why it failed.
    """

    id: str
    status: str
    seconds: float
    error: str | None


Event = RunStarted | NodeEnded | RunEnded
