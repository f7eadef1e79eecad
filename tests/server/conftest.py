"""Jupyter servers with the extension."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..jupyter_process import Server


@pytest.fixture
def server(workspace: Path) -> Iterator[Server]:
    running = Server(workspace)
    yield running
    running.stop()


@pytest.fixture
def hub_server(workspace: Path, key: str) -> Iterator[Server]:
    """As behind JupyterHub, with a key, in production."""
    running = Server(workspace, base_url="/user/ada/", environment={"FLOWLIB_ENV": "production"})
    yield running
    running.stop()
