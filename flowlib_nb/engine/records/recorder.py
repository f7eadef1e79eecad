"""The engine's side of recording."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...errors import FlowlibError
from ..options.records import Location, RunRecords
from .writer import Item, writer

if TYPE_CHECKING:
    from .events import Event, NodeEnded, RunEnded, RunStarted
    from .values import Redact

_log = logging.getLogger("flowlib_nb.records")


def _unchanged(text: str) -> str:
    return text


class Recorder:
    """Records runs. Its calls return at once and never fail; one thread of the process writes.

    Make as many as you like; where the records go is settled when one is made.

    Parameters
    ----------
    redact : callable, optional
        Masks secrets in a text, wherever in it they stand. It is called in the writer's thread, on
        every text that is stored.
    options : RunRecords, optional
        The process's own if left out.
    location : Path or DatabaseUrl, optional
        An SQLite file or an address; by the options if left out.
    """

    def __init__(
        self,
        *,
        redact: Redact = _unchanged,
        options: RunRecords | None = None,
        location: Location | None = None,
    ) -> None:
        options = options or RunRecords.instance()
        self._redact = redact
        self._limits = options.limits()
        self._is_open = options.enabled
        if location is None and self._is_open:
            location = self._located(options)
        self._location = location

    @property
    def location(self) -> Location | None:
        """Where the records go."""
        return self._location

    def run_started(self, event: RunStarted) -> None:
        """Record that a run has begun."""
        self._put(event)

    def node_ended(self, event: NodeEnded) -> None:
        """Record that a node has ended."""
        self._put(event)

    def run_ended(self, event: RunEnded) -> None:
        """Record that a run has ended."""
        self._put(event)

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until everything recorded so far is in the database, or was given up.

        Parameters
        ----------
        seconds : float, optional
            How long to wait; without it, as long as it takes.

        Returns
        -------
        bool
            Whether it is.
        """
        return writer().flush(seconds)

    def close(self) -> None:
        """Wait like :meth:`flush`, and record no more."""
        self._is_open = False
        self.flush()

    def _put(self, event: Event) -> None:
        if self._is_open and self._location is not None:
            writer().put(Item(event, self._location, self._redact, self._limits))

    @staticmethod
    def _located(options: RunRecords) -> Location | None:
        try:
            return options.location()
        except FlowlibError as error:
            _log.warning("Runs are not being recorded; they go on without. %s", error)
            return None
