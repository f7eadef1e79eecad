"""Which process writes a run, and whether it still lives."""

from __future__ import annotations

import functools
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# The start time is computed from the clock, which may be set in between.
_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, told apart from a later one with its number.

    Parameters
    ----------
    host : str
        The machine's name.
    pid : int
        The process.
    started : float
        When it began, in seconds since 1970.
    boot : str
        Of the machine's current start; empty where the system has no such identity.
    """

    host: str
    pid: int
    started: float
    boot: str

    @classmethod
    def current(cls) -> ProcessIdentity:
        """The process that asks."""
        return _identity(os.getpid())

    def is_gone(self) -> bool:
        """Whether it has ended for certain; of another machine's nobody can tell."""
        here = ProcessIdentity.current()
        if self.host != here.host:
            return False
        if self.boot and here.boot and self.boot != here.boot:
            return True
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            started: float = process.create_time()
            return abs(started - self.started) > _TOLERANCE_SECONDS
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


@functools.lru_cache(maxsize=1)
def _identity(pid: int) -> ProcessIdentity:
    return ProcessIdentity(socket.gethostname(), pid, psutil.Process(pid).create_time(), _boot())


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
