"""Three things of quickjs-rs and wasmtime in fewer steps: compiling, calling, restoring.

They are most of what a short evaluation costs. All of it reaches behind the libraries' public faces
and changes only how long things take: with a version in which something is not where it is looked
for, ``quickly_called`` and ``shared_code`` leave the libraries' own ways in place.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from typing import Any

import wasmtime
from quickjs_rs import _engine, _wasmtime

_ARTIFACT = "quickjs"
_CALLABLE = frozenset({"i32", "i64"})


def use_shared_code(code: bytes) -> None:
    """Take over what another worker has compiled; compiling takes a hundred times as long.

    Parameters
    ----------
    code : bytes
        From :func:`shared_code` of a worker that had not evaluated anything yet, since it is
        machine code. Of no use after an update of the library: then it is compiled anew.
    """
    if not code:
        return
    engine = _wasmtime.shared_wasmtime_engine()
    try:
        module = wasmtime.Module.deserialize(engine, code)
        guest = _engine._read_guest_wasm()
        artifact = _wasmtime.SharedWasmArtifact(
            module, _engine._build_shared_linker(engine), hashlib.sha256(guest).digest()
        )
        _wasmtime._SHARED_ARTIFACTS[_ARTIFACT] = artifact
    except (wasmtime.WasmtimeError, AttributeError, TypeError):
        return


def shared_code() -> bytes:
    """The compiled engine, for :func:`use_shared_code`; empty where there is none to be had."""
    artifact = getattr(_wasmtime, "_SHARED_ARTIFACTS", {}).get(_ARTIFACT)
    return bytes(artifact.module.serialize()) if artifact else b""


def quickly_called(context: Any) -> None:
    """Make calls into an instance cheaper: its functions' types are looked up once.

    Parameters
    ----------
    context : quickjs_rs.Context
        New.
    """
    instance = context._engine_ctx._inst
    exports = instance._exports
    quick = {name: _quick(exports[name], instance.store) for name in exports}
    if all(hasattr(wasmtime._ffi, name) for name in ("wasmtime_val_t", "wasmtime_func_call")):
        instance._exports = quick


def _quick(export: Any, store: wasmtime.Store) -> Any:
    """A function of integers as a closure over its buffers; anything else as it is."""
    if not isinstance(export, wasmtime.Func):
        return export
    kind = export.type(store)
    parameters, results = [str(one) for one in kind.params], [str(one) for one in kind.results]
    if not _CALLABLE.issuperset(parameters + results) or len(results) > 1:
        return export
    return _call(export, parameters, results)


def _call(function: wasmtime.Func, parameters: list[str], results: list[str]) -> Callable[..., Any]:
    ffi = wasmtime._ffi
    kinds = {"i32": ffi.WASMTIME_I32, "i64": ffi.WASMTIME_I64}
    count = len(parameters)
    given, answer = (ffi.wasmtime_val_t * count)(), (ffi.wasmtime_val_t * len(results))()
    for value, name in zip(given, parameters, strict=True):
        value.kind = kinds[name]
    raw = ctypes.byref(function._func)
    call, enter = ffi.wasmtime_func_call, wasmtime._func.enter_wasm

    def called(store: wasmtime.Store, *arguments: int) -> int | None:
        for value, name, argument in zip(given, parameters, arguments, strict=True):
            setattr(value.of, name, argument)
        with enter(store) as trap:
            error = call(store._context(), raw, given, count, answer, len(results), trap)
            if error:
                raise wasmtime.WasmtimeError._from_ptr(error)
        return getattr(answer[0].of, results[0]) if results else None

    return called


class Image:
    """An instance's memory at one moment, and the way back to it.

    Parameters
    ----------
    context : quickjs_rs.Context
        Whose handles made by now stay valid after each :meth:`restore`; later ones do not.
    """

    def __init__(self, context: Any) -> None:
        self._instance = context._engine_ctx._inst
        memory, store = self._instance.mem, self._instance.store
        self.size: int = memory.data_len(store)
        self._bytes = (ctypes.c_ubyte * self.size).from_buffer_copy(memory.read(store))
        self._stack_pointer = self._instance.sp.value(store)

    def memory_size(self) -> int:
        """Bytes of the instance's memory now, which never shrinks."""
        size: int = self._instance.mem.data_len(self._instance.store)
        return size

    def restore(self) -> None:
        """Make the instance what it was; what its memory grew by stays, out of use."""
        memory, store = self._instance.mem, self._instance.store
        ctypes.memmove(memory.data_ptr(store), self._bytes, self.size)
        self._instance.sp.set_value(store, self._stack_pointer)
