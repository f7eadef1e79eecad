"""One worker process as the kernel sees it: start, ask with a deadline, kill."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Any, BinaryIO, cast

import psutil

from ..errors import SandboxError
from .protocol import Frame, FrameTooLargeError, read_frame, write_frame

# From a cold start: interpreter, compiling the engine's WebAssembly, taking the memory image.
START_SECONDS = 30.0
# How often the memory of a worker is looked at.
_WATCH_SECONDS = 0.05
# What the first worker of an engine compiled, for those after it.
_CODE: dict[str, bytes] = {}
_MOST_CODE = 64 << 20
_BOOT = "import sys; sys.path[:0] = {paths!r}; from flowlib_nb.sandbox.worker import main; main()"


# An interrupt goes to the kernel's whole process group; a worker must not die of it.
_OWN_GROUP: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if os.name == "nt"
    else {"process_group": 0}
)


class WorkerTimeoutError(Exception):
    """The worker did not answer before the hard deadline; it has been killed."""


class WorkerTooLargeError(Exception):
    """The worker took too much memory; it has been killed."""


class WorkerDiedError(Exception):
    """The worker ended or broke the protocol."""


class WorkerProcess:
    """A fresh interpreter that evaluates templates.

    Parameters
    ----------
    settings : dict
        The first frame's header: engine limits and ``output_bytes``; an answer with a longer body
        is treated as a broken worker's.
    started : WeakSet, optional
        Where it is noted before there is a process.

    Notes
    -----
    The process inherits no environment, no descriptor but its pipes, and starts in the root folder.
    """

    def __init__(
        self, settings: dict[str, Any], started: weakref.WeakSet[WorkerProcess] | None = None
    ) -> None:
        self.settings = settings
        if started is not None:
            started.add(self)
        # Closed by kill(), with the process.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT.format(paths=_import_paths())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=_environment(),
            cwd=Path(sys.executable).anchor,
            close_fds=True,
            # Without buffers there are no locks of theirs that a fork of this process could copy
            # while another thread holds them.
            bufsize=0,
            **_OWN_GROUP,
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._answers: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._ready = False
        self._confinement: dict[str, str] = {}
        # A thread reads, so that waiting with a deadline works alike on every platform.
        self._reader = threading.Thread(target=self._read, name="flowlib-sandbox", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def confinement(self) -> dict[str, str]:
        """What contains the process; see :func:`flowlib_nb.sandbox.confinement.confine`."""
        self._wait_until_ready()
        return self._confinement

    def ask(self, frame: Frame, seconds: float, *, most_bytes: int) -> Frame:
        """Send a frame and wait for the answer.

        Parameters
        ----------
        frame : Frame
            The request.
        seconds : float
            The hard limit, counted from when the worker is ready.
        most_bytes : int
            Memory that the process may hold.

        Raises
        ------
        SandboxError
            The worker could not start.
        WorkerTimeoutError, WorkerTooLargeError, WorkerDiedError
            The worker has been killed.
        """
        try:
            self._wait_until_ready()
            with contextlib.suppress(OSError, ValueError):
                # A worker that died or was closed meanwhile shows as the end of its answers.
                write_frame(self._requests, frame)
            answer = self._answer(time.monotonic() + seconds, most_bytes)
        except queue.Empty:
            self.kill()
            raise WorkerTimeoutError from None
        except BaseException:
            # Interrupted half-way: what this worker would answer next is the previous answer.
            self.kill()
            raise
        if answer is None:
            self.kill()
            raise WorkerDiedError
        return answer

    def _answer(self, deadline: float, most_bytes: int) -> Frame | None:
        while True:
            left = deadline - time.monotonic()
            try:
                return self._answers.get(timeout=max(0.0, min(left, _WATCH_SECONDS)))
            except queue.Empty:
                if left <= _WATCH_SECONDS:
                    raise
            if self._resident_bytes() > most_bytes:
                raise WorkerTooLargeError

    def _resident_bytes(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0  # it has ended, which shows as the end of its answers

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        try:
            answer = self._answers.get(timeout=START_SECONDS)
        except queue.Empty:
            raise self._not_started(f"it was not ready after {START_SECONDS:g} s") from None
        if answer is None or answer.header.get("status") != "ready":
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Its answers end a moment before it does.
                self._process.wait(timeout=1)
            raise self._not_started(f"it ended with code {self._process.poll()}")
        if answer.body:
            _CODE[self.settings["engine"]] = answer.body
        self._confinement = dict(answer.header.get("confinement", {}))
        self._ready = True

    def _not_started(self, reason: str) -> SandboxError:
        with contextlib.suppress(ValueError):  # closed meanwhile, by another thread's kill()
            self._complaints.seek(0)
            lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
            reason = lines[-1] if lines else reason
        return SandboxError(
            f"The template sandbox's worker did not start: {reason}",
            hint="Check the installation with `flowlib doctor`.",
        )

    def _read(self) -> None:
        stream = cast(BinaryIO, self._process.stdout)
        with contextlib.suppress(OSError, ValueError):  # it ended already, or was closed
            # Here, since a pipe holds less than this.
            code = _CODE.get(self.settings["engine"], b"")
            write_frame(self._requests, Frame(self.settings, code))
        most = _MOST_CODE
        while True:
            try:
                frame = read_frame(stream, most)
                most = self.settings["output_bytes"]
            except (OSError, ValueError, FrameTooLargeError):
                frame = None
            self._answers.put(frame)
            if frame is None:
                return

    def kill(self) -> None:
        """End the process and close its pipes; harmless when it already ended."""
        # An interrupt may have come before all of it was there.
        if not hasattr(self, "_process"):
            return
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        with contextlib.suppress(AttributeError, RuntimeError):
            self._reader.join(timeout=1)
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()


def _import_paths() -> list[str]:
    """Where the worker finds this package, also when it is not installed."""
    return [str(Path(__file__).resolve().parents[2])]


def _environment() -> dict[str, str]:
    # Windows cannot start a process without these; elsewhere the environment is empty.
    return {name: os.environ[name] for name in ("SYSTEMROOT", "WINDIR") if name in os.environ}
