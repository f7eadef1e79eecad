"""QuickJS-ng as native code (the ``quickjs-ng`` distribution), faster than WebAssembly.

Runs inside a worker process only, where a hole in the engine costs that worker, confined as far as
the system can. Every evaluation has an engine of its own.
"""

from __future__ import annotations

import re
from typing import Any

import quickjs

from .engine import EvaluationError, Limits, prelude, unless_parsed

# The engine's builtins and the prelude; a template's memory comes on top.
_OWN_BYTES = 4 << 20
_LINE = re.compile(r"<input>:(\d+)")


class NativeEngine:
    """Hardened engines, each for one evaluation.

    Parameters
    ----------
    limits : Limits
        Fixed for the engine's life.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._prelude = prelude()
        self._next: Any = None
        # Used for nothing else, since declarations leave their names even where nothing was run.
        self._parser: Any = None
        self.make_ready()

    @property
    def code(self) -> bytes:
        """Nothing: it is machine code as it comes."""
        return b""

    def evaluate(self, program: str, payload: str) -> str:
        """Run a program; see :class:`Engine`."""
        context = self._take()
        try:
            context.set("$payload", payload)
            result = context.eval(program)
        except MemoryError:
            raise EvaluationError("memory", "the memory limit was reached") from None
        except UnicodeError:
            raise _not_unicode() from None
        except Exception as error:
            raise _classified(error) from None
        if not isinstance(result, str):
            raise EvaluationError("crashed", "the program did not return text")
        return result

    def parses(self, source: str) -> EvaluationError | None:
        """Whether a source parses; see :class:`Engine`."""
        context, self._parser = self._parser or self._made(), None
        context.set_time_limit(self._limits.seconds)
        try:
            context.eval(source)
        except UnicodeError:
            return _not_unicode()
        except Exception as thrown:
            error = unless_parsed(_classified(thrown))
            if error is None or error.code == "syntax":
                self._parser = context
            return error
        return None

    def make_ready(self) -> None:
        """Make the engine for the next evaluation."""
        if self._next is None:
            self._next = self._made()

    def _made(self) -> Any:
        context = quickjs.Context()
        context.set_memory_limit(_OWN_BYTES + self._limits.memory_bytes)
        context.set_max_stack_size(self._limits.stack_bytes)
        context.eval(self._prelude)
        return context

    def _take(self) -> Any:
        self.make_ready()
        context, self._next = self._next, None
        # Counted from now, in processor time of this process.
        context.set_time_limit(self._limits.seconds)
        return context


def _not_unicode() -> EvaluationError:
    return EvaluationError(
        "syntax", "the code holds half of a surrogate pair, which is not valid Unicode"
    )


def _classified(error: Exception) -> EvaluationError:
    text = str(error)
    head = text.partition("\n")[0]
    if head == "InternalError: interrupted":
        return EvaluationError("timeout", "the time limit was reached")
    if head in ("InternalError: out of memory", "null", "Failed setting the variable."):
        # `null` is what is thrown where no memory is left even for an error.
        return EvaluationError("memory", "the memory limit was reached")
    if isinstance(error, quickjs.StackOverflow):
        return EvaluationError("runtime", "RangeError: Maximum call stack size exceeded")
    at = _LINE.search(text)
    line = int(at[1]) if at else None
    if head.startswith("SyntaxError: "):
        return EvaluationError("syntax", head.removeprefix("SyntaxError: "), line)
    return EvaluationError("runtime", head, line)
