"""The sandbox's face: a pool of workers behind blocking, thread-safe calls."""

from __future__ import annotations

import atexit
import json
import os
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from traitlets import Enum, Float, Int, default
from traitlets.config import SingletonConfigurable

from ..errors import TemplateError
from .protocol import Frame
from .worker_process import (
    WorkerDiedError,
    WorkerProcess,
    WorkerTimeoutError,
    WorkerTooLargeError,
)

# Between the engine's own clock and the parent's: room to answer "timeout" rather than be killed.
HARD_GRACE = 0.15
# Of the memory limit there may be one value in an answer for so many.
_BYTES_A_VALUE = 16
# Sources in one request: the parent's clock must not run out over a long flow's many templates.
CHECKED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class SyntaxReport:
    """Why a source does not parse.

    Parameters
    ----------
    code : str
        ``syntax``, or a limit's code for a source that could not even be parsed within it.
    message : str
        The engine's reason.
    line : int or None
        In the checked form, from 1.
    """

    code: str
    message: str
    line: int | None


class Sandbox(SingletonConfigurable):
    """Evaluates JavaScript programs in worker processes.

    Workers that time out, run out of memory or crash are thrown away and replaced; the calling
    process neither hangs nor crashes. Options take effect with the next worker. Jobs of promises
    are never run, so that there is nothing to wait for and no number of them to limit.
    """

    engine = Enum(
        ["wasm", "native"],
        "wasm",
        help="`wasm` (QuickJS as WebAssembly), or `native` (QuickJS-ng as machine code): faster, "
        "for templates that you trust.",
    ).tag(config=True)
    time_limit = Float(
        1.0, min=0.01, max=60.0, help="Seconds that one evaluation may take (0.01 to 60)."
    ).tag(config=True)
    memory_limit = Int(
        64, min=8, max=1024, help="Megabytes that one evaluation may use (8 to 1024)."
    ).tag(config=True)
    stack_limit = Int(512, min=64, max=900, help="Kilobytes of JavaScript stack (64 to 900).").tag(
        config=True
    )
    output_limit = Int(
        32, min=1, max=256, help="Megabytes of JSON that one evaluation may return (1 to 256)."
    ).tag(config=True)
    process_limit = Int(
        1024,
        min=256,
        max=8192,
        help="Megabytes that a worker process may hold, watched from outside (256 to 8192).",
    ).tag(config=True)
    workers = Int(min=1, max=32, help="How many worker processes may run at once (1 to 32).").tag(
        config=True
    )

    @default("workers")
    def _default_workers(self) -> int:
        return min(4, os.cpu_count() or 1)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._free: list[WorkerProcess] = []
        # With the thread that each works for.
        self._busy: dict[WorkerProcess, int] = {}
        # Those that were started and not yet seen to have ended.
        self._started: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()
        self._changed = threading.Condition()
        _instances.add(self)
        self.observe(self._options_changed, list(self.traits(config=True)))
        atexit.register(self.close)

    def prestart(self) -> None:
        """Start one worker in the background, so that the first template need not wait for it."""
        with self._changed:
            if not self._free and not self._busy:
                self._free.append(self._start())

    def evaluate(self, program: str, payload: bytes, *, expression: str = "") -> bytes:
        """Run a program.

        Parameters
        ----------
        program : str
            JavaScript whose value is JSON text.
        payload : bytes
            UTF-8 JSON that the program reads.
        expression : str
            What to show in an error about the evaluation as a whole.

        Returns
        -------
        bytes
            UTF-8 JSON.

        Raises
        ------
        TemplateError
            With code ``timeout``, ``memory``, ``output_size``, ``runtime`` or ``crashed``.
        SandboxError
            No worker can be started.
        """
        text = program.encode("utf-8", "surrogatepass")
        header = {"operation": "evaluate", "program_bytes": len(text)}
        answer = self._ask(Frame(header, text + payload), expression)
        if answer.header["status"] == "ok":
            self._require_holdable(answer.body, expression)
            return answer.body
        raise self._failure(answer.header["code"], answer.header["message"], expression)

    def check(self, sources: Sequence[Sequence[str]]) -> list[SyntaxReport | None]:
        """Whether sources parse.

        Parameters
        ----------
        sources : sequence of sequences of str
            For each source the forms that must all parse; each begins with ``engine.PARSED``, so
            that nothing of it is run.

        Returns
        -------
        list of SyntaxReport or None
            One for each source; None where all of its forms parse.
        """
        reports: list[SyntaxReport | None] = []
        for start in range(0, len(sources), CHECKED_AT_ONCE):
            batch = [list(forms) for forms in sources[start : start + CHECKED_AT_ONCE]]
            answer = self._ask(Frame({"operation": "check"}, json.dumps(batch).encode()), "")
            if answer.header["status"] != "ok":
                raise self._failure(answer.header["code"], answer.header["message"], "")
            reports += [
                SyntaxReport(**item) if item else None for item in answer.header["problems"]
            ]
        return reports

    def confinement(self) -> dict[str, str]:
        """Say what contains a worker besides its engine.

        Returns
        -------
        dict of str
            For ``landlock`` and ``seccomp``: ``on``, or why not.

        Raises
        ------
        SandboxError
            No worker can be started.
        """
        worker = self._take()
        try:
            return worker.confinement()
        finally:
            self._give_back(worker)

    def forget(self) -> None:
        """In a forked process: the workers are the other's, and so are its threads' locks."""
        self._free, self._busy = [], {}
        self._changed = threading.Condition()

    def close(self) -> None:
        """End all workers. The sandbox starts new ones when it is used again."""
        with self._changed:
            workers = [*self._free, *self._busy]
            self._free.clear()
            self._busy.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.kill()

    def _ask(self, frame: Frame, expression: str) -> Frame:
        if len(frame.body) > self.memory_limit << 20:
            # Not sent: the worker could not even hold it.
            raise self._failure("memory", "", expression)
        worker = None
        try:
            worker = self._take()
            return worker.ask(
                frame, self.time_limit + HARD_GRACE, most_bytes=self.process_limit << 20
            )
        except WorkerTimeoutError:
            raise self._failure("timeout", "", expression) from None
        except WorkerTooLargeError:
            message = f"the sandbox's worker held more than {self.process_limit} MB"
            raise self._failure("process_memory", message, expression) from None
        except WorkerDiedError:
            raise self._failure("crashed", "the sandbox's worker died", expression) from None
        except KeyboardInterrupt:
            self._reap()
            raise
        finally:
            if worker is not None:
                self._give_back(worker)

    def _reap(self) -> None:
        """End this thread's workers, and those that an interrupt left between two places."""
        with self._changed:
            mine = [w for w, thread in self._busy.items() if thread == threading.get_ident()]
            lost = [w for w in self._started if w not in self._busy and w not in self._free]
            for worker in mine:
                del self._busy[worker]
            self._changed.notify()
        for worker in [*mine, *lost]:
            worker.kill()

    def _require_holdable(self, answer: bytes, expression: str) -> None:
        """Refuse what would take much more of this process than of the worker.

        An empty list is two bytes of JSON and 56 in Python.
        """
        values = sum(answer.count(mark) for mark in (b",", b"[", b"{"))
        most = (self.memory_limit << 20) // _BYTES_A_VALUE
        if values > most:
            message = f"the result has about {values:,} values; the limit is {most:,}"
            raise self._failure("values", message, expression)

    def _failure(self, code: str, message: str, expression: str) -> TemplateError:
        texts = {
            "timeout": (
                f"it ran longer than {self.time_limit:g} s and was stopped",
                "Make it do less, or raise the limit: %config Sandbox.time_limit = …",
            ),
            "memory": (
                f"it needed more than {self.memory_limit} MB",
                "Pass it less data, or raise the limit: %config Sandbox.memory_limit = …",
            ),
            "process_memory": (
                message,
                "Pass it less data, or raise the limit: %config Sandbox.process_limit = …",
            ),
            "values": (
                message,
                "Return less, or raise the limit: %config Sandbox.memory_limit = …",
            ),
            "output_size": (
                message,
                "Return less, or raise the limit: %config Sandbox.output_limit = …",
            ),
        }
        text, hint = texts.get(code, (message, None))
        code = {"process_memory": "memory", "values": "output_size"}.get(code, code)
        return TemplateError(code, text, expression=expression, hint=hint)

    def _take(self) -> WorkerProcess:
        with self._changed:
            while True:
                while self._free:
                    worker = self._free.pop()
                    if worker.alive:
                        self._busy[worker] = threading.get_ident()
                        return worker
                    worker.kill()
                if len(self._busy) < self.workers:
                    worker = self._start()
                    self._busy[worker] = threading.get_ident()
                    return worker
                self._changed.wait()

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._changed:
            if worker in self._busy:
                del self._busy[worker]
                if worker.settings != self._settings():
                    worker.kill()  # an option was changed meanwhile
                if worker.alive:
                    self._free.append(worker)
            self._changed.notify()

    def _start(self) -> WorkerProcess:
        """Start a worker in a thread of its own: an interrupt comes only to the main one."""
        made: Future[WorkerProcess] = Future()

        def make() -> None:
            try:
                made.set_result(WorkerProcess(self._settings(), self._started))
            except BaseException as error:
                made.set_exception(error)

        try:
            threading.Thread(target=make, name="flowlib-sandbox-start", daemon=True).start()
            return made.result()
        except KeyboardInterrupt:
            made.add_done_callback(_end)
            raise

    def _settings(self) -> dict[str, Any]:
        return {
            "limits": {
                "seconds": self.time_limit,
                "memory_bytes": self.memory_limit << 20,
                "stack_bytes": self.stack_limit << 10,
            },
            "hard_seconds": self.time_limit + 4 * HARD_GRACE,
            "output_bytes": self.output_limit << 20,
            "engine": self.engine,
        }

    def _options_changed(self, change: object) -> None:
        # Limits are fixed at a worker's start: idle workers would keep the old ones.
        with self._changed:
            idle, self._free = self._free, []
        for worker in idle:
            worker.kill()


def _end(made: Future[WorkerProcess]) -> None:
    if made.exception() is None:
        made.result().kill()


# So that a forked process can tell them.
_instances: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _forget_all() -> None:
    for instance in _instances:
        instance.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def sandbox() -> Sandbox:
    """The process's sandbox, configured by the application that runs it."""
    return Sandbox.instance()
