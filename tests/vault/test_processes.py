"""Several processes at once, and processes that die."""

from __future__ import annotations

import functools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import flowlib_nb
from flowlib_nb.errors import VaultLockedError
from flowlib_nb.vault import Vault, highwater, lock, store

TOKEN = {"type": "bearer", "token": "t"}
Start = Callable[..., "subprocess.Popen[str]"]

WRITER = """
import sys
from flowlib_nb.vault import Vault
prefix, count = sys.argv[1], int(sys.argv[2])
vault = Vault.open()
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    name = f"{prefix}{number}"
    vault.set(name, {"type": "bearer", "token": f"token of {name}"})
    vault.get(name)
    print(name, flush=True)
"""
# Forks a writer for each line that it reads: a fresh interpreter for each would take minutes.
FORKS = """
import os, sys
from flowlib_nb.models.credential import parse_credential
from flowlib_nb.vault import Vault
import filelock
vault = Vault.open()
vault.get("first")
def say(text):
    os.write(1, f"{text}\\n".encode())
say("ready")
for line in sys.stdin:
    turn = line.strip()
    pid = os.fork()
    if pid == 0:
        say(os.getpid())
        for number in range(1000):
            name = f"t{turn}_{number}"
            vault.set(name, {"type": "bearer", "token": f"token of {name}"})
            say(name)
        os._exit(1)
    os.waitpid(pid, 0)
    say("dead")
"""
HOLDER = """
import sys, time
from pathlib import Path
from flowlib_nb.vault.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start(workspace: Path, key: str) -> Start:
    """Starts a Python process in the workspace."""
    root = str(Path(flowlib_nb.__file__).parents[1])

    def run(code: str, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return run


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_eight_writers_lose_nothing(start: Start, workspace: Path) -> None:
    writers = [start(WRITER, prefix, 50) for prefix in "abcdefgh"]
    assert [line(writer) for writer in writers] == ["ready"] * 8
    for writer in writers:
        go(writer)
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 8
    vault = Vault.open()
    expected = sorted(f"{prefix}{number}" for prefix in "abcdefgh" for number in range(50))
    assert vault.names() == expected
    assert len(expected) == 400
    for name in expected:
        assert vault.get(name).token.reveal() == f"token of {name}"


def test_two_hundred_kills_leave_a_whole_vault(
    start: Start, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At random moments of a write; what was reported as stored is there, and the next can write."""
    # No dead writer's lock may hold up the next one for longer.
    monkeypatch.setattr(store, "locked", functools.partial(lock.locked, seconds=5))
    vault = Vault.open()
    vault.set("first", TOKEN)
    chance = random.Random(20260101)
    forks = start(FORKS)
    assert line(forks) == "ready"
    in_the_midst = 0
    for turn in range(200):
        assert forks.stdin is not None
        forks.stdin.write(f"{turn}\n")
        forks.stdin.flush()
        pid = int(line(forks))
        stored = {line(forks) for _ in range(chance.randrange(1, 3))}
        time.sleep(chance.uniform(0, 0.012))
        os.kill(pid, signal.SIGKILL)
        while (name := line(forks)) != "dead":
            stored.add(name)
        in_the_midst += Path(f"{vault.path}.lock").exists()
        names = vault.names()
        assert stored <= set(names)
        for name in names:
            assert vault.get(name).token.reveal() in ("t", f"token of {name}")
        vault.set("after", TOKEN)
        for name in set(names) - {"first", "after"}:
            vault.delete(name)
        assert vault.names() == ["after", "first"]
    # Else the kills have hit nothing.
    assert in_the_midst > 20


def test_lock_of_a_dead_process_is_taken_over(start: Start, workspace: Path) -> None:
    vault = Vault.open()
    vault.set("a", TOKEN)
    holder = start(HOLDER, vault.path)
    assert line(holder) == "held"
    with pytest.raises(VaultLockedError), lock.locked(Path(vault.path), seconds=0):
        pass
    kill(holder)
    assert Path(f"{vault.path}.lock").exists()
    vault.set("b", TOKEN)
    assert vault.names() == ["a", "b"]


def test_lock_of_a_dead_machine_is_taken_over(
    start: Start, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can ask whether its process lives, so only the missing heartbeat tells."""
    assert lock.LEASE_SECONDS < lock.LOCK_SECONDS  # else nobody waits long enough to see it
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.5)
    vault = Vault.open()
    vault.set("a", TOKEN)
    short = HOLDER.replace(
        "with locked", "from flowlib_nb.vault import lock\nlock.LEASE_SECONDS = 0.5\nwith locked"
    )
    holder = start(short, vault.path)
    assert line(holder) == "held"
    marker = Path(f"{vault.path}.lock")
    record = marker.read_text()
    kill(holder)
    import filelock._identity as identity

    assert identity.host_name() in record
    marker.write_text(record.replace(identity.host_name(), "another-machine"))
    vault.set("b", TOKEN)
    assert vault.names() == ["a", "b"]


def test_unsigned_lock_is_taken_over(
    workspace: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left by a process that was killed between making its lock file and signing it."""
    monkeypatch.setattr(lock, "_EMPTY_SECONDS", 0.2)
    vault = Vault.open()
    vault.set("a", TOKEN)
    Path(f"{vault.path}.lock").touch()
    vault.set("b", TOKEN)
    assert vault.names() == ["a", "b"]
    assert {path.name for path in Path(vault.path).parent.iterdir()} == {
        ".gitignore",
        "vault.json",
    }


def test_living_lock_is_not_discarded(workspace: Path, key: str) -> None:
    """A process judged a lock file empty, and another one has replaced it since."""
    vault = Vault.open()
    vault.set("a", TOKEN)
    marker = Path(f"{vault.path}.lock")
    marker.write_text("living")
    lock._discard(marker, (marker.stat().st_ino + 1, 0))
    assert marker.read_text() == "living"


def test_reading_while_another_process_writes(
    workspace: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It notes its new revision after this one read the file: that is no older file put back."""
    vault = Vault.open()
    vault.set("a", TOKEN)
    real = highwater.seen
    written = []

    def seen(vault_id: str) -> int:
        if not written:
            written.append(True)
            Vault.open().set("b", TOKEN)
        return real(vault_id)

    monkeypatch.setattr(highwater, "seen", seen)
    assert vault.get("a").token.reveal() == "t"
    assert written


def test_reader_sees_what_another_process_stored(start: Start, workspace: Path) -> None:
    vault = Vault.open()
    vault.set("a", TOKEN)
    assert vault.names() == ["a"]
    writer = start(WRITER, "x", 1)
    assert line(writer) == "ready"
    go(writer)
    writer.communicate()
    assert writer.returncode == 0
    assert vault.names() == ["a", "x0"]
    assert vault.get("x0").token.reveal() == "token of x0"
