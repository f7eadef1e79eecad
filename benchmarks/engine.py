"""The flow engine against other engines, and against what its work would cost at least.

Run it with ``pip install '.[bench]'`` and ``python benchmarks/engine.py``, with names of parts
(``nodes``, ``size``, ``http``, ``crossing``, ``profile``) for only these. What counts is the
ratios: they hold from machine to machine better than microseconds do. What is compared is measured
in turn, and each figure is a median. Contenders that are not installed are named and left out.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import os
import platform
import pstats
import statistics
import subprocess
import sys
import tempfile
import textwrap
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Any

from measuring import Timed, clock, in_turn, ratio, records

NODES, ROUNDS = 1000, 7
SIZES = (1000, 2500, 5000, 10_000)
ITEMS, AT_ONCE, HTTP_ROUNDS = 1000, 50, 7
ROWS, ROW_ROUNDS = 100_000, 5

Graph = dict[int, list[int]]


def chain(count: int) -> Graph:
    return {number: [number - 1] if number else [] for number in range(count)}


def fan_out(count: int) -> Graph:
    return {number: [0] if number else [] for number in range(count)}


SHAPES: dict[str, Callable[[int], Graph]] = {"chain": chain, "fan-out": fan_out}


def flow_text(graph: Graph) -> str:
    """A node with a reference for each number; the last one's value is the output."""
    lines = ["nodes:"]
    for number, needs in graph.items():
        value = f'"{{{{ n{needs[0]} }}}}"' if needs else "1"
        lines.append(f"  n{number}: {{uses: output, with: {{value: {value}}}}}")
    return "\n".join(lines)


def first(*values: int) -> int:
    return values[0] if values else 1


# ------------------------------------------------------------------------------- nodes


class Ours:
    """A flow, with the time of each of its stages."""

    def __init__(self, graph: Graph) -> None:
        import flowlib_nb

        self._flow_type, self._text = flowlib_nb.Flow, flow_text(graph)
        self._flow = flowlib_nb.Flow(self._text)
        # What others have warm, too.
        self.checked(self._flow.run(functions={}))

    def checked(self, run: Any) -> Any:
        if run.status != "success" or run.output != 1:
            raise SystemExit(str(run))
        return run

    def run(self) -> float:
        gc.collect()
        return float(self.checked(self._flow.run(functions={})).seconds)

    def run_and_trace(self) -> float:
        gc.collect()
        run = self.checked(self._flow.run(functions={}))
        return float(run.seconds) + clock(lambda: run.trace)

    def parse(self) -> float:
        return clock(lambda: self._flow_type(self._text))

    def validate(self) -> float:
        return clock(self._flow.validate)

    def start_to_end(self) -> float:
        return clock(lambda: self.checked(self._flow.start(functions={}).wait()))

    def all(self) -> float:
        return clock(lambda: self.checked(self._flow_type(self._text).run(functions={})))


def graphlib_inline(graph: Graph) -> Timed:
    def run() -> None:
        values: dict[int, int] = {}
        for number in TopologicalSorter(graph).static_order():
            values[number] = first(*(values[need] for need in graph[number]))

    return lambda: clock(run)


def hamilton(graph: Graph) -> Timed:
    from hamilton import driver
    from hamilton.base import DictResult

    source = ["from __future__ import annotations"]
    for number, needs in graph.items():
        arguments = ", ".join(f"n{need}: int" for need in needs)
        source.append(f"def n{number}({arguments}) -> int:")
        source.append(f"    return {f'n{needs[0]}' if needs else 1}")
    module = types.ModuleType("hamilton_nodes")
    sys.modules[module.__name__] = module
    exec("\n".join(source), module.__dict__)
    built = driver.Builder().with_modules(module).with_adapters(DictResult()).build()
    wanted = [f"n{number}" for number in graph]

    def run() -> None:
        if built.execute(wanted)[wanted[-1]] != 1:
            raise SystemExit("wrong answer")

    return lambda: clock(run)


def dask_threads(graph: Graph) -> Timed:
    import dask

    needed = {need for needs in graph.values() for need in needs}

    def run() -> None:
        made: dict[int, Any] = {}
        node = dask.delayed(first, pure=False)
        for number, needs in graph.items():
            made[number] = node(*(made[need] for need in needs))
        ends = [made[number] for number in graph if number not in needed]
        if set(dask.compute(*ends, scheduler="threads")) != {1}:
            raise SystemExit("wrong answer")

    return lambda: clock(run)


def dagster(graph: Graph) -> Timed:
    from dagster import In, job, op

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

    @op
    def root() -> int:
        return 1

    @op(ins={"value": In(int)})
    def follow(value: int) -> int:
        return value

    @job
    def flow() -> None:
        made: dict[int, Any] = {}
        for number, needs in graph.items():
            made[number] = (
                follow.alias(f"n{number}")(made[needs[0]]) if needs else root.alias(f"n{number}")()
            )

    def run() -> None:
        if not flow.execute_in_process(run_config=quiet).success:
            raise SystemExit("wrong answer")

    return lambda: clock(run)


