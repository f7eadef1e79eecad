"""What a worker asks of a JavaScript engine; there are two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

# What a source begins with that is only to be parsed.
PARSED = "throw 'parsed';"
_THROWN = "parsed"

EngineName = Literal["wasm", "native"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may use.

    Parameters
    ----------
    seconds : float
        Engine time (soft; the parent process has the hard clock).
    memory_bytes, stack_bytes : int
        Of the engine's heap and of its stack.
    """

    seconds: float
    memory_bytes: int
    stack_bytes: int


class EvaluationError(Exception):
    """The engine ended an evaluation.

    Parameters
    ----------
    code : str
        ``syntax``, ``runtime``, ``timeout``, ``memory`` or ``crashed``.
    message : str
        The engine's reason.
    line : int or None
        In the program, from 1. The engine's column of a syntax error is not the error's.
    """

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


def unless_parsed(error: EvaluationError) -> EvaluationError | None:
    """What ended a source that begins with ``PARSED``; None where that is all that did."""
    thrown = error.message.rpartition(": ")[2]
    return None if error.code == "runtime" and thrown == _THROWN else error


class Engine(Protocol):
    """Evaluates programs; none sees anything of the one before."""

    @property
    def code(self) -> bytes:
        """What was compiled at the start, for :func:`make_engine` in another process; or empty."""

    def evaluate(self, program: str, payload: str) -> str:
        """Run a program on its data.

        Parameters
        ----------
        program : str
            JavaScript whose value is a string.
        payload : str
            JSON text that the program finds in ``$payload``.

        Returns
        -------
        str
            The program's value.

        Raises
        ------
        EvaluationError
            Whatever ended it.
        """

    def parses(self, source: str) -> EvaluationError | None:
        """Whether ``source`` parses as a script.

        Parameters
        ----------
        source : str
            Begins with ``PARSED``, so that nothing of it is run: the engine cannot only parse.

        Returns
        -------
        EvaluationError or None
            The syntax error, with its line in ``source``.
        """

    def make_ready(self) -> None:
        """Prepare the next evaluation, while nobody waits."""


def make_engine(name: EngineName, limits: Limits, code: bytes = b"") -> Engine:
    """Start an engine.

    Parameters
    ----------
    name : str
        ``wasm``, or ``native``.
    limits : Limits
        Fixed for the engine's life.
    code : bytes
        The ``code`` of an engine of this name.

    Returns
    -------
    Engine
        Ready.
    """
    # Each brings a library that the other does not need.
    if name == "native":
        from .native_engine import NativeEngine

        return NativeEngine(limits)
    from .wasm_engine import WasmEngine

    return WasmEngine(limits, code)


def prelude() -> str:
    """The JavaScript that makes an engine safe, and that runs programs."""
    return Path(__file__).with_name("prelude.js").read_text(encoding="utf-8")
