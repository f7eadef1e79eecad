"""The template sandbox against other evaluators, and against its own goals, in one run.

Run it with ``pip install '.[bench]'`` and ``python benchmarks/templates.py``, with names of parts
(``throughput``, ``node``, ``single``, ``load``, ``spawn``) for only these. What counts is the
ratios: they hold from machine to machine better than rows per second do. What is compared is
measured in turn, on the same rows, and each figure is a median.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import Timed, clock, in_turn, ratio, records

ROWS, BATCH, ROUNDS = 100_000, 10_000, 5
EMSCRIPTEN = "0.32.0"
NUMBER, TEXT = "{{ price * qty }}", "{{ name }}: {{ price }}"
FIELDS = {NUMBER: ("price", "qty"), TEXT: ("name", "price")}
# For the flow node: what is compared with it takes a tenth of a second and more.
NODE_ROUNDS = 7

# One context for all, JSON text in and out, a function that the engine has compiled once.
NODE_PROGRAM = r"""
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { getQuickJS } from "quickjs-emscripten";
const rows = JSON.parse(readFileSync("rows.json", "utf8"));
const context = (await getQuickJS()).newContext();
const compiled = (expression) => context.unwrapResult(context.evalCode(
  `(text) => JSON.stringify(JSON.parse(text).map((row) => ${expression}))`));