# A whole round of these takes seconds.
SLOW = {"dagster": dagster}
OTHERS = {
    "graphlib, inline": graphlib_inline,
    "hamilton": hamilton,
    "dask.delayed, threads": dask_threads,
}


def nodes() -> None:
    """What a node costs that does next to nothing."""
    print(f"{NODES:,} trivial nodes, {ROUNDS} rounds: µs a node, and × as long as graphlib\n")
    for shape, graph_of in SHAPES.items():
        graph = graph_of(NODES)
        ours = Ours(graph)
        contenders: dict[str, Timed] = {
            "ours: run": ours.run,
            "ours: run and trace": ours.run_and_trace,
            "ours: parse": ours.parse,
            "ours: validate": ours.validate,
            "ours: start, wait (parsed)": ours.start_to_end,
            "ours: all from the text": ours.all,
        }
        for name, make in OTHERS.items():
            try:
                contenders[name] = make(graph)
            except ImportError as error:
                print(f"{name}: not installed ({error.name})")
        times = in_turn(contenders, ROUNDS)
        for name, make in SLOW.items():
            try:
                times[name] = in_turn({name: make(graph)}, 1)[name]
            except ImportError as error:
                print(f"{name}: not installed ({error.name})")
        floor = times["graphlib, inline"]
        print(f"{shape:30} µs a node   × graphlib")
        for name, seconds in times.items():
            each = statistics.median(seconds) / NODES * 1e6
            times_longer = ratio(seconds, floor[: len(seconds)])
            print(f"  {name:28} {each:9.1f} {times_longer:12.1f}", flush=True)
        print()
    print("run is the run's own time; start, wait is what Flow.run does with a parsed flow: it")
    print("checks first. dagster is measured in one round.")


# -------------------------------------------------------------------------------- size

SIZE_PROGRAM = """
import json, sys, time, tracemalloc
sys.path.insert(0, {folder!r})
import engine, flowlib_nb
text = engine.flow_text(engine.SHAPES[{shape!r}]({count}))
flowlib_nb.Flow(engine.flow_text(engine.chain(2))).run(functions={{}})
def timed(action):
    start = time.perf_counter()
    value = action()
    return value, time.perf_counter() - start
flow, parse = timed(lambda: flowlib_nb.Flow(text))
_, check = timed(flow.validate)
run, whole = timed(lambda: flow.run(functions={{}}))
assert run.status == "success" and run.output == 1
seconds = run.seconds
tracemalloc.start()
flow = flowlib_nb.Flow(text)
parsed = tracemalloc.get_traced_memory()[0]
tracemalloc.reset_peak()
run = flow.run(functions={{}})
kept, peak = tracemalloc.get_traced_memory()
print(json.dumps([parse, check, seconds, whole, parsed, kept, peak]))
"""


def size() -> None:
    """Whether time and memory grow with the nodes, and not faster."""
    print("Flows of more nodes, each in a process of its own\n")
    print("                    µs a node                              bytes a node")
    print("          nodes     parse  validate       run  all of run    parsed    kept    peak")
    folder = os.path.dirname(os.path.abspath(__file__))
    for shape in SHAPES:
        for count in SIZES:
            program = SIZE_PROGRAM.format(folder=folder, shape=shape, count=count)
            command = [sys.executable, "-c", program]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            *seconds, parsed, kept, peak = json.loads(done.stdout)
            times = "".join(f"{one / count * 1e6:10.1f}" for one in seconds)
            memory = "".join(f"{one / count:9.0f}" for one in (parsed, kept, peak))
            print(f"{shape:8} {count:6,} {times} {memory}", flush=True)
    print("\nGoal: no column grows down a shape's rows.")


# -------------------------------------------------------------------------------- http

