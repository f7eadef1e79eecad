"""The highest revision seen, and what happens where it cannot be kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from platformdirs import user_state_path

from flowlib_nb.errors import VaultTamperedError
from flowlib_nb.vault import Vault, generate_key, highwater
from flowlib_nb.vault.content import Content, Entry, KeyCheck
from flowlib_nb.vault.highwater import Seen, SeenCredential

PATH = Path("/nowhere/vault.json")
TOKEN = {"type": "bearer", "token": "t"}
ID = "6f1c2f9e-5a0b-4a58-9a53-0d2f3f5a7c11"


def only_file() -> Path:
    [path] = [path for path in user_state_path("flowlib").rglob("*") if path.is_file()]
    return path


def content(revision: int, **entries: int) -> Content:
    made = {
        name: Entry(f"id of {name}", "bearer", "", number, "", "", (), tag=f"tag of {name}")
        for name, number in entries.items()
    }
    return Content("flowlib-vault", 1, ID, revision, {"k": KeyCheck("")}, made, "x")


def test_what_is_noted_comes_back() -> None:
    assert highwater.seen(ID) == Seen()
    assert highwater.seen_credentials(ID) == {}
    highwater.remember(PATH, content(5, a=2, b=7))
    assert highwater.seen(ID) == Seen(5, "x", ("k",))
    assert highwater.seen_credentials(ID) == {
        "a": SeenCredential("id of a", 2, "tag of a"),
        "b": SeenCredential("id of b", 7, "tag of b"),
    }
    highwater.remember(PATH, content(3))
    assert highwater.seen(ID).revision == 3
    assert highwater.seen_credentials(ID) == {}
    assert highwater.seen("another") == Seen()


def test_vaults_that_need_a_key(tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.touch()
    highwater.remember(there, content(1))
    assert highwater.vaults_with(["k", "l"], but="another") == [str(there)]
    assert highwater.vaults_with(["l"], but="another") == []
    assert highwater.vaults_with(["k"], but=ID) == []
    there.unlink()
    assert highwater.vaults_with(["k"], but="another") == []


def test_modes() -> None:
    highwater.remember(PATH, content(1))
    assert stat.S_IMODE(only_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(only_file().parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"revision": "9"}', '{"revision": true}'])
def test_unreadable_note_counts_as_none(text: str) -> None:
    highwater.remember(PATH, content(5))
    only_file().write_text(text)
    assert highwater.seen(ID) == Seen()
    assert highwater.seen_credentials(ID) == {}
    highwater.remember(PATH, content(2))
    assert highwater.seen(ID).revision == 2


def test_unusable_folder_costs_only_the_protection(
    workspace: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(workspace / "file"))
    vault = Vault.open()
    vault.set("a", TOKEN)
    old = Path(vault.path).read_bytes()
    vault.set("b", TOKEN)
    assert vault.get("a").token.reveal() == "t"
    Path(vault.path).write_bytes(old)
    assert vault.names() == ["a"]  # not noticed


def test_no_home_makes_no_folder_here(
    workspace: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_state_path", lambda name: Path("~") / name)
    Vault.open("v.json").set("a", TOKEN)
    assert not (workspace / "~").exists()


def test_reading_is_enough_to_notice_later(
    workspace: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who only reads notices as well: each has a state folder."""
    vault = Vault.open()
    vault.set("a", TOKEN)
    old = Path(vault.path).read_bytes()
    vault.set("a", TOKEN)
    monkeypatch.setenv("XDG_STATE_HOME", str(Path.home() / "another user"))
    vault.get("a")
    Path(vault.path).write_bytes(old)
    with pytest.raises(VaultTamperedError, match="revision 1, but revision 2"):
        vault.get("a")
    vault.accept()
    vault.get("a")
    vault.set("c", TOKEN)
    assert vault.names() == ["a", "c"]


def test_another_file_of_the_same_revision(workspace: Path, key: str) -> None:
    """Two branches, or a restore and what was done after it."""
    vault = Vault.open()
    vault.set("a", TOKEN)
    base = Path(vault.path).read_bytes()
    vault.set("a", {"type": "bearer", "token": "one way"})
    one_way = Path(vault.path).read_bytes()
    Path(vault.path).write_bytes(base)
    vault.accept()
    vault.set("a", {"type": "bearer", "token": "another way"})
    Path(vault.path).write_bytes(one_way)
    for use in (lambda: vault.get("a"), vault.names, lambda: vault.set("b", TOKEN)):
        with pytest.raises(VaultTamperedError, match="revision 2 is the same"):
            use()
    vault.accept()
    assert vault.get("a").token.reveal() == "one way"


def test_retired_key_writes_nothing_any_more(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has an older key could make a file under it alone, of any revision."""
    old, new = generate_key(), generate_key()
    vault = Vault.open(key=old)
    vault.set("a", TOKEN)
    before = Path(vault.path).read_bytes()
    vault.rotate(new)
    state = os.environ["XDG_STATE_HOME"]
    monkeypatch.setenv("XDG_STATE_HOME", str(workspace / "attacker"))
    Path(vault.path).write_bytes(before)
    forger = Vault.open(key=old)
    for _ in range(5):
        forger.set("a", TOKEN, hosts=["evil.example"])
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY", new)
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY_PREVIOUS", old)
    with pytest.raises(VaultTamperedError, match="under an older one now"):
        Vault.open(forger.path).get("a")
