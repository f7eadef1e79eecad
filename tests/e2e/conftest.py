"""JupyterLab in a process of its own, and a browser before it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    expect,
    sync_playwright,
)

from ..jupyter_process import SERVER_TOKEN, Server

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Lab asks a newcomer whether it may look for news; the tests look nowhere.
NOTIFICATIONS = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
QUIET = {"fetchNews": "false", "checkForUpdates": False}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}

expect.set_options(timeout=60_000)


class Lab:
    """What a person does in JupyterLab, and what they see there."""

    def __init__(self, page: Page, server: Server, folder: Path) -> None:
        self.page = page
        self.server = server
        self.folder = folder
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def start(self) -> None:
        self._go("lab")
        # It takes the focus, from whatever was opened before it came.
        expect(self.page.locator(".jp-Launcher")).to_be_focused()

    def _go(self, path: str) -> None:
        self.page.goto(f"{self.server.url}{path}?token={SERVER_TOKEN}&reset")
        expect(self.page.get_by_role("menuitem", name="Help")).to_be_visible()
        # Until the splash screen goes, menus and shortcuts are still being made.
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)

    def open(self, notebook: Path) -> None:
        self._go(f"lab/tree/{notebook.name}")
        # Before the kernel is ready, Lab takes a wish to run cells and does nothing.
        expect(self.page.get_by_role("button", name="| Idle")).to_be_visible()

    def open_cells(self, *cells: str) -> Path:
        """Open a new notebook of these cells."""
        path = self.folder / "made.ipynb"
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=KERNEL
        )
        nbformat.write(made, path)
        self.open(path)
        return path

    def choose(self, menu: str, item: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(".lm-Menu").get_by_text(item, exact=True).click()

    def run_all(self) -> None:
        self.choose("Run", "Run All Cells")

    def output(self, cell: int) -> Locator:
        return self.page.locator(".jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")

    def expect_done(self, cell: int) -> None:
        prompt = self.page.locator(".jp-CodeCell").nth(cell).locator(".jp-InputArea-prompt")
        expect(prompt).to_have_text(f"[{cell + 1}]:")

    def errors(self) -> Locator:
        """Errors and warnings of all cells."""
        return self.page.locator('.jp-OutputArea-output[data-mime-type$=".jupyter.stderr"]')

    def save(self) -> None:
        """Save the notebook, which makes a checkpoint too."""

        def is_checkpoint(answer: Response) -> bool:
            return answer.request.method == "POST" and "/checkpoints" in answer.url

        with self.page.expect_response(is_checkpoint):
            self.page.get_by_role("button", name="Save and create checkpoint").click()


@pytest.fixture
def browser() -> Iterator[Browser]:
    # For one test only: while it runs, Playwright's event loop keeps asyncio from other tests.
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert chromium, "There is no Chromium on PATH; `bash tests/run` installs one."
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def lab(workspace: Path, tmp_path: Path, browser: Browser) -> Iterator[Lab]:
    settings = tmp_path / "settings"
    (settings / NOTIFICATIONS).parent.mkdir(parents=True)
    (settings / NOTIFICATIONS).write_text(json.dumps(QUIET))
    server = Server(workspace, app="lab", options=[f"--LabApp.user_settings_dir={settings}"])
    try:
        # Tall, since Lab draws only the cells in sight.
        page = browser.new_page(viewport={"width": 1300, "height": 4000})
        lab = Lab(page, server, workspace)
        yield lab
        assert [text for text in lab.complaints if "flowlib" in text.lower()] == []
    finally:
        server.stop()
