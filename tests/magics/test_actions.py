"""``%flow_actions`` in a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Kernel

LOOKUP = """
import flowlib_nb as fl
@fl.action("acme.lookup")
def lookup(ctx, sku: str, limit: int = 10) -> list[dict]:
    "Look <an> article up."
    return []
"""


def test_actions_are_shown_as_text_and_as_html(kernel: Kernel) -> None:
    kernel.run(LOOKUP)
    listed = kernel.run("%flow_actions")
    assert "http.request  " in listed.text
    assert "acme.lookup  " in listed.text
    assert "Look &lt;an&gt; article up." in listed.html
    assert "<script" not in listed.html
    page = kernel.run("%flow_actions acme.lookup")
    assert "limit" in page.text
    assert "whole number" in page.text
    assert "<caption" in page.html
    assert "Example" in kernel.run("%flow_actions wait").text


def test_an_unknown_action_and_help(kernel: Kernel) -> None:
    outcome = kernel.run("%flow_actions http.requst")
    assert outcome.ename == "InputError"
    assert "Did you mean 'http.request'?" in outcome.error
    assert "usage: %flow_actions" in kernel.run("%flow_actions --help").stdout
    assert "usage" in kernel.run("%flow_actions a b").stderr


def test_it_goes_with_the_extension(kernel: Kernel) -> None:
    kernel.run("%unload_ext flowlib_nb")
    assert "not found" in kernel.run("%flow_actions").stderr
    kernel.run("%load_ext flowlib_nb")
    assert "A pause." in kernel.run("%flow_actions").text
