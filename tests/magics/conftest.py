"""A real kernel in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager


@dataclass
class Outcome:
    """What a cell gave."""

    status: str = ""
    stdout: str = ""
    stderr: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    ename: str = ""
    prompts: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(d.get("text/plain", "") for d in self.data)

    @property
    def html(self) -> str:
        return "\n".join(d.get("text/html", "") for d in self.data)


class Kernel:
    """Runs cells, answers prompts, and keeps every message that left the kernel."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "kernel.log"
        self.messages: list[dict[str, Any]] = []
        self._manager = KernelManager(kernel_name="python3")
        with self.log.open("wb") as log:
            self._manager.start_kernel(
                cwd=str(folder), env=dict(os.environ), stdout=log, stderr=log
            )
        self.client: BlockingKernelClient = self._manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(
        self,
        code: str,
        answers: tuple[str, ...] = (),
        *,
        stdin: bool = True,
        interrupt_after: int | None = None,
    ) -> Outcome:
        outcome = Outcome()
        waiting = list(answers)

        def on_iopub(message: dict[str, Any]) -> None:
            self.messages.append(message)
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                setattr(
                    outcome, content["name"], getattr(outcome, content["name"]) + content["text"]
                )
            elif kind in ("display_data", "execute_result"):
                outcome.data.append(content["data"])
            elif kind == "error":
                outcome.error = "\n".join(content["traceback"])
                outcome.ename = content["ename"]

        def on_stdin(message: dict[str, Any]) -> None:
            outcome.prompts.append((message["content"]["prompt"], message["content"]["password"]))
            if len(outcome.prompts) - 1 == interrupt_after:
                self.interrupt()
            else:
                self.client.input(waiting.pop(0))

        while True:
            reply = self.client.execute_interactive(
                code, allow_stdin=stdin, timeout=90, output_hook=on_iopub,
                stdin_hook=on_stdin if stdin else None,
            )  # fmt: skip
            # Just after an error or an interrupt, a kernel drops the request that comes next.
            if reply["content"]["status"] != "aborted":
                break
        self.messages.append(reply)
        outcome.status = reply["content"]["status"]
        return outcome

    def start(self, code: str) -> str:
        return self.client.execute(code)

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def reply_to(self, message_id: str) -> dict[str, Any]:
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"]["msg_id"] == message_id:
                return reply

    def wait_until_busy(self, marker: Path) -> None:
        deadline = time.monotonic() + 60
        while not marker.exists():
            assert time.monotonic() < deadline, "the cell never began"
            time.sleep(0.02)

    def stop(self) -> None:
        self.client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(workspace: Path) -> Iterator[Kernel]:
    """A kernel in the workspace, with the extension loaded."""
    running = Kernel(workspace)
    try:
        assert running.run("%load_ext flowlib_nb").status == "ok"
        yield running
    finally:
        running.stop()