const functions = {
  number: compiled("row.price * row.qty"), text: compiled("`${row.name}: ${row.price}`"),
};
const evaluated = (task, batch) => {
  const text = context.newString(JSON.stringify(batch));
  const called = context.callFunction(functions[task], context.undefined, text);
  const answer = context.unwrapResult(called);
  const values = JSON.parse(context.getString(answer));
  answer.dispose();
  text.dispose();
  return values;
};
const picked = {
  number: ({ price, qty }) => ({ price, qty }), text: ({ name, price }) => ({ name, price }),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [task, all, batch] = JSON.parse(line);
  const start = performance.now();
  let values = [];
  for (let i = 0; i < rows.length; i += batch) {
    const part = rows.slice(i, i + batch);
    values.push(evaluated(task, all ? part : part.map(picked[task])));
  }
  const seconds = (performance.now() - start) / 1000;
  values = values.flat();
  console.log(JSON.stringify([seconds, values.slice(0, 2), values.length]));
}
"""


@contextmanager
def sandbox_of(engine: str, **options: Any) -> Iterator[Any]:
    from flowlib_nb.sandbox.pool import Sandbox

    made = Sandbox(engine=engine, **options)
    try:
        yield made
    finally:
        made.close()


def expected(template: str, row: dict[str, Any]) -> object:
    if template == NUMBER:
        return row["price"] * row["qty"]
    return f"{row['name']}: {row['price']:g}"


def agreed(values: Sequence[Any], template: str, data: Sequence[dict[str, Any]]) -> None:
    first = [expected(template, row) for row in data[:2]]
    if list(values[:2]) != first or len(values) != len(data):
        raise SystemExit(f"wrong answer: {values[:2]!r}, not {first!r}")


def ours(data: Sequence[dict[str, Any]], template: str, box: Any) -> Timed:
    from flowlib_nb.templates.compiler import compile_value
    from flowlib_nb.templates.render import render_rows

    compiled = compile_value(template)
    # render_rows sends only the fields that the template names, whatever else the rows hold.
    batches = [data[start : start + BATCH] for start in range(0, ROWS, BATCH)]

    def all_rows() -> list[Any]:
        return [one for batch in batches for one in render_rows(compiled, {}, batch, sandbox=box)]

    agreed(all_rows(), template, data)
    return lambda: clock(all_rows)


class Emscripten:
    """quickjs-emscripten in a Node process that waits for tasks."""

    def __init__(self, folder: Path, data: Sequence[dict[str, Any]]) -> None:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise ModuleNotFoundError(name="Node.js and npm")
        (folder / "package.json").write_text('{"private": true}')
        (folder / "rows.json").write_text(json.dumps(data))
        (folder / "run.mjs").write_text(NODE_PROGRAM)
        package = f"quickjs-emscripten@{EMSCRIPTEN}"
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        done = subprocess.run([npm, "install", *options, package], cwd=folder, check=False)
        if done.returncode:
            raise ModuleNotFoundError(name=package)
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        self.name = f"{package} in Node {version.stdout.strip()}"
        self._process = subprocess.Popen(
            [node, "run.mjs"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def timed(self, data: Sequence[dict[str, Any]], template: str, *, all_fields: bool) -> Timed:
        def run() -> float:
            task = json.dumps(["number" if template == NUMBER else "text", all_fields, BATCH])
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(task + "\n")
            seconds, first, count = json.loads(self._process.stdout.readline())
            agreed([*first, *[None] * (count - 2)], template, data)
            return float(seconds)

        return run

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def jinja2(data: Sequence[dict[str, Any]], template: str) -> Timed:
    from jinja2.sandbox import SandboxedEnvironment

    compiled = SandboxedEnvironment().from_string(template)

    def run() -> list[str]:
        return [compiled.render(row) for row in data]

    # Its answers are always text.
    answers = run()
    agreed([float(one) if template == NUMBER else one for one in answers], template, data)
    return lambda: clock(run)


def pandas_apply(data: Sequence[dict[str, Any]], template: str) -> Timed:
    import pandas as pd

    frame = pd.DataFrame(data)[list(FIELDS[template])]
    functions: dict[str, Callable[[Any], object]] = {
        NUMBER: lambda row: row["price"] * row["qty"],
        TEXT: lambda row: f"{row['name']}: {row['price']:g}",
    }

    def run() -> Any:
        return frame.apply(functions[template], axis=1)

    agreed(run().tolist(), template, data)
    return lambda: clock(run)


def jsonata(data: Sequence[dict[str, Any]], template: str) -> Timed:
    from jsonata import Jsonata

    expression = "price * qty" if template == NUMBER else "name & ': ' & price"
    compiled = Jsonata(f"$.({expression})")
    batches = [data[start : start + BATCH] for start in range(0, ROWS, BATCH)]

    def run() -> list[Any]:
        return [one for batch in batches for one in compiled.evaluate(batch)]

    agreed(run(), template, data)
    return lambda: clock(run)


def throughput() -> None:
    print(f"Throughput over {ROWS:,} rows of 8 fields in batches of {BATCH:,}, {ROUNDS} rounds\n")
    data = records(ROWS)
    limits = {"time_limit": 60.0, "memory_limit": 512, "output_limit": 128}
    with (
        tempfile.TemporaryDirectory(prefix="flowlib-benchmark-") as name,
        sandbox_of("wasm", **limits) as wasm,
        sandbox_of("native", **limits) as native,
    ):
        emscripten = None
        try:
            emscripten = Emscripten(Path(name), data)
        except ModuleNotFoundError as error:
            print(f"quickjs-emscripten: not installed ({error.name})\n")
        for template in (NUMBER, TEXT):
            contenders = {
                "ours, native": ours(data, template, native),
                "ours, wasm": ours(data, template, wasm),
            }
            if emscripten is not None:
                for label, all_fields in (("8 fields", True), ("2 fields", False)):
                    contenders[f"quickjs-emscripten, {label}"] = emscripten.timed(
                        data, template, all_fields=all_fields
                    )
            for other in (jinja2, pandas_apply, jsonata):
                try:
                    contenders[other.__name__] = other(data, template)
                except ImportError as error:
                    print(f"{other.__name__}: not installed ({error.name})")
            times = in_turn(contenders, ROUNDS)
            print(f"{template:34} rows per second   native is × as fast   wasm is × as fast")
            for label, seconds in times.items():
                per_second = ROWS / statistics.median(seconds)
                fast = [ratio(seconds, times[f"ours, {engine}"]) for engine in ("native", "wasm")]
                print(f"  {label:32} {per_second:15,.0f} {fast[0]:21.2f} {fast[1]:19.2f}")
            print(flush=True)
        if emscripten is not None:
            print(f"The reference is {emscripten.name}: one context, one call for each batch, JSON")
            print("text in and out. It is given all 8 fields, or picks the 2 that are needed, as")
            print("render_rows does by itself. Goals: native 2, wasm 0.9 times quickjs-emscripten.")
            emscripten.close()


def original(context: dict[str, Any], expression: str) -> object:
    """The way that this project replaces: a new runtime, given everything, for each expression."""
    import quickjs

    runtime = quickjs.Context()
    runtime.set("$context", json.dumps(context))
    names = json.dumps(list(context))
    answer = runtime.eval(
        f"const all = JSON.parse($context); const names = {names};"
        f"JSON.stringify((({', '.join(context)}) => ({expression}))(...names.map((n) => all[n])))"
    )
    return json.loads(answer)


def node() -> None:
    """One field, in a flow that holds many rows."""
    import flowlib_nb
    from flowlib_nb.sandbox.pool import sandbox

    box = sandbox()
    box.memory_limit, box.time_limit = 512, 30.0
    data = records(ROWS)
    given = {"rows": data, "region": "EU"}
    text = (
        "inputs: {rows: [], region: ''}\n"
        "nodes:\n"
        "  rows: {uses: input}\n"
        "  settings: {uses: js, with: {code: '({region: 1})'}}\n"
        "  one:\n"
        "    uses: output\n"
        "    needs: [rows]\n"
        "    with: {value: '{{ EXPRESSION }}'}\n"
    )
    cases = {
        "settings.region": "a field of a small node",
        "inputs.region": "a field of the inputs",
        "rows[9].price": "a field of one of the rows",
    }
    print(f"A flow with {ROWS:,} rows of 8 fields, of which one node refers to one field\n")
    print("                                       whole flow   original's way     ratio")
    context = {"inputs": given, "rows": data, "settings": {"region": 1}}
    for expression, meaning in cases.items():
        flow = flowlib_nb.Flow(text.replace("EXPRESSION", expression))

        def run(flow: Any = flow) -> float:
            def whole() -> None:
                result = flow.run(given)
                if result.status != "success":
                    raise SystemExit(str(result))

            return clock(whole)

        def old(expression: str = expression) -> float:
            return clock(lambda: original(context, expression))

        times = in_turn({"ours": run, "original": old}, NODE_ROUNDS)
        mine, theirs = (statistics.median(times[who]) * 1e3 for who in ("ours", "original"))
        times_faster = ratio(times["original"], times["ours"])
        label = f"{expression} ({meaning})"
        print(f"{label:44} {mine:7.1f} ms {theirs:9.1f} ms {times_faster:9.1f}", flush=True)
    box.close()
    print(
        "\nThe original's way: a new runtime for the expression, given all of it as JSON. Goal: 50."
    )


def single() -> None:
    """One expression at a time, through a worker that has started."""
    from flowlib_nb.templates.compiler import compile_value
    from flowlib_nb.templates.render import render_rows

    compiled = compile_value("{{ a + 1 }}")
    print("One warm call of {{ a + 1 }}, 300 calls              one after the other   5 ms apart")
    for engine in ("wasm", "native"):
        with sandbox_of(engine) as box:

            def call(box: Any = box) -> object:
                return render_rows(compiled, {"a": b"1"}, sandbox=box)

            call()
            medians = []
            for pause in (0.0, 0.005):
                times = []
                for _ in range(300):
                    times.append(clock(call, is_short=True))
                    time.sleep(pause)
                medians.append(statistics.median(times) * 1e6)
            print(f"  {engine:48} {medians[0]:16.0f} µs {medians[1]:9.0f} µs", flush=True)
    print(
        "Goal: wasm under 500 µs. After each answer a worker makes the next engine ready, for which"
    )
    print("a call right after the last one waits.")


LOAD = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
start = time.perf_counter()
shell.run_line_magic("load_ext", "flowlib_nb")
loaded = time.perf_counter()
import flowlib_nb
flowlib_nb.render("{{ a + 1 }}", {"a": 1})
print(loaded - start, time.perf_counter() - start)
"""


