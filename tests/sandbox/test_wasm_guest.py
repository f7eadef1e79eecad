"""The shorter ways into the WebAssembly engine lead to the same place as its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import quickjs_rs
import wasmtime
from quickjs_rs import _wasmtime

from flowlib_nb.sandbox.wasm_guest import Image, quickly_called, shared_code, use_shared_code


@pytest.fixture
def context() -> Iterator[quickjs_rs.Context]:
    runtime = quickjs_rs.Runtime()
    with runtime.new_context() as context:
        yield context


def memory(context: quickjs_rs.Context) -> bytes:
    instance = context._engine_ctx._inst
    return bytes(instance.mem.read(instance.store))


def test_quick_calls_answer_as_the_libraries_do(context: quickjs_rs.Context) -> None:
    sources = [
        "1 + 1",
        "'é😀'",
        "1n << 70n",
        "[1, {a: null}]",
        "0.5",
        "(() => { throw 5 })()",
        "1 +",
    ]

    def outcomes() -> list[object]:
        found: list[object] = []
        for source in sources:
            try:
                found.append(context.eval(source))
            except quickjs_rs.QuickJSError as error:
                found.append(str(error))
        return found

    slowly = outcomes()
    exports = context._engine_ctx._inst._exports
    quickly_called(context)
    assert context._engine_ctx._inst._exports is not exports
    assert not isinstance(context._engine_ctx._inst._exports["eval_code"], wasmtime.Func)
    assert outcomes() == slowly


def test_a_quick_call_notices_a_trap_and_an_interrupt(context: quickjs_rs.Context) -> None:
    quickly_called(context)
    impatient = context._runtime.new_context(timeout=0.05)
    quickly_called(impatient)
    with pytest.raises(quickjs_rs.TimeoutError):
        impatient.eval("for (;;) {}")
    with pytest.raises(wasmtime.Trap):
        context._engine_ctx._inst.c("free_value", 0x7FFF_FFF0)


def test_shared_code_is_not_compiled_again(
    context: quickjs_rs.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = shared_code()
    monkeypatch.setattr(_wasmtime, "_SHARED_ARTIFACTS", {})
    assert shared_code() == b""
    use_shared_code(b"of another version")
    assert shared_code() == b""
    use_shared_code(code)
    monkeypatch.setattr(wasmtime.Module, "__init__", None)
    with quickjs_rs.Runtime() as runtime:
        assert runtime.new_context().eval("1 + 1") == 2
    assert shared_code() == code


def test_an_image_brings_all_memory_back(context: quickjs_rs.Context) -> None:
    context.eval("globalThis.kept = [1, 2]")
    image, before = Image(context), memory(context)
    context.eval("kept.push('x'.repeat(3000)); globalThis.other = kept.map(String)")
    assert memory(context)[: image.size] != before
    image.restore()
    assert memory(context)[: image.size] == before
    assert context.eval("kept.length + typeof other") == "2undefined"


def test_an_image_of_memory_that_grew(context: quickjs_rs.Context) -> None:
    image = Image(context)
    context.eval("globalThis.big = 'é'.repeat(3e6)")
    assert image.memory_size() > image.size + 3e6
    for _ in range(3):
        image.restore()
        assert context.eval("typeof big + new Uint8Array(1e6).every((byte) => byte === 0)") == (
            "undefinedtrue"
        )
