"""QuickJS compiled to WebAssembly, run by wasmtime (the ``quickjs-rs`` distribution).

Runs inside a worker process only. Every evaluation starts from the same memory image, so nothing
that one evaluation did can be seen by the next.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import quickjs_rs
import wasmtime
from quickjs_rs import errors as engine_errors

from .engine import EvaluationError, Limits, prelude, unless_parsed
from .wasm_guest import Image, quickly_called, shared_code, use_shared_code

_PAGE = 64 * 1024
# Instances whose memory grew by more than this are thrown away rather than restored.
_KEEP_GROWTH = 8 << 20
# The engine's own code and builtins; a template's memory comes on top.
_IMAGE_ROOM = 2 << 20
# Characters of a payload that goes with the program: a third of the calls into WebAssembly less,
# each of which costs more than to parse them.
_SHORT = 4096
_FRAME = re.compile(r"eval_script:(\d+)")


class WasmEngine:
    """One engine with a hardened memory image to start each evaluation from.

    Parameters
    ----------
    limits : Limits
        Fixed for the engine's life.
    code : bytes
        The ``code`` of another, so that it need not be compiled again.
    """

    def __init__(self, limits: Limits, code: bytes = b"") -> None:
        use_shared_code(code)
        self._limits = limits
        self._runtime = quickjs_rs.Runtime(
            memory_limit=limits.memory_bytes, stack_limit=limits.stack_bytes
        )
        self._prelude = prelude()
        self._prepare()

    @property
    def code(self) -> bytes:
        """The compiled engine."""
        return shared_code()

    def evaluate(self, program: str, payload: str) -> str:
        """Run a program; see :class:`Engine`."""
        self._restore()
        self._clean = False
        if len(payload) <= _SHORT:
            # As a JavaScript literal in ASCII, on the program's first line.
            program = f"$payload = {json.dumps(payload)}; {program}"
        else:
            self._put(payload)
        try:
            result = self._context.eval(program)
        except Exception as error:
            raise self._classified(error) from None
        if not isinstance(result, str):
            raise EvaluationError("crashed", "the program did not return text")
        return result

    def _put(self, payload: str) -> None:
        try:
            self._globals["$payload"] = payload
        except Exception:
            # A text can always be put there, unless there is no room for it.
            self._discard()
            raise EvaluationError("memory", "the memory limit was reached") from None

    def parses(self, source: str) -> EvaluationError | None:
        """Whether a source parses; see :class:`Engine`."""
        self._restore()
        # Declarations leave their names, even where nothing was run.
        self._clean = False
        try:
            self._context.eval(source)
        except Exception as error:
            return unless_parsed(self._classified(error))
        return None

    def make_ready(self) -> None:
        """Put the memory image back."""
        self._restore()

    def _restore(self) -> None:
        if self._clean:
            return
        if self._image.memory_size() > self._image.size + _KEEP_GROWTH:
            self._discard()
        else:
            self._image.restore()
            self._clean = True

    def _discard(self) -> None:
        with contextlib.suppress(Exception):
            # After a trap even closing may fail; the instance is unreachable either way.
            self._context.close()
        self._prepare()

    def _prepare(self) -> None:
        """Make an instance, harden it, and remember its memory as the state to return to."""
        context = self._runtime.new_context(timeout=self._limits.seconds)
        # quickjs-rs 0.2 passes its memory limit to an allocator that does not keep it (3 GB were
        # seen at a limit of 64 MB); the store's limit is wasmtime's own and holds.
        self._store(context).set_limits(memory_size=_IMAGE_ROOM + self._limits.memory_bytes)
        quickly_called(context)
        context.eval(self._prelude)
        # Handles made before the image stay valid after each restore; later ones would not.
        self._globals = context.globals
        self._context = context
        self._image = Image(context)
        self._clean = True

    @staticmethod
    def _store(context: Any) -> wasmtime.Store:
        store: wasmtime.Store = context._engine_ctx._inst.store
        return store

    def _classified(self, error: Exception) -> EvaluationError:
        if isinstance(error, engine_errors.TimeoutError | engine_errors.InterruptError):
            return EvaluationError("timeout", "the time limit was reached")
        if isinstance(error, engine_errors.MemoryLimitError):
            return EvaluationError("memory", "the memory limit was reached")
        if isinstance(error, engine_errors.JSError):
            if error.message == "null" and error.stack is None:
                # No memory was left even for an error; templates' own throws do not come up here.
                return EvaluationError("memory", "the memory limit was reached")
            at = _FRAME.search(error.stack or "")
            line = int(at[1]) if at else None
            code = "syntax" if error.name == "SyntaxError" else "runtime"
            message = error.message if code == "syntax" else f"{error.name}: {error.message}"
            return EvaluationError(code, message, line)
        if isinstance(error, UnicodeError):
            message = "the code holds half of a surrogate pair, which is not valid Unicode"
            return EvaluationError("syntax", message)
        # A trap leaves the instance in an unknown state.
        memory_full = self._image.memory_size() + _PAGE * 16 > self._limits.memory_bytes
        self._discard()
        if isinstance(error, wasmtime.Trap | wasmtime.WasmtimeError):
            if "call stack exhausted" in str(error):
                return EvaluationError("runtime", "RangeError: Maximum call stack size exceeded")
            if memory_full:
                return EvaluationError("memory", "the memory limit was reached")
            return EvaluationError("crashed", "the engine stopped")
        return EvaluationError("crashed", f"the engine failed ({type(error).__name__})")
