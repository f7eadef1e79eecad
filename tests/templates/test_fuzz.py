"""Random texts and expressions: nothing crashes, and what parses is what Node.js would parse."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlib_nb.errors import TemplateError
from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import Code
from flowlib_nb.templates.render import check_syntax
from flowlib_nb.templates.tokenizer import Expression, split

TOKENS = st.sampled_from(
    """
    a b 1 2.5 0x1f 1n 1_000 "s" 't' `u` `v${ } ( ) [ ] { } , ; : ? ?. . ... + - * / ** % = == === => <
    > <= && || ?? ! ~ ++ -- & | ^ << >>> += ??= /re/g /[/]}}/u typeof void new in of instanceof
    function class return let const if else for while try catch throw await yield async get static
    this null true delete // /* */ \\n #p @ {{ }}
    """.split()
)
SOURCES = (
    st.lists(TOKENS, min_size=1, max_size=14)
    .map(" ".join)
    .map(lambda text: text.replace("\\n", "\n"))
)
NODE = """
const lines = require("readline").createInterface({ input: process.stdin });
const parses = (text) => { try { new Function(text); return true } catch { return false } };
lines.on("line", (line) => {
  const source = JSON.parse(line);
  const forms = [`return (\\n${source}\\n)`, `return [\\n${source}\\n]`];
  console.log(forms.every((form) => parses(`'use strict'; ${form}`)));
});
"""


@given(st.lists(TOKENS | st.text(max_size=4), max_size=30).map("".join))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        parts = split(text)
    except TemplateError:
        return
    at = 0
    for part in parts:
        if isinstance(part, Expression):
            assert text[part.start : part.start + len(part.source)] == part.source
            at = text.index("}}", part.start + len(part.source)) + 2
        else:
            assert text[at : at + len(part)] == part
            at += len(part)
    assert at == len(text)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    running = Sandbox(time_limit=20.0, workers=1)
    yield running
    running.close()


@pytest.fixture(scope="module")
def node() -> Iterator[subprocess.Popen[str]]:
    path = shutil.which("node")
    if path is None:
        pytest.skip("needs Node.js")
    running = subprocess.Popen(
        [path, "-e", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield running
    running.kill()
    running.communicate()


@settings(max_examples=1500)
@given(source=SOURCES)
def test_what_is_one_expression_is_so_for_node(
    box: Sandbox, node: subprocess.Popen[str], source: str
) -> None:
    assert node.stdin
    assert node.stdout
    node.stdin.write(json.dumps(source) + "\n")
    node.stdin.flush()
    for_node = json.loads(node.stdout.readline())
    refused = check_syntax([Code(source, False, (), 0)], box)
    # Stricter than Node is fine (what it puts in two places at once); laxer is not.
    if not refused:
        assert for_node, source
    elif for_node:
        assert "not one whole expression" in str(refused[0].error), source
