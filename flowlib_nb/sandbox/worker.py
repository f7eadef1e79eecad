"""The worker process: reads frames from standard input, evaluates, answers on standard output.

It is started in isolated mode with an empty environment, in the root folder, and imports nothing of
the project but the engine. Before the first program it gives up what it can do without.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from .confinement import confine
from .engine import Engine, EvaluationError, Limits, make_engine
from .protocol import Frame, read_frame, write_frame


def main() -> None:
    """Serve until standard input ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    start = read_frame(requests)
    if start is None:
        return
    limits = Limits(**start.header["limits"])
    engine = make_engine(start.header["engine"], limits, start.body)
    # Before anything was evaluated, since the other workers will trust it.
    code = b"" if start.body else engine.code
    _give_up_resources(limits.memory_bytes)
    write_frame(answers, Frame({"status": "ready", "confinement": confine()}, code))
    while (frame := read_frame(requests)) is not None:
        with _deadline(start.header["hard_seconds"]):
            answer = _answer(engine, frame, start.header["output_bytes"])
        _send(answers, answer)
        engine.make_ready()


def _send(answers: BinaryIO, answer: Frame) -> None:
    with contextlib.suppress(BrokenPipeError):
        write_frame(answers, answer)


def _answer(engine: Engine, frame: Frame, output_bytes: int) -> Frame:
    header = frame.header
    try:
        if header["operation"] == "check":
            problems = [_check(engine, forms) for forms in json.loads(frame.body)]
            return Frame({"status": "ok", "problems": problems})
        length = header["program_bytes"]
        program = frame.body[:length].decode("utf-8", "surrogatepass")
        result = engine.evaluate(program, frame.body[length:].decode("utf-8")).encode("utf-8")
    except EvaluationError as error:
        return Frame({"status": "error", "code": error.code, "message": error.message})
    except UnicodeError:
        return Frame(
            {
                "status": "error",
                "code": "runtime",
                "message": "a text holds half of a surrogate pair, which is not valid Unicode",
            }
        )
    if len(result) > output_bytes:
        message = f"the result has {len(result):,} bytes; the limit is {output_bytes:,}"
        return Frame({"status": "error", "code": "output_size", "message": message})
    return Frame({"status": "ok"}, result)


def _check(engine: Engine, forms: list[str]) -> dict[str, Any] | None:
    """The first form that does not parse tells what is wrong; None where all parse."""
    for form in forms:
        if (error := engine.parses(form)) is not None:
            return {"code": error.code, "message": error.message, "line": error.line}
    return None


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End the process when the parent, which should have killed it, is gone itself.

    A thread in C does it, which needs no interpreter: the native engine may hold its lock.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _give_up_resources(memory_bytes: int) -> None:
    """Lower the limits of the operating system where it has them (POSIX)."""
    try:
        import resource
    except ImportError:
        return
    limits = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 64,
        # Data, not address space: wasmtime reserves gigabytes of addresses that it never touches.
        "RLIMIT_DATA": 512 * 1024 * 1024 + 4 * memory_bytes,
    }
    for name, value in limits.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (value, value))


if __name__ == "__main__":
    main()
