"""What a worker can still do besides computing: nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from flowlib_nb.errors import TemplateError
from flowlib_nb.sandbox import Sandbox
from flowlib_nb.sandbox.confinement import ABSENT, ON
from flowlib_nb.templates.compiler import compile_code, program_for

ATTEMPTS = """
import ctypes, json, os, socket, subprocess, sys, threading
from flowlib_nb.sandbox.confinement import confine
sys.path_importer_cache
states = confine()
def attempt(action):
    try:
        action()
        return "allowed"
    except OSError as error:
        return error.errno
results = {
    "read a file": attempt(lambda: os.open("/etc/passwd", os.O_RDONLY)),
    "write a file": attempt(lambda: os.open("/tmp/x", os.O_WRONLY | os.O_CREAT)),
    "list a folder": attempt(lambda: os.listdir("/")),
    "look at a file": attempt(lambda: os.stat("/etc/passwd")),
    "make a socket": attempt(lambda: socket.socket()),
    "make a pair of sockets": attempt(lambda: socket.socketpair()),
    "fork": attempt(os.fork),
    "run a program": attempt(lambda: os.execv("/bin/true", ["true"])),
    "signal its parent": attempt(lambda: os.kill(os.getppid(), 0)),
    "copy a descriptor": attempt(lambda: os.dup(0)),
    "make a pipe": attempt(os.pipe),
    "change its folder": attempt(lambda: os.chdir("/")),
    "raise its limits": attempt(lambda: __import__("resource")),
}
done = []
thread = threading.Thread(target=lambda: done.append(attempt(lambda: os.open("/", 0))))
thread.start()
thread.join()
results["read a file in a thread"] = done[0]
print(json.dumps([states, results]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")
def test_everything_but_computing_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPTS], capture_output=True, text=True, check=True
    )
    states, results = json.loads(done.stdout)
    if states["seccomp"] != ON:
        pytest.skip("this kernel offers no seccomp")
    del results["raise its limits"]
    assert {action for action, outcome in results.items() if outcome == "allowed"} == set()


@pytest.mark.parametrize("engine", ["wasm", "native"])
def test_workers_are_confined_and_say_so(engine: str) -> None:
    box = Sandbox(engine=engine, workers=1)
    try:
        states = box.confinement()
        assert set(states) == {"landlock", "seccomp"}
        assert set(states.values()) <= {ON, ABSENT}
        if sys.platform == "linux":
            with open(f"/proc/{next(iter(box._free)).pid}/status") as status:
                modes = dict(line.split(":\t", 1) for line in status if ":\t" in line)
            assert (modes["Seccomp"].strip() == "2") == (states["seccomp"] == ON)
            assert modes["NoNewPrivs"].strip() == "1"
    finally:
        box.close()


@pytest.mark.parametrize("engine", ["wasm", "native"])
def test_long_answers_come_whole(engine: str) -> None:
    """A text that was put together from many is not handed out by the native engine's binding."""
    box = Sandbox(engine=engine, workers=1, time_limit=20.0)
    compiled = compile_code("n", (), is_body=False)
    rows = ",".join(f'["{number:0200}"]' for number in range(10_000))
    try:
        answer = box.evaluate(
            program_for(compiled, [], ["n"]).source, f'{{"scope":{{}},"rows":[{rows}]}}'.encode()
        )
        assert len(json.loads(answer)[0][0]) == 10_000
    finally:
        box.close()


@pytest.mark.parametrize("engine", ["wasm", "native"])
def test_a_worker_that_grows_is_stopped_from_outside(engine: str) -> None:
    """Watched by the parent, whatever the engine itself may think that it uses."""
    box = Sandbox(engine=engine, workers=1, memory_limit=1024, process_limit=256, time_limit=20.0)
    compiled = compile_code(
        "const a = []; while (true) a.push('x'.repeat(1e6) + a.length)", (), is_body=True
    )
    program = program_for(compiled, [])
    try:
        with pytest.raises(TemplateError, match="256 MB") as caught:
            box.evaluate(program.source, b'{"scope":{},"rows":[[]]}')
        assert caught.value.code == "memory"
        assert "process_limit" in (caught.value.hint or "")
        assert (
            box.evaluate(
                program_for(compile_code("1", (), is_body=False), []).source,
                b'{"scope":{},"rows":[[]]}',
            )
            == b"[[[1]],[]]"
        )
    finally:
        box.close()
