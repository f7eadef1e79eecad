"""The engine's event loop, in a thread of its own, and threads for blocking work.

A kernel's own loop runs the cell, so the engine needs another; and a thread of the standard pool
that hangs would keep the kernel from exiting, so blocking work gets daemon threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

_T = TypeVar("_T")
THREAD_NAME = "flowlib-engine"
_CLOSE_SECONDS = 4.0


class DaemonThreads(Executor):
    """Runs each call in a new daemon thread, at most so many at once.

    Parameters
    ----------
    most : int
        How many calls run at once; further ones wait in their threads.
    """

    def __init__(self, most: int = 64) -> None:
        self._slots = threading.Semaphore(most)

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Start ``fn``; the result comes in the future."""
        future: Future[_T] = Future()
        context = contextvars.copy_context()
        call = functools.partial(context.run, fn, *args, **kwargs)

        def work() -> None:
            with self._slots:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)

        threading.Thread(target=work, name="flowlib-work", daemon=True).start()
        return future


class Background:
    """An event loop in a daemon thread, started when first used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._threads = DaemonThreads()

    def start(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run a coroutine on the loop.

        Parameters
        ----------
        work : coroutine
            What to run.

        Returns
        -------
        concurrent.futures.Future
            Cancelling it cancels the coroutine.
        """
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    async def in_thread(self, function: Callable[..., _T], /, *args: Any) -> _T:
        """Run a blocking function without holding up the loop."""
        return await asyncio.wrap_future(self._threads.submit(function, *args))

    def close(self) -> None:
        """Cancel what runs, and end the loop and its thread; it starts again when it is used."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or not loop.is_running():
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(_CLOSE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_CLOSE_SECONDS)
        if not thread.is_alive():
            loop.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or not self._loop.is_running():
                self._loop = asyncio.new_event_loop()
                started = threading.Event()
                self._loop.call_soon(started.set)
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name=THREAD_NAME, daemon=True
                )
                self._thread.start()
                started.wait()
            return self._loop


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), _CLOSE_SECONDS / 2)


@functools.lru_cache(maxsize=1)
def background() -> Background:
    """The process's engine loop."""
    return Background()


if hasattr(os, "register_at_fork"):
    # In a forked process there is a loop without its thread.
    os.register_at_fork(after_in_child=background.cache_clear)