SERVER_PROGRAM = """
import asyncio
BODY = b'{"id": 1, "name": "product", "price": 9.5}'
ANSWER = (b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n"
          % len(BODY)) + BODY
class Answers(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.seen = transport, b""
    def data_received(self, data):
        self.seen += data
        while b"\\r\\n\\r\\n" in self.seen:
            self.seen = self.seen.partition(b"\\r\\n\\r\\n")[2]
            self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def server() -> Iterator[str]:
    """An HTTP server that keeps connections, in a process of its own."""
    command = [sys.executable, "-c", SERVER_PROGRAM]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def bare_httpx2(url: str) -> Timed:
    import httpx2
    import msgspec

    async def all_items() -> list[Any]:
        limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        values: list[Any] = [None] * ITEMS
        async with httpx2.AsyncClient(limits=limits, trust_env=False) as client:
            upcoming = iter(range(ITEMS))

            async def worker() -> None:
                for number in upcoming:
                    answer = await client.get(f"{url}/products/{number}")
                    values[number] = msgspec.json.decode(answer.content)

            await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        return values

    def run() -> None:
        if asyncio.run(all_items())[-1]["price"] != 9.5:
            raise SystemExit("wrong answer")

    return lambda: clock(run)


def http() -> None:
    """What requests cost above the HTTP library itself."""
    import flowlib_nb

    text = textwrap.dedent(f"""
        inputs: {{ids: [], url: ""}}
        nodes:
          each_one:
            uses: http.request
            each: {{over: "{{{{ inputs.ids }}}}", as: id, concurrency: {AT_ONCE}}}
            with: {{url: "{{{{ inputs.url }}}}/products/{{{{ id }}}}"}}
    """)
    flow = flowlib_nb.Flow(text)
    with server() as url:

        def run() -> None:
            done = flow.run({"ids": list(range(ITEMS)), "url": url}, functions={})
            if done.status != "success" or done.output[-1]["body"]["price"] != 9.5:
                raise SystemExit(str(done))

        contenders = {"ours": lambda: clock(run), "httpx2 alone": bare_httpx2(url)}
        times = in_turn(contenders, HTTP_ROUNDS)
    print(f"{ITEMS:,} requests, {AT_ONCE} at once, to a server in another process\n")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"  {name:14} {middle * 1e3:8.0f} ms {ITEMS / middle:9,.0f} requests a second")
    share = ratio(times["httpx2 alone"], times["ours"])
    print(f"\nOurs reaches {share:.0%} of the bare loop's rate (median of the rounds' ratios).")


# ---------------------------------------------------------------------------- crossing


def crossing() -> None:
    """A large value on its way through JavaScript, SQL and a DataFrame."""
    import duckdb
    import msgspec
    import pyarrow as pa

    import flowlib_nb
    from flowlib_nb.sandbox.pool import sandbox

    box = sandbox()
    box.memory_limit, box.time_limit, box.output_limit = 1024, 60.0, 256
    rows = records(ROWS)
    query = "select * from picked where price > 1"
    flow = flowlib_nb.Flow(
        textwrap.dedent(f"""
            inputs: {{rows: []}}
            nodes:
              picked: {{uses: js, with: {{code: "inputs.rows.filter(row => row.qty > 0)"}}}}
              asked: {{uses: sql, with: {{query: {query}}}}}
              table: {{uses: frame, with: {{value: "{{{{ asked }}}}"}}}}
        """)
    )
    kept = sum(row["price"] > 1 for row in rows)
    stages: dict[str, list[float]] = {}

    def ours() -> None:
        done = flow.run({"rows": rows}, functions={})
        if done.status != "success" or len(done.output) != kept:
            raise SystemExit(str(done))
        for name, seconds in zip(done.trace["node"], done.trace["seconds"], strict=True):
            stages.setdefault(name, []).append(seconds)

    def floor() -> None:
        picked = pa.Table.from_pylist(msgspec.json.decode(msgspec.json.encode(rows)))
        with duckdb.connect() as connection:
            connection.register("picked", picked)
            result = connection.sql(query).to_arrow_table()
        if len(result.to_pandas()) != kept:
            raise SystemExit("wrong answer")

    times = in_turn({"ours": lambda: clock(ours), "floor": lambda: clock(floor)}, ROW_ROUNDS)
    box.close()
    print(f"{ROWS:,} rows of 8 fields: js → sql → frame\n")
    for name, seconds in times.items():
        print(f"  {name:10} {statistics.median(seconds) * 1e3:8.0f} ms")
    for name, seconds in stages.items():
        print(f"    {name:8} {statistics.median(seconds[1:]) * 1e3:8.0f} ms")
    print(f"\nOurs takes {ratio(times['ours'], times['floor']):.1f} times the floor: msgspec both")
    print("ways once, pyarrow from the records, DuckDB, and a DataFrame.")


# ----------------------------------------------------------------------------- profile


def profile() -> None:
    """What the engine spends a node's time on."""
    import flowlib_nb
    from flowlib_nb.engine.runner import Runner

    flow = flowlib_nb.Flow(flow_text(fan_out(NODES)))
    flow.run(functions={})
    inside, original = cProfile.Profile(), Runner._run_nodes

    async def profiled(self: Runner) -> None:
        inside.enable()
        try:
            await original(self)
        finally:
            inside.disable()

    Runner._run_nodes = profiled  # type: ignore[method-assign]
    try:
        for _ in range(5):
            flow.run(functions={})
    finally:
        Runner._run_nodes = original  # type: ignore[method-assign]
    checking, reading = cProfile.Profile(), cProfile.Profile()
    checking.runcall(flow.validate)
    reading.runcall(flowlib_nb.Flow, flow.text)
    parts = {
        f"The run of 5 times {NODES:,} nodes": inside,
        "validate, once": checking,
        "Reading the text, once": reading,
    }
    for title, one in parts.items():
        print(f"{title}, by the time in the function itself\n")
        pstats.Stats(one).strip_dirs().sort_stats("tottime").print_stats(22)


PARTS: dict[str, Callable[[], None]] = {
    "nodes": nodes,
    "size": size,
    "http": http,
    "crossing": crossing,
    "profile": profile,
}


def main() -> int:
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}\n"
    )
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="flowlib-benchmark-") as folder:
        # Records of these runs go where they are gone afterwards.
        for variable in ("FLOWLIB_WORKSPACE", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            os.environ[variable] = folder
        for name in chosen:
            PARTS[name]()
            print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
