"""Workers that die at random: every call answers or errs, and nothing is left behind."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter

import psutil
import pytest

from flowlib_nb.errors import SandboxError, TemplateError
from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import compile_code, program_for

CALLS = 10_000
CALLERS = 4
KILLS = 120


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.mark.parametrize("engine", ["native", "wasm"])
def test_ten_thousand_evaluations_with_random_kills(engine: str) -> None:
    compiled = compile_code("n * 2", (), is_body=False)
    program = program_for(compiled, ["n"]).source
    before, descriptors = set(children()), len(os.listdir("/proc/self/fd"))
    # Much time, so that a busy machine is not taken for a hostile script.
    box = Sandbox(engine=engine, workers=2, time_limit=20.0)
    outcomes: Counter[str] = Counter()
    lock, done = threading.Lock(), threading.Event()

    def call(numbers: range) -> None:
        for number in numbers:
            try:
                answer = box.evaluate(program, b'{"scope":{"n":%d},"rows":[[]]}' % number)
                assert answer == b"[[[%d]],[]]" % (number * 2)
                outcome = "answered"
            except TemplateError as error:
                outcome = error.code
            except SandboxError:
                outcome = "not started"
            with lock:
                outcomes[outcome] += 1

    def kill() -> None:
        chance = random.Random(20261124)
        for _ in range(KILLS):
            if done.wait(chance.uniform(0, 0.2)):
                return
            workers = [child for child in children() if child not in before]
            for process in chance.sample(workers, k=min(1, len(workers))):
                process.kill()

    threads = [
        threading.Thread(target=call, args=(range(start, CALLS, CALLERS),))
        for start in range(CALLERS)
    ]
    killer = threading.Thread(target=kill)
    for thread in [*threads, killer]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    killer.join()
    assert outcomes.total() == CALLS
    assert set(outcomes) <= {"answered", "crashed", "not started"}
    assert outcomes["answered"] > CALLS * 0.9
    assert outcomes["crashed"] + outcomes["not started"]
    assert box.evaluate(program, b'{"scope":{"n":4},"rows":[[]]}') == b"[[[8]],[]]"
    box.close()
    assert set(children()) <= before  # a zombie would be among them
    assert len(os.listdir("/proc/self/fd")) == descriptors
