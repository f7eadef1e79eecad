"""A real Jupyter server in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2

SERVER_TOKEN = "server-token-for-tests"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """Where the server is, and how to ask it."""

    def __init__(
        self,
        folder: Path,
        *,
        app: str = "server",
        base_url: str = "/",
        environment: dict[str, str] | None = None,
        options: Sequence[str] = (),
    ):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}{base_url}"
        # Beside the root folder, whose content is the test's.
        self.log = folder.parent / "server.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyter", app, "--no-browser", "--allow-root",
                 f"--port={port}", f"--ServerApp.base_url={base_url}",
                 f"--IdentityProvider.token={SERVER_TOKEN}", f"--ServerApp.root_dir={folder}",
                 *options],
                env={**os.environ, **(environment or {})}, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        self.client = httpx2.Client(base_url=self.url, trust_env=False)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.get("api")
                return
            except httpx2.TransportError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.1)

    def get(
        self, path: str, *, token: str | None = SERVER_TOKEN, **kwargs: object
    ) -> httpx2.Response:
        headers = {"Authorization": f"token {token}"} if token else {}
        return self.client.get(path, headers=headers, **kwargs)

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(timeout=30)
