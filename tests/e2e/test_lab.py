"""What a person meets in JupyterLab, in a real browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import expect

import flowlib_nb
from flowlib_nb.vault import Vault, init_key

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.browser

DEMO = Path(__file__).parents[2] / "notebooks" / "demo.ipynb"
FLOW = """\
%%flow run <<
inputs: {tax: 0.2}
nodes:
  cart:
    uses: js
    with: {code: "[{sku: 'A', price: 10, qty: 3}, {sku: 'B', price: 4.5, qty: 2}]"}
  priced:
    uses: js
    each: {over: {{ cart }}, as: line}
    with: {code: "({sku: line.sku, total: line.price * line.qty * (1 + inputs.tax)})"}
output: priced"""
FAILING = """\
%%flow
nodes:
  fine: {uses: js, with: {code: "1"}}
  broken: {uses: js, with: {code: "fine.nothing.at.all"}}
  after: {uses: js, with: {code: "broken + 1"}}"""


def show_status(lab: Lab) -> dict[str, str]:
    """The status dialog's rows, through the command palette."""
    page = lab.page
    lab.choose("View", "Activate Command Palette")
    page.get_by_role("textbox", name="SEARCH", exact=True).fill("flowlib")
    page.locator(".lm-CommandPalette-item", has_text="Flowlib: Show Status").click()
    dialog = page.get_by_role("dialog").filter(has_text="Encryption key")
    expect(dialog.locator(".jp-Dialog-header")).to_have_text("Flowlib")
    rows = {
        row.get_by_role("rowheader").inner_text(): row.get_by_role("cell").inner_text()
        for row in dialog.get_by_role("row").all()
    }
    dialog.get_by_role("button", name="Ok").click()
    expect(dialog).to_have_count(0)
    return rows


def test_the_command_palette_shows_the_status(lab: Lab) -> None:
    lab.start()
    rows = show_status(lab)
    assert rows["Version"] == flowlib_nb.__version__
    assert rows["Workspace"] == "the server's folder"
    assert rows["Encryption key"].startswith("missing: run %flowlib_secret init")
    init_key(where="file")
    assert show_status(lab) == {**rows, "Encryption key": "available"}


def test_a_run_shows_its_result_its_nodes_and_its_errors(lab: Lab) -> None:
    lab.open_cells("%load_ext flowlib_nb", FLOW, "run.df", FAILING)
    lab.run_all()
    lab.expect_done(3)

    shown = lab.output(1)
    expect(shown).to_contain_text("success, 2 of 2 nodes")
    expect(shown.get_by_role("row", name="A 36.0")).to_be_visible()
    nodes = shown.get_by_role("table", name="Nodes of flow")
    expect(nodes).to_be_hidden()
    shown.locator("summary").click()
    for node in ("cart", "priced"):
        expect(nodes.get_by_role("row", name=f"{node} js success 1")).to_be_visible()

    expect(lab.output(2).get_by_role("row", name="1 B 10.8")).to_be_visible()

    failed = lab.output(3)
    nodes = failed.get_by_role("table", name="Nodes of flow")
    for row in ("fine js success", "broken js failed", "after js skipped"):
        expect(nodes.get_by_role("row", name=row)).to_be_visible()
    expect(lab.errors()).to_have_count(1)
    expect(lab.errors()).to_contain_text("The node 'broken' failed.")
    expect(lab.errors()).to_contain_text("line 4, column 48")
    for noise in ("Traceback", "flowlib_nb", "site-packages", ".py"):
        assert noise not in failed.inner_text()


def test_a_secret_is_typed_into_a_password_prompt_and_nowhere_else(
    lab: Lab, token: str, workspace: Path, tmp_path: Path
) -> None:
    notebook = lab.open_cells(
        "%load_ext flowlib_nb",
        "%flowlib_secret init",
        "%flowlib_secret set shop --type bearer --hosts api.example.com",
        "%flowlib_secret list",
    )
    lab.run_all()
    prompt = lab.output(2).locator("input")
    expect(prompt).to_have_attribute("type", "password")
    prompt.press_sequentially(token)
    prompt.press("Enter")
    lab.expect_done(3)
    expect(lab.output(3)).to_contain_text("shop")
    expect(lab.output(3)).to_contain_text("api.example.com")
    assert Vault.open().get("shop").token.reveal() == token

    # Lab takes the prompt away a moment after it was answered.
    expect(lab.page.locator("input[type=password]")).to_have_count(0)
    lab.save()
    assert "api.example.com" in lab.output(2).inner_text()
    typed = "[...document.querySelectorAll('input, textarea')].map(field => field.value).join()"
    for place in ("document.documentElement.outerHTML", "JSON.stringify(localStorage)", typed):
        assert token not in lab.page.evaluate(place)
    checkpoint = notebook.parent / ".ipynb_checkpoints" / f"{notebook.stem}-checkpoint.ipynb"
    for saved in (notebook, checkpoint):
        assert "%flowlib_secret set shop" in saved.read_text()
    for file in [*tmp_path.rglob("*"), *Path(os.environ["HOME"]).rglob("*")]:
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file


def test_the_demo_notebook_runs(lab: Lab) -> None:
    notebook = nbformat.read(DEMO, as_version=4)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in codes:
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, lab.folder / DEMO.name)
    lab.open(lab.folder / DEMO.name)
    lab.run_all()
    lab.expect_done(len(codes) - 1)
    report = next(i for i, cell in enumerate(codes) if "best_customers" in cell.source)
    expect(lab.output(report)).to_contain_text("7 of 7 nodes")
    expect(lab.output(report).get_by_role("row", name="5750.0")).to_be_visible()
    expect(lab.errors()).to_have_count(0)
