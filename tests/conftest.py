"""What every test gets: a home of its own, and nothing of the real one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.vault import Vault

# Long and of no other meaning, so that finding it anywhere is a leak.
TOKEN = "tok-7f3a9c51e0b24d68-SECRET"

# Deadlines would make tests depend on how busy the machine is.
settings.register_profile(
    "flowlib",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("flowlib")


@pytest.fixture(scope="session", autouse=True)
def _hypothesis_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))


@pytest.fixture(autouse=True)
def _isolated(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Neither the user's keys, vaults and state nor the environment reach a test."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("FLOWLIB_", "XDG_")):
            monkeypatch.delenv(name)
    # Without a session bus and a backend of choice no OS keyring is ever asked.
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for variable, folder in {
        "XDG_DATA_HOME": ".local/share",
        "XDG_STATE_HOME": ".local/state",
        "XDG_CONFIG_HOME": ".config",
        "XDG_CACHE_HOME": ".cache",
        "XDG_RUNTIME_DIR": "run",
        "LOCALAPPDATA": "AppData/Local",
        "APPDATA": "AppData/Roaming",
    }.items():
        monkeypatch.setenv(variable, str(home / folder))
    before = Path.cwd()
    os.chdir(home)
    yield
    os.chdir(before)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the working directory, without ``.flowlib`` yet."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh key's text, which is also in ``FLOWLIB_ENCRYPTION_KEY``."""
    from flowlib_nb.vault.keys import KEY_VARIABLE, generate_key

    text = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, text)
    return text


@pytest.fixture
def token() -> str:
    """A secret that no output, file or log may ever show."""
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
