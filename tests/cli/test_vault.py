"""``flowlib vault``, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.vault import Vault, generate_key, init_key
from flowlib_nb.vault.keys import KEY_VARIABLE, find_key, key_file_path

from .command import flowlib, in_a_terminal

PASSPHRASE = "correct horse battery"


@pytest.fixture
def vault(workspace: Path, token: str) -> Vault:
    init_key()
    vault = Vault.open()
    vault.set("shop", {"type": "bearer", "token": token}, hosts=["api.example.com"])
    vault.set("other", {"type": "basic", "username": "u", "password": token})
    return vault


def test_rotate(vault: Vault, token: str) -> None:
    old = find_key().key
    done = flowlib("vault", "rotate")
    assert done.returncode == 0, done.stderr
    assert "2 credentials anew" in done.stderr
    assert str(key_file_path()) in done.stderr
    assert done.stdout == ""
    assert find_key().previous == (old,)
    assert vault.get("shop").token.reveal() == token
    forgotten = flowlib("vault", "rotate", "--forget-old")
    assert (forgotten.returncode, forgotten.stderr) == (0, "Removed 1 older key.\n")
    assert find_key().previous == ()
    assert vault.get("shop").token.reveal() == token


def test_rotating_a_key_of_the_environment_says_how(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_file_path().read_text().strip()
    monkeypatch.setenv(KEY_VARIABLE, key)
    done = flowlib("vault", "rotate")
    assert done.returncode == 2
    assert "FLOWLIB_ENCRYPTION_KEY_PREVIOUS" in done.stderr
    assert key not in done.stderr
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY_PREVIOUS", key)
    assert flowlib("vault", "rotate").returncode == 0
    monkeypatch.delenv("FLOWLIB_ENCRYPTION_KEY_PREVIOUS")
    assert Vault.open().names() == ["other", "shop"]


def test_rename(vault: Vault) -> None:
    assert flowlib("vault", "rename", "shop", "store").returncode == 0
    assert vault.names() == ["other", "store"]


def break_mac(vault: Vault) -> None:
    data = json.loads(Path(vault.path).read_text())
    del data["credentials"]["other"]
    Path(vault.path).write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")


def test_repair_shows_and_asks(vault: Vault, token: str) -> None:
    break_mac(vault)
    refused = flowlib("vault", "list")
    assert refused.returncode == 2
    assert "changed by something else" in refused.stderr
    done = flowlib("vault", "repair")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    code, shown = in_a_terminal("vault", "repair", answers=(("[y/N]", "n"),))
    assert code == 2
    assert "GONE" in shown
    assert flowlib("vault", "list").returncode == 2
    code, shown = in_a_terminal("vault", "repair", answers=(("[y/N]", "y"),))
    assert code == 0, shown
    assert vault.names() == ["shop"]
    assert vault.get("shop").token.reveal() == token
    break_again = flowlib("vault", "repair", "--yes")
    assert break_again.returncode == 2
    assert "nothing to repair" in break_again.stderr


def test_accept(vault: Vault) -> None:
    old = Path(vault.path).read_bytes()
    vault.delete("other")
    Path(vault.path).write_bytes(old)
    assert "flowlib vault accept" in flowlib("vault", "list").stderr
    assert flowlib("vault", "accept").returncode == 0
    assert flowlib("vault", "list").returncode == 0


def test_export_and_import(vault: Vault, token: str, workspace: Path) -> None:
    done = flowlib("vault", "export", "out.json", "shop", "--stdin", stdin=PASSPHRASE + "\n")
    assert done.returncode == 0, done.stderr
    assert token not in (workspace / "out.json").read_text()
    again = flowlib("vault", "export", "out.json", "--stdin", stdin=PASSPHRASE)
    assert again.returncode == 2
    assert "File exists" in again.stderr
    taken = flowlib("vault", "import", "out.json", "--stdin", stdin=PASSPHRASE)
    assert taken.returncode == 2
    assert "--on-conflict" in taken.stderr
    vault.delete("shop")
    wrong = flowlib("vault", "import", "out.json", "--stdin", stdin="wrong passphrase")
    assert (wrong.returncode, vault.names()) == (2, ["other"])
    assert flowlib("vault", "import", "out.json", "--stdin", stdin=PASSPHRASE).returncode == 0
    assert vault.get("shop").token.reveal() == token


def test_a_short_passphrase_leaves_no_file(vault: Vault, workspace: Path) -> None:
    done = flowlib("vault", "export", "out.json", "--stdin", stdin="short")
    assert done.returncode == 2
    assert "12 characters" in done.stderr
    assert not (workspace / "out.json").exists()
    assert flowlib("vault", "export", "out.json").returncode == 2  # no terminal to ask in
    assert not (workspace / "out.json").exists()


def test_the_passphrase_is_asked_for_without_echo(vault: Vault, workspace: Path) -> None:
    code, shown = in_a_terminal(
        "vault", "export", "a.json", answers=(("Passphrase:", PASSPHRASE), ("Once more:", "different")),
    )  # fmt: skip
    assert code == 2
    assert "differ" in shown
    assert not (workspace / "a.json").exists()
    code, shown = in_a_terminal(
        "vault", "export", "a.json", answers=(("Passphrase:", PASSPHRASE), ("Once more:", PASSPHRASE)),
    )  # fmt: skip
    assert code == 0, shown
    assert PASSPHRASE not in shown
    code, shown = in_a_terminal(
        "vault",
        "import",
        "a.json",
        "--on-conflict",
        "replace",
        answers=(("Passphrase:", PASSPHRASE),),
    )
    assert code == 0, shown
    assert PASSPHRASE not in shown


def test_show_and_test(shop: Vault, api: OrdersApi, token: str) -> None:
    done = flowlib("vault", "show", "shop")
    assert "shop: bearer ••••" in done.stdout
    assert token not in done.stdout
    done = flowlib("vault", "test", "shop", f"{api.url}/orders")
    assert (done.returncode, "nothing speaks against" in done.stdout) == (0, True), done.stderr
    shop.set("wrong", {"type": "bearer", "token": "x"}, hosts=["127.0.0.1"])
    done = flowlib("vault", "test", "wrong", f"{api.url}/orders")
    assert (done.returncode, "does not take" in done.stdout) == (1, True)


def test_hosts_are_looked_at_before_anything_is_typed(workspace: Path, key: str) -> None:
    done = flowlib("vault", "set", "c", "--hosts", "https://x", "--stdin", stdin="not even JSON")
    assert "has a scheme" in done.stderr
    done = flowlib("vault", "set", "my key", "--stdin", stdin="not even JSON")
    assert "cannot name a credential" in done.stderr


def test_a_list_that_nothing_vouches_for_says_so(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flowlib("vault", "list").stderr == ""
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    done = flowlib("vault", "list", "--json")
    assert [entry["name"] for entry in json.loads(done.stdout)] == ["other", "shop"]
    assert "Nothing vouches for this list" in done.stderr


def test_the_type_may_stand_in_the_fields(workspace: Path, key: str) -> None:
    fields = json.dumps({"type": "bearer", "token": "t"})
    assert flowlib("vault", "set", "a", "--stdin", stdin=fields).returncode == 0
    assert Vault.open().info("a").type == "bearer"
    done = flowlib("vault", "set", "b", "--type", "basic", "--stdin", stdin=fields)
    assert "differ" in done.stderr
    assert Vault.open().names() == ["a"]


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ("vault set c --stdin < deep", {}),
        ("vault set c --stdin < binary", {}),
        ("vault set c --stdin <&-", {}),
        ("vault set c <&-", {}),
        ("vault export o.json --stdin < binary", {}),
        ("vault import fifo --stdin < deep", {}),
        ("vault import '~nosuchuser/x' --stdin < deep", {}),
        ("vault list > /dev/full", {}),
        ("vault list", {"FLOWLIB_WORKSPACE": "~nosuchuser/x"}),
        ("vault get", {}),
        ("vault rm shop 'a value'", {}),
        ("doctor", {"FLOWLIB_ENCRYPTION_KEY": "", "FLOWLIB_ENCRYPTION_KEY_FILE": "~nosuchuser/x"}),
        ("run '~nosuchuser/x'", {}),
        ("run - < binary", {}),
    ],
)
def test_each_misuse_is_one_message(
    command: str, variables: dict[str, str], workspace: Path, key: str
) -> None:
    (workspace / "deep").write_text("[" * 200_000)
    (workspace / "binary").write_bytes(b"\xff\xfe\x00")
    os.mkfifo(workspace / "fifo")
    Vault.open().set("shop", {"type": "bearer", "token": "t"})
    done = subprocess.run(
        f"{sys.executable} -m flowlib_nb {command}", shell=True, capture_output=True, text=True,
        env={**os.environ, **variables}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    shown = done.stderr + done.stdout
    assert shown
    assert "Traceback" not in shown
    assert "a value" not in shown


def test_a_working_directory_that_is_gone(workspace: Path, key: str) -> None:
    done = subprocess.run(
        f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m flowlib_nb vault list",
        shell=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_end_of_the_input_at_a_prompt(workspace: Path, key: str) -> None:
    code, shown = in_a_terminal("vault", "set", "c", answers=(("key of", "\x04"),))
    assert code == 2
    assert "Traceback" not in shown