def load() -> None:
    """How long a notebook waits at first."""
    with tempfile.TemporaryDirectory(prefix="flowlib-benchmark-") as name:
        environment = {**os.environ, "IPYTHONDIR": name, "HOME": name}
        pairs = []
        for _ in range(8):
            done = subprocess.run(
                [sys.executable, "-c", LOAD],
                cwd=name,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            first, second = done.stdout.split()[-2:]
            pairs.append((float(first) * 1e3, float(second) * 1e3))
    loaded, answered = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    print(f"%load_ext flowlib_nb in a fresh IPython: {loaded:.0f} ms (goal: under 100)")
    print(f"from its start to the first template's answer: {answered:.0f} ms")


def spawn() -> None:
    """Starting a worker, and what confining it costs."""
    from flowlib_nb.sandbox import worker_process
    from flowlib_nb.sandbox.pool import Sandbox
    from flowlib_nb.sandbox.protocol import Frame

    confined = worker_process._BOOT
    free = (
        "import sys; sys.path[:0] = {paths!r}; import flowlib_nb.sandbox.worker as worker; "
        "worker.confine = dict; worker.main()"
    )
    program = b"'1'"
    frame = Frame({"operation": "evaluate", "program_bytes": len(program)}, program + b"{}")

    print("A worker                    to its first answer     one warm call, 3 ms apart")
    for engine in ("wasm", "native"):
        settings = Sandbox(engine=engine)._settings()
        calls: dict[str, list[float]] = {"confined": [], "not confined": []}

        def started(name: str, boot: str, settings: Any = settings, calls: Any = calls) -> Timed:
            def timed() -> float:
                worker_process._BOOT = boot
                start = time.perf_counter()
                worker = worker_process.WorkerProcess(settings)
                try:
                    worker.ask(frame, 10.0, most_bytes=1 << 30)
                    seconds = time.perf_counter() - start
                    for _ in range(20):
                        time.sleep(0.003)
                        calls[name].append(
                            clock(
                                lambda: worker.ask(frame, 10.0, most_bytes=1 << 30), is_short=True
                            )
                        )
                finally:
                    worker.kill()
                    worker_process._BOOT = confined
                return seconds

            return timed

        contenders = {"confined": started("confined", confined)}
        contenders["not confined"] = started("not confined", free)
        for name, seconds in in_turn(contenders, 10).items():
            first = statistics.median(seconds) * 1e3
            call = statistics.median(calls[name]) * 1e6
            print(f"  {engine + ', ' + name:24} {first:18.1f} ms {call:22.0f} µs", flush=True)


PARTS: dict[str, Callable[[], None]] = {
    "throughput": throughput,
    "node": node,
    "single": single,
    "load": load,
    "spawn": spawn,
}


def main() -> int:
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}\n"
    )
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in chosen:
        PARTS[name]()
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
