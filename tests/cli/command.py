"""The command ``flowlib`` in a process of its own, with pipes or in a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

PROGRAM = [sys.executable, "-m", "flowlib_nb"]


def flowlib(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run it with pipes."""
    return subprocess.run(
        [*PROGRAM, *arguments], input=stdin, capture_output=True, text=True, timeout=120
    )


def in_a_terminal(*arguments: str, answers: tuple[tuple[str, str], ...]) -> tuple[int, str]:
    """The exit code and all that the terminal showed; each prompt is given its answer."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*PROGRAM, *arguments])
    shown, waiting = b"", list(answers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            shown += os.read(terminal, 1024)
        except OSError:
            break
        if waiting and waiting[0][0].encode() in shown:
            os.write(terminal, waiting.pop(0)[1].encode() + b"\n")
    assert not waiting, shown
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()
