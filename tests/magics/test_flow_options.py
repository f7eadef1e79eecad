"""Prototyping from cells: parts of flows, mocks, the cache, runs in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Kernel

CHAIN = """%%flow {options}
nodes:
  a: {{uses: python, with: {{function: note, args: {{x: a}}}}}}
  b: {{uses: python, with: {{function: note, args: {{x: "{{{{ a }}}}b"}}}}}}
"""
NOTE = "seen = []\ndef note(x):\n    seen.append(x)\n    return x"


def test_only_one_node_and_mocks(kernel: Kernel) -> None:
    kernel.run(NOTE + "\nother = 'mock'")
    outcome = kernel.run(CHAIN.format(options="--only b"))
    assert outcome.ename == "InputError"
    assert "--mock a=VAR" in outcome.error
    assert kernel.run(CHAIN.format(options="-o first")).status == "ok"
    assert kernel.run("seen.clear()\nfirst.output").text == "'ab'"
    assert kernel.run(CHAIN.format(options="--only b -o second")).status == "ok"
    assert kernel.run("seen, second.output").text == "(['ab'], 'ab')"
    assert kernel.run(CHAIN.format(options="--mock a=other -o third")).status == "ok"
    assert kernel.run("seen, third.output").text == "(['ab', 'mockb'], 'mockb')"
    for options, words in {
        "--mock a": "NODE=VARIABLE",
        "--mock a=nothing": "no variable 'nothing'",
        "--mock z=other": "no node 'z'",
        "--only b --to a": "not allowed with",
    }.items():
        outcome = kernel.run(CHAIN.format(options=options))
        assert outcome.status == "error"
        assert words in outcome.error + outcome.stderr


def test_resume_in_a_notebook(kernel: Kernel) -> None:
    kernel.run("def note(x):\n    raise ValueError('not yet')")
    assert kernel.run(CHAIN.format(options="-o run")).status == "error"
    kernel.run(NOTE)
    outcome = kernel.run("again = run.resume()\nagain.status.value, again.output")
    assert outcome.text == "('success', 'ab')"


@pytest.mark.parametrize("answered", [True, False])
def test_the_cache(shop: object, api: object, kernel: Kernel, answered: bool) -> None:
    cell = (
        f"%%flow -o run {'' if answered else '--no-cache'}\nnodes:\n"
        f"  a: {{uses: http.request, credential: shop, with: {{url: '{api.url}/orders'}}}}"  # type: ignore[attr-defined]
    )
    for _ in range(2):
        assert kernel.run(cell).status == "ok"
    assert kernel.run("run['a'].state.cached").text == ("1" if answered else "0")
    shown = kernel.run("%flow_cache").stdout
    assert shown.startswith("1 answer of" if answered else "0 answers of")
    assert kernel.run("%flow_cache clear").stdout.startswith("0 answers")
    assert kernel.run("%flow_cache nonsense").status == "error"


def test_a_run_in_the_background(kernel: Kernel) -> None:
    kernel.run(
        "import threading\ngo = threading.Event()\ndef note(x):\n    go.wait(60)\n    return x"
    )
    outcome = kernel.run(CHAIN.format(options="--background"))
    assert outcome.status == "ok"
    assert "running" in outcome.text or "pending" in outcome.text
    assert kernel.run("run = _\nstr(run.progress)").text == "'0 of 2 nodes'"
    assert kernel.run("go.set()\nrun.wait().output").text == "'ab'"
    assert kernel.run("str(run.progress)").text == "'2 of 2 nodes'"
    kernel.run("go.clear()")
    assert kernel.run(CHAIN.format(options="--background -o other")).data == []
    assert kernel.run("other.cancel()\nother.status.value").text == "'cancelled'"
    kernel.run("go.set()")


def test_unloading_leaves_nothing_running(kernel: Kernel) -> None:
    kernel.run("import threading, time\nbefore = set(threading.enumerate())")
    kernel.run("def note(x):\n    return x")
    assert kernel.run(CHAIN.format(options="-o run")).status == "ok"
    slow = "%%flow --background -o slow\nnodes: {a: {uses: wait, with: {seconds: 600}}}"
    assert kernel.run(slow).status == "ok"
    names = "sorted(t.name for t in threading.enumerate() if 'flowlib' in t.name)"
    assert "flowlib-engine" in kernel.run(names).text
    assert kernel.run("%unload_ext flowlib_nb").status == "ok"
    assert kernel.run(names).text == "[]"
    assert kernel.run("slow.status.value").text == "'cancelled'"
    children = "import psutil\npsutil.Process().children(recursive=True)"
    assert kernel.run(children).text == "[]"
    assert kernel.run("%load_ext flowlib_nb").status == "ok"
    assert kernel.run(CHAIN.format(options="-o run")).status == "ok"
