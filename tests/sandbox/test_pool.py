"""Workers: what they inherit, how they end, and that each that ends is replaced."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import TraitError
from traitlets.config import Config

from flowlib_nb.errors import SandboxError, TemplateError
from flowlib_nb.sandbox import Sandbox, pool, worker_process
from flowlib_nb.sandbox.engine import PARSED
from flowlib_nb.sandbox.protocol import (
    MAX_HEADER,
    Frame,
    FrameTooLargeError,
    read_frame,
    write_frame,
)

LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
POSIX = pytest.mark.skipif(os.name != "posix", reason="uses POSIX's signals")
LOOP = "(() => { while (true) {} })()"
# Only a hang goes past it.
HANG = 30.0


@pytest.fixture
def fresh() -> Iterator[Callable[..., Sandbox]]:
    """Makes sandboxes that are closed at the test's end."""
    made: list[Sandbox] = []

    def make(**options: Any) -> Sandbox:
        made.append(Sandbox(**{"time_limit": 0.3, "memory_limit": 32, "workers": 1, **options}))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()


def value(sandbox: Sandbox, source: str) -> Any:
    """What a program gives for an expression."""
    return json.loads(sandbox.evaluate(f"JSON.stringify({source})", b"{}"))


def code_of(sandbox: Sandbox, source: str) -> str:
    with pytest.raises(TemplateError) as caught:
        value(sandbox, source)
    return caught.value.code


def worker_of(sandbox: Sandbox) -> worker_process.WorkerProcess:
    """The one idle worker, which has worked."""
    assert value(sandbox, "1 + 1") == 2
    (worker,) = sandbox._free
    return worker


def is_gone(pid: int) -> bool:
    """Whether a process is neither running nor waiting to be waited for."""
    if Path("/proc").exists():
        return not Path(f"/proc/{pid}").exists()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


def test_a_program_and_its_payload(box: Sandbox) -> None:
    assert box.evaluate("$payload", '{"é": "😀"}'.encode()) == '{"é": "😀"}'.encode()
    for program in ("1", "({})", "undefined", "() => 1"):
        with pytest.raises(TemplateError) as caught:
            box.evaluate(program, b"{}")
        assert caught.value.code == "crashed"
    with pytest.raises(TemplateError) as caught:
        box.evaluate("'1'", b"\xff")
    assert caught.value.code == "runtime"
    assert value(box, "1 + 1") == 2


def test_an_error_of_the_whole_names_the_expression(box: Sandbox) -> None:
    with pytest.raises(TemplateError) as caught:
        box.evaluate("nothing.x", b"{}", expression="the.expression")
    assert (caught.value.code, caught.value.expression) == ("runtime", "the.expression")
    with pytest.raises(TemplateError) as caught:
        box.evaluate(LOOP, b"{}", expression="the.expression")
    assert (caught.value.code, caught.value.expression) == ("timeout", "the.expression")
    assert "0.3 s" in caught.value.message


def test_a_payload_over_the_limit_is_not_even_sent(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box, "_take", None)
    most = box.memory_limit * 2**20
    for ask in (
        lambda: box.evaluate("'1'", bytes(most)),
        lambda: box.evaluate("'1'" + " " * most, b""),
        lambda: box.check([["1" + " " * most]]),
    ):
        with pytest.raises(TemplateError) as caught:
            ask()
        assert caught.value.code == "memory"


