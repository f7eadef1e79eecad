"""What every test gets: a home, an environment and a workspace of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.sandbox.pool import Sandbox
from flowlib_nb.vault import Vault, generate_key

# Long and of no other meaning, so that finding it anywhere is a leak.
TOKEN = "tok-7f3a9c51e0b24d68-SECRET"


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, and nothing of Flowlib in the environment."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("FLOWLIB_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return home


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """An encryption key, in the environment."""
    text = generate_key()
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY", text)
    return text


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def api() -> Iterator[OrdersApi]:
    """The orders API, which wants the token."""
    with OrdersApi(TOKEN) as running:
        yield running


@pytest.fixture
def shop(workspace: Path, key: str, api: OrdersApi) -> Vault:
    """The workspace's vault, which holds the API's token as ``shop``."""
    vault = Vault.open()
    vault.set("shop", {"type": "bearer", "token": TOKEN}, hosts=["127.0.0.1"])
    return vault


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """One sandbox for all tests, since starting a worker takes a while."""
    return Sandbox.instance()
