"""Ends what a thread waits for when the node that waits for the thread is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ....errors import NodeError

if TYPE_CHECKING:
    from ..base import InThread

_T = TypeVar("_T")
_AGAIN_SECONDS = 0.1
_TRIES = 100
# A cancelled run waits so long for the query to end, lest the process ends first.
_WAIT_SECONDS = 0.5


class Stopper:
    """Between the thread that runs a query and whoever may want it to end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None
        self._stopped = False
        self._ended = threading.Event()

    @contextlib.contextmanager
    def watching(self, stop: Callable[[], object]) -> Iterator[None]:
        """Let a query be ended while it runs.

        Parameters
        ----------
        stop : callable
            Ends it, from any thread; never called after the block.

        Raises
        ------
        NodeError
            It was to be ended before it began.
        """
        with self._lock:
            if self._stopped:
                raise NodeError("The query was cancelled.")
            self._stop = stop
        try:
            yield
        finally:
            with self._lock:
                self._stop = None

    def stop(self) -> None:
        """End the query, in a thread of its own."""
        with self._lock:
            self._stopped = True
        threading.Thread(target=self._insist, name="flowlib-stop", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether the thread is done."""
        return self._ended.is_set()

    def ended(self) -> None:
        """Say that the thread is done."""
        self._ended.set()

    def _insist(self) -> None:
        # More than once: a query that has not quite begun does not hear the first call.
        for _ in range(_TRIES):
            with self._lock, contextlib.suppress(Exception):
                if self._stop is not None:
                    self._stop()
            if self._ended.wait(_AGAIN_SECONDS):
                return


async def in_stoppable_thread(
    in_thread: InThread, function: Callable[..., _T], /, *args: Any
) -> _T:
    """Run a blocking function in a thread, and end its query when this call is cancelled.

    Parameters
    ----------
    in_thread : callable
        Runs functions in threads.
    function : callable
        Its first argument is a :class:`Stopper`.
    *args
        The others.
    """
    stopper = Stopper()

    def work() -> _T:
        try:
            return function(stopper, *args)
        finally:
            stopper.ended()

    try:
        return await in_thread(work)
    except asyncio.CancelledError:
        stopper.stop()
        for _ in range(10):
            if stopper.has_ended:
                break
            await asyncio.sleep(_WAIT_SECONDS / 10)
        raise
