"""Scripts that mean harm end as errors within the limits, and leave nothing behind."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from flowlib_nb.errors import TemplateError
from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import Code, compile_code, compile_value
from flowlib_nb.templates.names import outer_names
from flowlib_nb.templates.render import Fault, check_syntax, render_rows, to_json

# Far above what killing and replacing a worker takes: only a hang goes past it.
HANG = 30.0


def evaluate(box: Sandbox, source: str, *, is_body: bool = False, **scope: Any) -> Any:
    """The value of a script, or its error."""
    texts = {name: to_json(value) for name, value in scope.items()}
    (result,) = render_rows(compile_code(source, (), is_body=is_body), texts, sandbox=box)
    if isinstance(result, Fault):
        raise result.error
    return result


def code_of(box: Sandbox, source: str, *, is_body: bool = False) -> str:
    """How a script ends, having made sure that the next one works."""
    began = time.monotonic()
    message = "as it should"
    try:
        code = f"value {json.dumps(evaluate(box, source, is_body=is_body))[:80]}"
    except TemplateError as error:
        code, message = error.code, str(error)
    assert 0 < len(message) < 5000
    assert evaluate(box, "1 + 1") == 2
    assert time.monotonic() - began < HANG
    return code


NEVER_ENDING = {
    "loop": "while (true) {}",
    "try and catch": "for (;;) { try { while (true) {} } catch {} finally { continue } }",
    "finally": "try { while (true) {} } finally { while (true) {} }",
    "comparator": "[2, 1].sort(() => { while (true) {} })",
    "replacer": "'a'.replace(/a/, () => { while (true) {} })",
    "generator": "for (const x of (function* () { while (true) yield 1 })()) {}",
    "regular expression": "return /^(a+)+$/.test('a'.repeat(40) + 'b')",
    "regular expression in split": "return ('a'.repeat(40) + 'b').split(/^(a|a)*$/)",
    "array of 2**53 - 1": "return Array.prototype.includes.call({length: 2 ** 53 - 1}, 1)",
    "search": "return 'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b')",
    "join": "return Array(2 ** 32 - 2).join('')",
    "big number": "return String(2n ** 1000000n)",
    "big numbers": "for (let x = 3n; ; ) { try { x *= x } catch { x = 3n } }",
    "exponential JSON": "let o = {}; for (let i = 0; i < 60; i++) o = [o, o]; return o",
    "exponential text": "let o = {}; for (let i = 0; i < 60; i++) o = [o, o]; return String(o)",
    "getter": "return {get a() { while (true) {} }}",
    "toJSON": "return {toJSON() { while (true) {} }}",
    "toJSON without end": "return {toJSON() { return this }, get a() { while (true) {} }}",
    "proxy's keys": "return new Proxy({}, {ownKeys() { while (true) {} }})",
    "proxy's values": "return new Proxy({a: 1}, {get() { while (true) {} }})",
    "thrown getter": "throw {get message() { while (true) {} }}",
    "thrown proxy": "throw new Proxy({}, {get() { while (true) {} }})",
    "then": "return {get then() { while (true) {} }}",
}


@pytest.mark.parametrize("name", NEVER_ENDING)
def test_what_never_ends_is_stopped(box: Sandbox, name: str) -> None:
    # One regular expression may run out of the engine's stack before it runs out of time.
    expected = {"timeout", "memory"} if "exponential" in name else {"timeout"}
    assert code_of(box, NEVER_ENDING[name], is_body=True) in expected


EATING_MEMORY = {
    "array": "const a = []; while (true) a.push('x'.repeat(1e6) + a.length)",
    "string": "return 'x'.repeat(2 ** 29)",
    "growing string": "let s = 'x'; while (true) s += 'y'.repeat(1e5)",
    "arguments": "return Math.max(...Array(1e7).fill(1))",
    "split": "return 'ab'.repeat(3e6).split('').join(',')",
    "Array.from": "return Array.from({length: 2 ** 32 - 1})",
    "fill": "return Array(2 ** 32 - 1).fill(0)",
    "closures": "let f = () => 1; while (true) { const g = f; f = () => g }",
    "map": "const m = new Map(); for (let i = 0; ; i++) m.set(i, 'x' + i)",
    "buffers": "const a = []; while (true) a.push(new Uint8Array(1e6))",
}


@pytest.mark.parametrize("name", EATING_MEMORY)
def test_memory_is_limited(patient_box: Sandbox, name: str) -> None:
    assert code_of(patient_box, EATING_MEMORY[name], is_body=True) == "memory"


def test_who_catches_the_lack_of_memory_runs_out_of_time(box: Sandbox) -> None:
    source = "const a = []; while (true) { try { a.push(Array(1e6).fill(1)) } catch {} }"
    assert code_of(box, source, is_body=True) == "timeout"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("x" * 20_000_000, id="text that does not fit twice"),
        pytest.param("x" * 31_000_000, id="text that just fits"),
        pytest.param("x" * 50_000_000, id="text that does not fit"),
        pytest.param([{"a": 1}] * 400_000, id="objects"),
        pytest.param([["x"]] * 800_000, id="lists"),
    ],
)
def test_memory_is_limited_for_what_is_passed_in(patient_box: Sandbox, data: object) -> None:
    with pytest.raises(TemplateError, match="32 MB") as caught:
        evaluate(patient_box, "data.length", data=data)
    assert caught.value.code == "memory"
    assert evaluate(patient_box, "1 + 1") == 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_is_limited_for_the_whole_process(box: Sandbox) -> None:
    # An evaluation that is over its memory, but leaves its worker alive, tells how far it got.
    assert code_of(box, EATING_MEMORY["string"], is_body=True) == "memory"
    (worker,) = box._free
    status = Path(f"/proc/{worker.pid}/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak) < 500_000  # kB; the engine alone is about a fifth of it


@pytest.mark.parametrize(
    "source",
    [
        "(function f() { return f() })()",
        "(function f() { try { return f() } catch { return f() } })()",
        "(() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a })()",
        "(() => { let a = {}; for (let i = 0; i < 1e5; i++) a = {a}; return a })()",
        "JSON.parse('['.repeat(1e6))",
        "JSON.parse('{\"a\":'.repeat(1e6))",
        "(() => { const a = []; a.push(a); return a })()",
        "(() => { const a = []; a.push(a); return a.flat(Infinity) })()",
        "new RegExp('('.repeat(1e5)).test('a')",
        "2n ** 1000000n",
        "(() => { let s = 'x'; while (true) s += s + Math.random() })()",
        "(() => { const f = () => { try { f() } catch { f() } }; while (true) f() })()",
        "new Uint8Array(2 ** 40)",
        "'x'.padStart(2 ** 40)",
        "(() => { throw {toString() { while (true) {} }} })()",
        "[..." + "[" * 5000 + "]" * 5000 + "]",
        "(" * 5000 + "1" + ")" * 5000,
        "1" + " + 1" * 20_000 + "; evil",
        "`${" * 3000 + "1" + "}`" * 3000,
        "a" + ".a" * 50_000,
        "!" * 50_000 + "1",
        "x => " * 3000 + "1",
    ],
)  # fmt: skip
def test_what_cannot_work_is_an_error(box: Sandbox, source: str) -> None:
    assert code_of(box, source) in {"runtime", "syntax", "timeout", "memory"}


@pytest.mark.parametrize(
    "source",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "[" * 50_000,
        "!" * 50_000 + "1",
        "`${" * 3000 + "1" + "}`" * 3000,
    ],
)
def test_checking_of_deep_sources_ends(box: Sandbox, source: str) -> None:
    faults = check_syntax(compile_code(source, (), is_body=False).codes, box)
    assert len(faults) == 1
    assert evaluate(box, "1 + 1") == 2


def test_the_output_is_limited(patient_box: Sandbox) -> None:
    assert evaluate(patient_box, "'x'.repeat(1e6)") == "x" * 1_000_000
    with pytest.raises(TemplateError, match="the limit is 1,048,576") as caught:
        evaluate(patient_box, "'x'.repeat(1.1e6)")
    assert caught.value.code == "output_size"
    with pytest.raises(TemplateError) as caught:
        evaluate(patient_box, "'\\u0001'.repeat(3e5)")  # six bytes each
    assert caught.value.code == "output_size"
    assert evaluate(patient_box, "1 + 1") == 2


@pytest.mark.parametrize(
    "name",
    [
        "eval", "Function", "setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch",
        "XMLHttpRequest", "WebSocket", "require", "process", "module", "exports", "Deno", "Bun",
        "std", "os", "print", "console", "scriptArgs", "loadScript", "performance", "Worker",
        "importScripts", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry",
        "WebAssembly", "window", "self", "global", "navigator", "document", "gc", "structuredClone",
        "host", "__host_call", "__proto_pollution__",
    ],
)  # fmt: skip
def test_what_is_not_there(box: Sandbox, name: str) -> None:
    assert evaluate(box, f"typeof {name}") == "undefined"
    assert evaluate(box, f"'{name}' in globalThis") is False


KINDS = {
    "function": "function () {}",
    "arrow": "() => {}",
    "generator": "function* () {}",
    "async": "async function () {}",
    "async arrow": "async () => {}",
    "async generator": "async function* () {}",
    "class": "class {}",
    "method": "({m() {}}).m",
    "getter": "Object.getOwnPropertyDescriptor({get a() { return 1 }}, 'a').get",
    "bound": "(function () {}).bind()",
    "builtin": "Math.max",
    "constructor": "Array",
    "helper": "json",
    "proxy": "new Proxy(function () {}, {})",
}
WAYS = {
    "property": "f.constructor",
    "prototype": "Object.getPrototypeOf(f).constructor",
    "own key": "Object.getOwnPropertyDescriptor(Object.getPrototypeOf(f), 'constructor')?.value",
    "Reflect": "Reflect.get(f, 'constructor')",
    "chain": "(() => { for (let p = f; p; p = Object.getPrototypeOf(p)) { const c = Object.getOwnPropertyDescriptor(p, 'constructor')?.value; if (c && c !== Object && c.name !== '') return c } })()",
    "species": "f.constructor?.[Symbol.species]",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_no_function_leads_to_a_constructor_of_functions(box: Sandbox, kind: str, way: str) -> None:
    source = f"const f = {KINDS[kind]}; const c = {WAYS[way]}; return typeof c === 'function' ? c('return 7')() : 0"
    assert code_of(box, source, is_body=True) in {"value 0", "runtime"}


@pytest.mark.parametrize(
    "source",
    [
        "globalThis.eval('7')",
        "(0, globalThis['ev' + 'al'])('7')",
        "new globalThis.Function('return 7')()",
        "(() => {}).constructor('return 7')()",
        "''.sub.constructor('return 7')()",
        "[].constructor.constructor('return 7')()",
        "Reflect.construct((() => {}).constructor, ['return 7'])()",
        "Object.getPrototypeOf(function* () {}).constructor('yield 7')().next().value",
        "Object.getPrototypeOf(async () => {}).constructor('return 7')()",
        "JSON.parse.constructor('return 7')()",
        "({}).constructor.getPrototypeOf(json).constructor('return 7')()",
        "new Proxy(json, {}).constructor('return 7')()",
        "import('os')",
        "import('data:text/javascript,export default 7')",
        "setTimeout('7')",
        "require('fs')",
        "process.env",
        "fetch('http://127.0.0.1/')",
        "(function () { return this })().eval('7')",
        "arguments.callee.caller",
        "(function () { return arguments.callee })()",
        "(function f() { return f.caller })()",
        "$run(() => [[1, [0, () => 7]]], [], [], false)",
    ],
)
def test_code_out_of_text_and_the_outside_are_unreachable(box: Sandbox, source: str) -> None:
    assert code_of(box, source) == "runtime"


def test_import_loads_nothing(box: Sandbox) -> None:
    body = "let got = 'nothing'; import('os').then(m => { got = m }, e => { got = e }); return got"
    assert evaluate(box, body, is_body=True) == "nothing"
    assert evaluate(box, "[import('std'), import('/etc/passwd')]") == [{}, {}]


def test_what_was_left_to_run_later_never_runs(box: Sandbox) -> None:
    for source in (
        "(() => { const f = () => Promise.resolve().then(f); f(); return 1 })()",
        "(() => { (async () => { while (true) await 0 })(); return 1 })()",
        "(() => { Promise.reject(new Error('x')); return 1 })()",
    ):
        assert evaluate(box, source) == 1
        assert evaluate(box, "1 + 1") == 2


@pytest.mark.parametrize(
    "source",
    [
        "Object.prototype.polluted = 1",
        "Array.prototype.polluted = 1",
        "[].__proto__.polluted = 1",
        "({}).__proto__.polluted = 1",
        "(() => {}).__proto__.polluted = 1",
        "(function* () {}).prototype.__proto__.__proto__.polluted = 1",
        "Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({done: true})",
        "Object.getPrototypeOf(new Map().entries()).next = 1",
        "Object.getPrototypeOf(''.matchAll(/x/g)).next = 1",
        "Object.getPrototypeOf(Object.getPrototypeOf([].values())).polluted = 1",
        "Object.getPrototypeOf(Int8Array).polluted = 1",
        "Object.getPrototypeOf(Int8Array.prototype).polluted = 1",
        "Object.defineProperty(Object.prototype, 'polluted', {value: 1})",
        "Object.setPrototypeOf(Object.prototype, {polluted: 1})",
        "Object.setPrototypeOf(Array, null)",
        "Reflect.defineProperty(globalThis, 'polluted', {value: 1}) || fail()",
        "Object.setPrototypeOf(globalThis, {polluted: 1})",
        "globalThis.polluted = 1",
        "polluted = 1",
        "JSON.stringify = () => '7'",
        "JSON.parse = () => 7",
        "Math.max = () => 7",
        "String.prototype.slice = () => '7'",
        "Promise.prototype.then = 1",
        "Symbol.iterator = 1",
        "delete Array.prototype.map",
        "delete globalThis.JSON",
        "delete globalThis.$run",
        "globalThis.json = 7",
        "json.x = 1",
        "globalThis.$run = () => '[[[7]],[]]'",
        "Object = 1",
        "undefined = 1",
        "Error.prepareStackTrace = () => 7",
        "Error.stackTraceLimit = 0",
    ],
)
def test_builtins_cannot_be_changed(box: Sandbox, source: str) -> None:
    assert code_of(box, source) == "runtime"
    assert evaluate(box, "[({}).polluted ?? 0, [].polluted ?? 0, globalThis.polluted ?? 0]") == [
        0,
        0,
        0,
    ]


def test_every_builtin_is_frozen(patient_box: Sandbox) -> None:
    body = """
        const open = [], seen = new Set(), queue = [[globalThis, 'globalThis']];
        for (const x of [function* () {}, async () => {}, async function* () {}, [].values(),
            ''[Symbol.iterator](), new Map().keys(), new Set().keys(), ''.matchAll(/x/g),
            [].values().map(x => x), Iterator.from({next() {}})]) {
            queue.push([Object.getPrototypeOf(x), 'of ' + Object.prototype.toString.call(x)]);
        }
        while (queue.length) {
            const [item, path] = queue.pop();
            if (item === null || !/^(object|function)$/.test(typeof item) || seen.has(item)) continue;
            seen.add(item);
            if (item !== globalThis && !Object.isFrozen(item)) open.push(path);
            queue.push([Object.getPrototypeOf(item), path + '.__proto__']);
            for (const key of Reflect.ownKeys(item)) {
                const d = Object.getOwnPropertyDescriptor(item, key), at = path + '.' + String(key);
                if (item === globalThis && (d.writable || d.configurable)) open.push(at);
                queue.push([d.value, at], [d.get, at], [d.set, at]);
            }
        }
        return {open, count: seen.size, extensible: Object.isExtensible(globalThis)};
    """
    found = evaluate(patient_box, body, is_body=True)
    assert found["count"] > 500
    assert found["extensible"] is False
    # The one slot that the host writes to before each evaluation.
    assert found["open"] == []


def test_nothing_goes_from_one_evaluation_to_the_next(box: Sandbox) -> None:
    with pytest.raises(TemplateError, match="read-only"):
        evaluate(box, "(() => { globalThis.$payload = 'kept'; return 1 })()")
    assert evaluate(box, "globalThis.$payload") == ""
    assert evaluate(box, "(() => { data.x = 'kept'; return data })()", data={}) == {"x": "kept"}
    assert evaluate(box, "data", data={}) == {}
    sources = [
        "/x/g.lastIndex",
        "(/x/g.test('x'), /x/g.lastIndex)",
        "Symbol.for('kept').description",
    ]
    assert [evaluate(box, source) for source in sources * 2] == [0, 0, "kept"] * 2
    tag = "(() => { const f = s => s; const t = f`x`; try { t.kept = 1 } catch {} return t.kept ?? 0 })()"
    assert evaluate(box, tag) == evaluate(box, tag) == 0
    # Programs are scripts: what they declare would be everybody's.
    for declaration in ("let kept = 1", "const kept = 1", "class kept {}"):
        assert box.evaluate(f"{declaration}; '[]'", b"{}") == b"[]"
        assert box.evaluate("typeof kept", b"{}") == b"undefined"
    body = "class A { static n = 0 } A.n++; return A.n"
    assert evaluate(box, body, is_body=True) == evaluate(box, body, is_body=True) == 1


def test_the_payload_of_the_last_evaluation_is_gone(patient_box: Sandbox) -> None:
    # Found by no name; and where memory could be read at all, it is that of before the payload.
    assert evaluate(patient_box, "secret.length", secret="s3cr3t" * 100) == 600
    body = """
        const seen = new Set(), queue = [globalThis], found = [];
        while (queue.length) {
            const item = queue.pop();
            if (typeof item === 'string' && item.includes('s3c' + 'r3t')) found.push(item);
            if (item === null || !/^(object|function)$/.test(typeof item) || seen.has(item)) continue;
            seen.add(item);
            for (const key of Reflect.ownKeys(item)) {
                queue.push(Object.getOwnPropertyDescriptor(item, key).value);
            }
        }
        return found.length + new Uint8Array(1e4).reduce((a, b) => a + b, 0);
    """
    assert evaluate(patient_box, body, is_body=True) == 0


def test_one_code_cannot_pass_for_another(box: Sandbox) -> None:
    template = ["{{ arguments.length }}", "{{ (() => { throw 1 })() }}", "{{ this ?? 'none' }}"]
    compiled = compile_value(template)
    (result,) = render_rows(compiled, {}, sandbox=box)
    assert isinstance(result, Fault)
    (result,) = render_rows(compiled, {}, sandbox=box, lenient=True)
    assert result == [0, None, "none"]


def test_randomness_and_dates_work(box: Sandbox) -> None:
    first, second = evaluate(box, "[Math.random(), Math.random()]")
    assert 0 <= first < 1
    assert first != second
    assert abs(evaluate(box, "Date.now()") / 1000 - time.time()) < 3600


@pytest.mark.parametrize("engine", ["wasm", "native"])
@pytest.mark.parametrize(
    "source",
    [
        # The engines know HTML's comments, the parser does not.
        "return 1 <!-- /*\n}; let hog = 'x'.repeat(5e7); void function () { return 1\n*/ b /i.x",
        "a <!-- /*\n) }; for(;;); void function () { return (1 \n*/ b /i.x",
        "return 1\n--> /*\n}; let hog = 7; void function () { return 1\n*/ b /i.x",
        "return 1; }; let hog = 7; function f() {",
        "return 1; }); let hog = 7; (function () {",
        "1 ) }; let hog = 7; void function () { return (1",
        "1 ] }; let hog = 7; void function () { return [1",
    ],
)
def test_checking_runs_nothing_and_leaves_nothing(engine: str, source: str) -> None:
    box = Sandbox(engine=engine, time_limit=20.0, workers=1, memory_limit=64)
    try:
        for is_body in (False, True):
            code = Code(source, is_body, (), 0)
            (fault,) = check_syntax([code], box)
            assert fault.error.code == "syntax"
            assert evaluate(box, "typeof hog") == "undefined"
            assert evaluate(box, "'y'.repeat(3e7).length") == 30_000_000
    finally:
        box.close()


@pytest.mark.parametrize(
    "source", ["'<!-- x -->'", "`<!--${1}-->`.length", "/<!--|-->/.test('x')", "/* <!-- */ 1", "((n) => { while (n --> 0) {} return n })(3)"]
)  # fmt: skip
def test_html_comments_in_texts_are_no_comments(box: Sandbox, source: str) -> None:
    assert check_syntax([Code(source, False, (), 0)], box) == []
    evaluate(box, source)


def test_a_row_leaves_nothing_for_the_next(box: Sandbox) -> None:
    compiled = compile_code(
        "(() => { try { globalThis.$payload += 'x' } catch {} return globalThis.$payload.length })()",
        (), is_body=False,
    )  # fmt: skip
    assert render_rows(compiled, {}, [{}] * 200, sandbox=box) == [0] * 200


@pytest.mark.parametrize(
    "source",
    [
        "(() => { let a = []; for (let i = 0; i < 1500; i++) a = [a]; return a })()",
        "JSON.rawJSON('1'.repeat(5000))",
        "JSON.rawJSON('\"\\\\uD800\"')",
        "JSON.rawJSON('1e999')",
        "(() => { throw new Error('\\ud800 end') })()",
    ],
)
def test_strange_results_are_template_errors(box: Sandbox, source: str) -> None:
    with pytest.raises(TemplateError) as caught:
        evaluate(box, source)
    str(caught.value).encode()


def test_time_to_read_names_grows_with_the_text_only() -> None:
    for source in ("+".join(["a"] * 40_000), "f" + "(a)" * 30_000, "a?a:" * 20_000 + "a"):
        names = outer_names(source)
        assert len(names) >= 20_000
        assert names[-1].offset == len(source) - (2 if source.endswith(")") else 1)
