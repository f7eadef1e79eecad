"""The highest revision seen, and what happens where it cannot be kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from platformdirs import user_state_path

from flowlib_nb.errors import VaultTamperedError
from flowlib_nb.vault import Vault, highwater
from flowlib_nb.vault.content import Content, Entry

TOKEN = {"type": "bearer", "token": "t"}
ID = "6f1c2f9e-5a0b-4a58-9a53-0d2f3f5a7c11"


def only_file() -> Path:
    [path] = [path for path in user_state_path("flowlib").rglob("*") if path.is_file()]
    return path


def content(revision: int, **entries: int) -> Content:
    made = {
        name: Entry(f"id of {name}", "bearer", "", number, "", "", ())
        for name, number in entries.items()
    }
    return Content("flowlib-vault", 1, ID, revision, {}, made, "x")


def test_what_is_noted_comes_back() -> None:
    assert highwater.seen(ID) == 0
    assert highwater.seen_credentials(ID) == {}
    highwater.remember(content(5, a=2, b=7))
    assert highwater.seen(ID) == 5
    assert highwater.seen_credentials(ID) == {"a": ("id of a", 2), "b": ("id of b", 7)}
    highwater.remember(content(3))
    assert highwater.seen(ID) == 3
    assert highwater.seen_credentials(ID) == {}
    assert highwater.seen("another") == 0


def test_modes() -> None:
    highwater.remember(content(1))
    assert stat.S_IMODE(only_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(only_file().parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"revision": "9"}', '{"revision": true}'])
def test_unreadable_note_counts_as_none(text: str) -> None:
    highwater.remember(content(5))
    only_file().write_text(text)
    assert highwater.seen(ID) == 0
    assert highwater.seen_credentials(ID) == {}
    highwater.remember(content(2))
    assert highwater.seen(ID) == 2


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
