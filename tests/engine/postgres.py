"""A real PostgreSQL server in a temporary folder, for whatever tests want one.

``from ..engine.postgres import Postgres, postgres_server`` gives a test module the fixture
``postgres``; without a server's programs on the machine its tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

USER = "flowlib"
# Of characters that mean something in URLs, SQL and shells; finding it anywhere is a leak.
PASSWORD = "p@ss:w/rd%21-SECRET'x"
_START_SECONDS = 60


@dataclass(frozen=True)
class Postgres:
    """Where the server is."""

    port: int
    sockets: Path

    def url(
        self, *, password: str = PASSWORD, host: str = "127.0.0.1", database: str = "postgres"
    ) -> str:
        """A connection string."""
        return f"postgresql://{USER}:{quote(password, safe='')}@{host}:{self.port}/{database}"

    def connect(self) -> psycopg.Connection[Any]:
        """A connection of the test's own."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname="postgres",
            autocommit=True,
        )  # fmt: skip

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        """Run a statement; the rows that it gives."""
        with self.connect() as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


def programs() -> Path | None:
    """The folder of the server's programs, of the newest version there is."""
    found = shutil.which("initdb"), shutil.which("postgres")
    if all(found):
        return Path(os.path.realpath(str(found[0]))).parent
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    return next((path for path in reversed(folders) if (path / "initdb").exists()), None)


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server, and stop it at the end."""
    binaries = programs()
    if binaries is None:
        pytest.skip("there is no PostgreSQL server on this machine (initdb, postgres)")
    # Not below pytest's folders, which only their owner may enter, and short enough for a socket.
    folder = Path(tempfile.mkdtemp(prefix="flowlib-pg-"))
    try:
        account = _account(folder)
        data = folder / "data"
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if account:
            shutil.chown(secret, account["user"], account["group"])
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", USER, "--auth=scram-sha-256", "-E", "UTF8",
             "--locale=C", "--pwfile", secret, "--no-sync"],
            check=True, capture_output=True, cwd=folder, env=_environment(), **account,
        )  # fmt: skip
        server = Postgres(_free_port(), folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", folder, "-h", "127.0.0.1",
                 "-p", str(server.port), "-c", "fsync=off", "-c", "TimeZone=Europe/Berlin"],
                stdout=log, stderr=log, cwd=folder, env=_environment(), **account,
            )  # fmt: skip
        try:
            _wait(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # ends its connections, too
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", name="postgres")
def postgres_server() -> Iterator[Postgres]:
    """A running server with one superuser."""
    with running_postgres() as server:
        yield server


def _account(folder: Path) -> dict[str, Any]:
    """Another user for the server, which refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    shutil.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.execute("select 1")
            return
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
