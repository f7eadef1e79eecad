"""A secret typed where it does not belong stays nowhere: not in the history, not in an output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flowlib_nb.magics.arguments import without_words
from flowlib_nb.magics.history import without_values
from flowlib_nb.models.credential import credential_types
from flowlib_nb.models.names import CREDENTIAL_TYPES

if TYPE_CHECKING:
    from .conftest import Kernel

VALUE = "typed-on-the-line-8c1d_SECRET"

SLIPS = [
    "%flowlib_secret set shop V",
    "%flowlib_secret set shop 'V'",
    "%flowlib_secret set shop # V",
    "%flowlib_secret set shop #V",
    "%flowlib_secret set shop \\\nV",
    "%flowlib_secret \\\n set shop V",
    "%%flowlib_secret set shop\nV",
    "%flowlib_secret set shop=V",
    "%flowlib_secret set shop:V",
    "%flowlib_secret set V shop",
    "%flowlib_secret set 'V",
    "%flowlib_secret set shop --type V",
    "%flowlib_secret set shop --type=V",
    "%flowlib_secret set shop --hosts V",
    "%flowlib_secret set shop --token=V",
    "%flowlib_secret set shop -hV",
    "%flowlib_secret set shop --helpV",
    '%flowlib_secret "set" shop V',
    "%flowlib_secret add shop V",
    "%flowlib_secret Set shop V",
    "%flowlib_secret shop V",
    "%flowlib_secret -- set shop V",
    "%flowlib_secret show shop V",
    "%flowlib_secret rename a V V",
    "x = 1\n%flowlib_secret set shop V\ny = 2",
    "result = %flowlib_secret set shop V",
    "get_ipython().run_line_magic('flowlib_secret', 'set shop V')",
    "get_ipython().run_line_magic('flowlib_secret', f'set shop V')",
    "get_ipython().run_line_magic('flowlib_secret', line='set shop V')",
    "get_ipython().run_line_magic('flowlib_secret', '''set shop\nV''')",
    "%fs set shop V",
    "%fsset shop V",
    "%unload_ext flowlib_nb\n%load_ext flowlib_nb\n%flowlib_secret set shop V",
]


def test_slips_stay_nowhere(key: str, kernel: Kernel, workspace: Path) -> None:
    kernel.run("%xmode Verbose\n%logstart -o -r -q session.log append")
    kernel.run("%alias_magic fs flowlib_secret\n%alias_magic fsset flowlib_secret -p set")
    for slip in SLIPS:
        outcome = kernel.run(slip.replace("V", VALUE), stdin=False)
        assert VALUE not in outcome.stdout + outcome.stderr + outcome.error + outcome.text, slip
    assert kernel.run("%flowlib_secret list").stdout.startswith("The vault holds no credentials")
    shown = kernel.run(
        "import json\nget_ipython().history_manager.writeout_cache()\n"
        "json.dumps([In, _i, _ii, _iii, {k: str(v) for k, v in globals().items() if k[:2] == '_i'}])"
    )
    assert VALUE not in shown.text
    assert "kept out of the history" in shown.text
    assert "y = 3" in kernel.run("y = 3\nIn[-1]").text  # other cells are kept
    kernel.stop()
    stored = [*workspace.rglob("*"), *Path(os.environ["HOME"]).rglob("*")]
    assert any(file.name == "history.sqlite" for file in stored)
    for file in stored:
        # What an alias takes passes the first net, and %logstart's log knows only that one.
        if file.is_file() and file.name != "session.log":
            assert VALUE.encode() not in file.read_bytes(), file
    lines = (workspace / "session.log").read_text().splitlines()
    assert [line for line in lines if VALUE in line and "fs" not in line] == []


@pytest.mark.parametrize(
    "line",
    [
        "%flowlib_secret",
        "%flowlib_secret list",
        "%flowlib_secret init --keyring",
        "flowlib_secret list",
        "  %flowlib_secret set shop",
        "%flowlib_secret set shop --type basic --hosts api.example.com,localhost:8080",
        "%flowlib_secret set shop --hosts='*.example.com'",
        "%flowlib_secret show shop",
        "%flowlib_secret test shop https://api.example.com/me",
        "%flowlib_secret rename a b",
        "%flowlib_secret rm shop",
        "%flowlib_secret export out.json a b",
        "%flowlib_secret import out.json --on-conflict skip",
        "%flowlib_secret rotate",
        "x = %flowlib_secret list",
    ],
)
def test_plain_lines_stay_in_the_history(line: str) -> None:
    for cell in (line, f"x = 1\n{line}\ny = 2"):
        assert without_values(cell) == cell


def test_many_lines_take_no_time() -> None:
    cell = "\n" * 200_000
    assert without_values(cell) == cell


def test_messages_do_not_repeat_words() -> None:
    assert without_words("unrecognized arguments: V") == "there are words too many"
    message = "argument COMMAND: invalid choice: 'V' (choose from 'init', 'set')"
    assert without_words(message) == "argument COMMAND: choose from init, set"
    assert "V" not in without_words("argument -h/--help: ignored explicit argument 'V'")


def test_the_types_are_those_of_the_models() -> None:
    assert credential_types() == CREDENTIAL_TYPES


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("%flowlib_secret set shop --type bearer", ("V",)),
        ("%flowlib_secret export out.json", ("V V V V V V V",)),
    ],
)
def test_an_interrupt_at_the_next_prompt_shows_nothing(
    key: str, kernel: Kernel, line: str, answers: tuple[str, ...]
) -> None:
    """With the locals of every frame; the plaintext typed before it is in none of them."""
    kernel.run("%flowlib_secret set a --type bearer --hosts a.b", (VALUE,))
    typed = tuple(answer.replace("V", VALUE) for answer in answers)
    kernel.run("%xmode Verbose")
    outcome = kernel.run(line, typed, interrupt_after=len(typed))
    assert outcome.status == "error"
    assert VALUE not in outcome.error
    assert VALUE not in kernel.run("%tb").error