@pytest.mark.parametrize("engine", ["wasm", "native"])
def test_a_program_may_be_longer_than_a_header(fresh: Callable[..., Sandbox], engine: str) -> None:
    box = fresh(engine=engine, memory_limit=256, time_limit=20.0)
    program = f"'{'é' * (MAX_HEADER // 2)}'.length + '!'"
    assert box.evaluate(program, b"{}") == b"%d!" % (MAX_HEADER // 2)


def test_later_workers_take_over_what_the_first_compiled(
    fresh: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_CODE", {})
    evaluated = fresh().evaluate("'1'", b"{}")
    code = worker_process._CODE["wasm"]
    assert len(code) > 1e6
    for other in (code, code[:1000], b"of another version"):
        worker_process._CODE["wasm"] = other
        assert fresh().evaluate("'1'", b"{}") == evaluated


@pytest.mark.parametrize("engine", ["wasm", "native"])
def test_an_answer_of_too_many_values(fresh: Callable[..., Sandbox], engine: str) -> None:
    box = fresh(engine=engine, memory_limit=16, time_limit=20.0)
    assert len(box.evaluate("['[', '[],'.repeat(4e5), '1]'].join('')", b"{}")) > 1e6
    with pytest.raises(TemplateError, match="values; the limit is 1,048,576") as caught:
        box.evaluate("['[', '[],'.repeat(1e6), '1]'].join('')", b"{}")
    assert caught.value.code == "output_size"
    assert "memory_limit" in (caught.value.hint or "")


def test_checking(box: Sandbox) -> None:
    def parsed(*sources: str) -> list[str]:
        return [f"{PARSED} {source}" for source in sources]

    reports = box.check([parsed("1 + 1"), parsed("1", "1 +\n* 2"), [], parsed("let x = nothing()")])
    assert reports[0] is reports[2] is None
    assert reports[1] is not None
    assert (reports[1].code, reports[1].line) == ("syntax", 2)
    assert reports[3] is None
    assert value(box, "typeof x") == "undefined"
    assert box.check([]) == []
    (report,) = box.check([parsed("'\ud800'")])
    assert report is not None
    assert "surrogate" in report.message


@LINUX
def test_a_worker_inherits_nothing(
    fresh: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY", "s3cr3t")
    kept = [os.open(tmp_path, os.O_RDONLY), *os.pipe()]
    for descriptor in kept:
        os.set_inheritable(descriptor, True)
    try:
        worker = worker_of(fresh())
        proc = Path(f"/proc/{worker.pid}")
        assert (proc / "environ").read_bytes() == b""
        assert os.readlink(proc / "cwd") == "/"
        assert str(tmp_path) not in (proc / "cmdline").read_text()
        opened = {int(entry.name): os.readlink(entry) for entry in (proc / "fd").iterdir()}
        ours = {
            0: worker._process.stdin,
            1: worker._process.stdout,
        }
        for descriptor, stream in ours.items():
            assert stream is not None
            assert opened.pop(descriptor) == os.readlink(f"/proc/self/fd/{stream.fileno()}")
        # Where it may complain: an unnamed file, which the limit below keeps empty.
        assert opened.pop(2).endswith(" (deleted)")
        # The engine's own memory is all else: nothing that leads to a file or to another process.
        assert all(target.startswith(("/memfd:", "anon_inode:")) for target in opened.values())
    finally:
        for descriptor in kept:
            os.close(descriptor)


@LINUX
def test_a_worker_gives_up_resources(box: Sandbox) -> None:
    worker = worker_of(box)
    limits = {}
    for line in Path(f"/proc/{worker.pid}/limits").read_text().splitlines()[1:]:
        limits[line[:26].strip()] = line[26:].split()[:2]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["64", "64"]
    assert limits["Max data size"][0] != "unlimited"


@LINUX
def test_a_worker_imports_only_the_engine(box: Sandbox) -> None:
    # Which files are mapped can be seen from outside: those of the engine, none of the vault's.
    worker = worker_of(box)
    maps = Path(f"/proc/{worker.pid}/maps").read_text()
    assert "wasmtime" in maps
    for name in ("pandas", "numpy", "pyarrow", "duckdb", "cryptography", "pydantic"):
        assert name not in maps


@POSIX
def test_an_interrupt_does_not_reach_a_worker(box: Sandbox) -> None:
    worker = worker_of(box)
    assert os.getpgid(worker.pid) != os.getpgid(0)


@POSIX
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_killed_worker_is_replaced(box: Sandbox, name: str) -> None:
    worker = worker_of(box)
    os.kill(worker.pid, getattr(signal, name))
    worker._process.wait(HANG)
    assert not worker.alive
    # It was idle, so nobody need hear of it.
    assert worker_of(box).pid != worker.pid
    assert is_gone(worker.pid)
    assert worker._complaints.closed


@POSIX
def test_a_worker_killed_at_work_is_an_error(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh(time_limit=HANG)
    worker = worker_of(sandbox)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(code_of, sandbox, LOOP)
        while worker not in sandbox._busy:
            time.sleep(0.01)
        os.kill(worker.pid, signal.SIGKILL)
        assert asked.result(HANG) == "crashed"
    assert worker_of(sandbox).pid != worker.pid
    assert is_gone(worker.pid)


@POSIX
def test_a_worker_that_stopped_answering_is_killed(box: Sandbox) -> None:
    worker = worker_of(box)
    os.kill(worker.pid, signal.SIGSTOP)
    assert code_of(box, "1 + 1") == "timeout"
    assert worker_of(box).pid != worker.pid
    assert is_gone(worker.pid)


def test_a_worker_that_timed_out_by_the_engines_clock_is_kept(box: Sandbox) -> None:
    worker = worker_of(box)
    assert code_of(box, LOOP) == "timeout"
    # Or thrown away, where a busy machine made the parent's clock run out first.
    assert worker_of(box) is worker or not worker.alive


def test_an_interrupted_call_throws_its_worker_away(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(box)

    class Interrupted:
        put = worker._answers.put

        def get(self, timeout: float) -> Frame:
            raise KeyboardInterrupt

    monkeypatch.setattr(worker, "_answers", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        value(box, "'the answer that nobody waited for'")
    # Else its answer would pass for the next one's.
    assert value(box, "1 + 1") == 2
    assert not worker.alive


FORKED = """
import os, sys, threading, time
import flowlib_nb as fl
flow = fl.Flow("nodes: {a: {uses: js, with: {code: '[1].map(x => x + 1)'}}}")
flow.run(functions={})
assert fl.render("{{ 1 + 1 }}") == 2
for attempt in range(5):
    # Some thread is in the middle of an answer.
    other = threading.Thread(target=fl.render, args=("{{ 'x'.repeat(2e6).length }}",))
    other.start()
    child = os.fork()
    if child == 0:
        assert fl.render("{{ 1 + 2 }}") == 3
        assert flow.run(functions={}).output == [2]
        sys.exit(0)
    ended = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < ended, "the forked process hangs"
        time.sleep(0.02)
    assert done[1] == 0, done
    other.join()
    assert fl.render("{{ 1 + 1 }}") == 2
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_workers_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


INTERRUPTED = """
import os, random, signal, threading, time
import psutil
from flowlib_nb.sandbox import Sandbox
box = Sandbox(workers=2, time_limit=20.0)
chance = random.Random(5)
def call():
    return box.evaluate("'1'", b"{}")
call()
for _ in range(60):
    timer = threading.Timer(chance.uniform(0, 0.03), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            call()
    except KeyboardInterrupt:
        timer.join()
call()
with box._changed:
    known = {worker.pid for worker in [*box._free, *box._busy]}
deadline = time.monotonic() + 30
while {p.pid for p in psutil.Process().children()} - known and time.monotonic() < deadline:
    time.sleep(0.05)  # one that was only just forked ends by itself
print({p.pid for p in psutil.Process().children()} - known, len(box._busy))
box.close()
"""


def test_interrupts_leave_no_worker_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False
    )
    assert done.stdout == "set() 0\n", done.stderr


def test_closing_ends_every_worker(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh(workers=2)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda n: value(sandbox, f"{n}"), range(12))) == list(range(12))
    workers = list(sandbox._free)
    assert 1 <= len(workers) <= 2
    sandbox.close()
    for worker in workers:
        assert is_gone(worker.pid)
        assert worker._process.returncode is not None
        assert worker._complaints.closed
        assert worker._requests.closed
        assert not worker._reader.is_alive()
    sandbox.close()
    assert sandbox._free == []


def test_what_was_closed_can_be_used_again(box: Sandbox) -> None:
    worker = worker_of(box)
    box.close()
    assert not worker.alive
    assert worker_of(box) is not worker


def test_closing_ends_a_worker_at_work(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh(time_limit=HANG)
    worker = worker_of(sandbox)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(code_of, sandbox, LOOP)
        while worker not in sandbox._busy:
            time.sleep(0.01)
        sandbox.close()
        assert asked.result(HANG) == "crashed"
    assert is_gone(worker.pid)


def test_no_worker_outlives_its_process(tmp_path: Path) -> None:
    program = (
        "from flowlib_nb.sandbox import Sandbox\n"
        "sandbox = Sandbox(workers=2)\n"
        "sandbox.prestart()\n"
        "sandbox.evaluate(\"'1'\", b'{}')\n"
        "print([worker.pid for worker in sandbox._free])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=HANG * 2,
        check=True,
    )
    (pid,) = json.loads(done.stdout)
    assert done.stderr == ""
    assert is_gone(pid)


@POSIX
@pytest.mark.parametrize("at_work", [False, True])
def test_no_worker_outlives_a_killed_process(at_work: bool) -> None:
    # What the worker is at cannot be interrupted by the engine, and nobody is left to kill it.
    program = (
        "import os, signal, threading, time\n"
        "from flowlib_nb.sandbox import Sandbox\n"
        "sandbox = Sandbox(time_limit=0.3)\n"
        "sandbox.evaluate(\"'1'\", b'{}')\n"
        "(worker,) = sandbox._free\n"
        "worker.kill = lambda: time.sleep(60)\n"
        "endless = 'Array.prototype.includes.call({length: 2 ** 53 - 1}, 1)'\n"
        "work = lambda: sandbox.evaluate(endless, b'{}')\n"
        f"if {at_work}:\n"
        "    threading.Thread(target=work, daemon=True).start()\n"
        "    time.sleep(0.1)\n"
        "print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=HANG * 2,
        check=False,
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline and not is_ended(pid):
        time.sleep(0.05)
    assert is_ended(pid)


def is_ended(pid: int) -> bool:
    """Whether a process that is not ours to wait for has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return is_gone(pid)


def test_starting_ahead(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh()
    sandbox.prestart()
    sandbox.prestart()
    (worker,) = sandbox._free
    assert worker_of(sandbox) is worker


def test_there_are_never_more_workers_than_asked_for(
    fresh: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    start = Sandbox._start

    def counted(sandbox: Sandbox) -> worker_process.WorkerProcess:
        worker = start(sandbox)
        started.append(worker.pid)
        return worker

    monkeypatch.setattr(Sandbox, "_start", counted)
    sandbox = fresh(workers=2, time_limit=5.0)
    with ThreadPoolExecutor(8) as threads:
        results = threads.map(lambda n: value(sandbox, f"[{n}, 'x'.repeat({n})]"), range(80))
        # Each caller gets its own answer.
        assert list(results) == [[n, "x" * n] for n in range(80)]
    assert 1 <= len(started) <= 2
    assert sorted(worker.pid for worker in sandbox._free) == sorted(started)


def test_one_slow_call_does_not_hold_up_the_others(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh(workers=2, time_limit=HANG)
    worker_of(sandbox)
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(value, sandbox, LOOP)
        while not sandbox._busy:
            time.sleep(0.01)
        assert [value(sandbox, f"{n}") for n in range(5)] == list(range(5))
        assert not slow.done()
        sandbox.close()
        assert isinstance(slow.exception(HANG), TemplateError)


def test_closing_ends_a_worker_that_only_starts(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh()
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(value, sandbox, "1 + 1")
        while not sandbox._busy:
            time.sleep(0.001)
        (worker,) = sandbox._busy
        sandbox.close()
        assert isinstance(asked.exception(HANG), SandboxError)
    assert is_gone(worker.pid)


def test_options_take_effect_with_the_next_evaluation(fresh: Callable[..., Sandbox]) -> None:
    sandbox = fresh(time_limit=5.0, output_limit=1)
    assert code_of(sandbox, "'x'.repeat(2 ** 21)") == "output_size"
    worker = worker_of(sandbox)
    sandbox.output_limit = 4
    assert not worker.alive
    assert len(value(sandbox, "'x'.repeat(2 ** 21)")) == 2**21
    sandbox.memory_limit = 8
    sandbox.time_limit = 0.3
    assert code_of(sandbox, "'x'.repeat(2 ** 24)") == "memory"
    assert code_of(sandbox, LOOP) == "timeout"


def test_options_changed_during_an_evaluation_do_not_keep_the_old_worker(
    fresh: Callable[..., Sandbox],
) -> None:
    sandbox = fresh(time_limit=1.0)
    worker = worker_of(sandbox)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(code_of, sandbox, LOOP)
        while worker not in sandbox._busy:
            time.sleep(0.01)
        sandbox.memory_limit = 16
        assert asked.result(HANG) == "timeout"
    assert not worker.alive
    assert worker_of(sandbox).settings["limits"]["memory_bytes"] == 16 << 20


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("time_limit", 0.0),
        ("time_limit", 61.0),
        ("memory_limit", 7),
        ("memory_limit", 1025),
        ("stack_limit", 901),
        ("output_limit", 0),
        ("workers", 0),
        ("workers", "two"),
    ],
)
def test_limits_have_limits(name: str, wrong: object) -> None:
    sandbox = Sandbox()
    before = getattr(sandbox, name)
    with pytest.raises(TraitError):
        setattr(sandbox, name, wrong)
    assert getattr(sandbox, name) == before


def test_the_process_has_one_sandbox_that_config_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sandbox, "_instance", None)
    try:
        one = Sandbox.instance(config=Config({"Sandbox": {"time_limit": 0.5, "workers": 2}}))
        assert pool.sandbox() is one
        assert (one.time_limit, one.workers) == (0.5, 2)
    finally:
        Sandbox.clear_instance()


def test_a_worker_that_cannot_start_says_why(
    fresh: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_BOOT", "{paths}; raise SystemExit('no engine here')")
    with pytest.raises(SandboxError, match="no engine here") as caught:
        fresh().evaluate("'1'", b"{}")
    assert "flowlib doctor" in (caught.value.hint or "")
    monkeypatch.setattr(
        worker_process,
        "_BOOT",
        "{paths}; import os, time; os.close(1); time.sleep(0.2); os._exit(7)",
    )
    with pytest.raises(SandboxError, match="ended with code 7"):
        fresh().evaluate("'1'", b"{}")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        struct.pack(">IQ", 2, 0) + b"{",
        struct.pack(">IQ", MAX_HEADER + 1, 0),
        struct.pack(">IQ", 2, 1 << 62) + b"{}",
        struct.pack(">IQ", 2, 0) + b"no",
        struct.pack(">IQ", 2, 5) + b"{}abc",
    ],
)
def test_a_worker_that_breaks_the_protocol_is_thrown_away(
    fresh: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    ready = io.BytesIO()
    write_frame(ready, Frame({"status": "ready"}))
    # A worker that is ready, waits for the question and answers with nonsense.
    boot = (
        (
            "{paths}; import sys, time; out = sys.stdout.buffer; "
            f"out.write({ready.getvalue()!r}); out.flush(); sys.stdin.buffer.read(100); "
            f"out.write({answer!r}); out.flush()"
        )
        .replace("{", "{{")
        .replace("}", "}}")
        .replace("{{paths}}", "{paths}")
    )
    monkeypatch.setattr(worker_process, "_BOOT", boot)
    sandbox = fresh(time_limit=5.0)
    sandbox.prestart()
    (worker,) = sandbox._free
    with pytest.raises(TemplateError) as caught:
        sandbox.evaluate("'1'", b"{}" * 100)
    assert caught.value.code == "crashed"
    assert is_gone(worker.pid)
    assert sandbox._free == []


@settings(max_examples=50)
@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text()), st.binary())
def test_frames_come_back(header: dict[str, Any], body: bytes) -> None:
    stream = io.BytesIO()
    write_frame(stream, Frame(header, body))
    write_frame(stream, Frame({}))
    written = stream.getvalue()
    stream.seek(0)
    assert read_frame(stream, len(body)) == Frame(header, body)
    assert read_frame(stream, 0) == Frame({})
    assert read_frame(stream) is None
    # Cut anywhere, it is the end and not a shorter frame.
    for length in range(0, len(written) - 14, 1 + len(written) // 8):
        assert read_frame(io.BytesIO(written[:length])) is None
    if body:
        with pytest.raises(FrameTooLargeError):
            read_frame(io.BytesIO(written), len(body) - 1)
