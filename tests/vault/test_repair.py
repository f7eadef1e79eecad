"""Files that were merged or restored: what is accepted is said, and nothing else is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flowlib_nb.errors import (
    InputError,
    VaultConflictError,
    VaultError,
    VaultLockedError,
    VaultTamperedError,
    WrongKeyError,
)
from flowlib_nb.vault import Vault, generate_key
from flowlib_nb.vault.report import examination_text

Data = dict[str, Any]


def bearer(token: str) -> dict[str, str]:
    return {"type": "bearer", "token": token}


@pytest.fixture
def vault(workspace: Path, key: str) -> Vault:
    vault = Vault.open()
    for name in ("a", "b", "c"):
        vault.set(name, bearer(f"token of {name}"), hosts=[f"{name}.example.com"])
    return vault


def load(vault: Vault) -> Data:
    data: Data = json.loads(Path(vault.path).read_text("utf-8"))
    return data


def store(vault: Vault, data: Data) -> None:
    Path(vault.path).write_text(json.dumps(data, sort_keys=True, indent=2) + "\n", "utf-8")


def states(vault: Vault) -> dict[str, str]:
    return {finding.name: finding.state for finding in vault.examine().findings}


def git(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments],
        check=check, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


def test_merge_in_git(vault: Vault) -> None:
    """Two branches change different credentials; only `mac` and `revision` are in conflict."""
    git("init", "-q", "-b", "main")
    git("add", ".flowlib/vault.json")
    git("commit", "-qm", "1")
    git("checkout", "-qb", "side")
    vault.set("a", bearer("a of the side"), hosts=["a.example.com"])
    git("commit", "-qam", "2")
    git("checkout", "-q", "main")
    assert vault.accept() == 3
    vault.set("c", bearer("c of main"))
    vault.set("d", bearer("new on main"))
    git("commit", "-qam", "3")
    git("merge", "side", check=False)
    with pytest.raises(VaultConflictError, match="flowlib vault repair"):
        vault.get("a")
    with pytest.raises(VaultConflictError):
        vault.examine()
    lines, kept = Path(vault.path).read_text("utf-8").splitlines(keepends=True), True
    resolved = ""
    for line in lines:
        if line.startswith("======="):
            kept = False
        elif line.startswith(">>>>>>>"):
            kept = True
        elif kept and not line.startswith("<<<<<<<"):
            resolved += line
    Path(vault.path).write_text(resolved, "utf-8")
    with pytest.raises(VaultTamperedError):
        vault.get("a")
    examined = vault.examine()
    assert {f.name: f.state for f in examined.findings} == {
        "a": "newer", "b": "as last seen", "c": "as last seen", "d": "as last seen",
    }  # fmt: skip
    vault.repair(examined)
    assert vault.get("a").token.reveal() == "a of the side"
    assert vault.get("c").token.reveal() == "c of main"
    assert vault.get("d").token.reveal() == "new on main"
    assert load(vault)["revision"] == 6


def test_each_state_is_said(vault: Vault) -> None:
    old = load(vault)["credentials"]
    vault.set("a", bearer("newer"))
    vault.delete("b")
    vault.set("b", bearer("another"))
    data = load(vault)
    data["credentials"]["a"] = old["a"]
    data["credentials"]["b"] = old["b"]
    del data["credentials"]["c"]
    store(vault, data)
    assert states(vault) == {"a": "older", "b": "replaced", "c": "gone"}
    text = examination_text(vault.examine())
    for word in ("OLDER", "REPLACED", "GONE", "a.example.com"):
        assert word in text
    assert "token of" not in text


def test_another_value_of_the_same_revision_is_said(vault: Vault) -> None:
    base = Path(vault.path).read_bytes()
    vault.set("a", bearer("one way"), hosts=["evil.example"])
    one_way = load(vault)["credentials"]["a"]
    Path(vault.path).write_bytes(base)
    vault.accept()
    vault.set("a", bearer("another way"))
    data = load(vault)
    data["credentials"]["a"] = one_way
    store(vault, data)
    assert states(vault)["a"] == "different"
    assert "DIFFERENT" in examination_text(vault.examine())
    assert "evil.example" in examination_text(vault.examine())


def test_dates_are_bound(vault: Vault) -> None:
    data = load(vault)
    data["credentials"]["a"]["updated_at"] = "2099-01-01T00:00:00+00:00"
    store(vault, data)
    assert states(vault)["a"] == "broken"


def test_broken_entry_is_given_up_only_by_name(vault: Vault) -> None:
    data = load(vault)
    data["credentials"]["b"]["tag"] = data["credentials"]["a"]["tag"]
    data["credentials"]["c"]["hosts"] = ["evil.example"]
    store(vault, data)
    before = Path(vault.path).read_bytes()
    examined = vault.examine()
    assert examined.broken == ("b", "c")
    for drop in ((), ("b",)):
        with pytest.raises(InputError, match="--drop c"):
            vault.repair(examined, drop=drop)
    with pytest.raises(InputError, match="'a' is not broken"):
        vault.repair(examined, drop=["a", "b", "c"])
    assert Path(vault.path).read_bytes() == before
    vault.repair(examined, drop=["b", "c"])
    assert vault.names() == ["a"]
    assert vault.get("a").token.reveal() == "token of a"


def test_only_what_was_looked_at_is_accepted(vault: Vault) -> None:
    data = load(vault)
    del data["credentials"]["a"]
    store(vault, data)
    examined = vault.examine()
    del data["credentials"]["b"]
    store(vault, data)
    with pytest.raises(VaultLockedError, match="meanwhile"):
        vault.repair(examined)


def test_revision_is_above_all_that_were_seen(vault: Vault) -> None:
    old = load(vault)
    for _ in range(5):
        vault.set("a", bearer("x"))
    old["mac"] = load(vault)["mac"]
    store(vault, old)
    vault.repair(vault.examine())
    assert load(vault)["revision"] == 9


def test_nothing_to_repair(vault: Vault, workspace: Path) -> None:
    with pytest.raises(VaultError, match="nothing to repair"):
        vault.examine()
    with pytest.raises(VaultError, match="no vault"):
        Vault.open(workspace / "none.json").examine()
    old = Path(vault.path).read_bytes()
    vault.set("a", bearer("x"))
    Path(vault.path).write_bytes(old)
    with pytest.raises(VaultError, match="accept"):
        vault.examine()


def test_what_has_no_structure_is_beyond_repair(vault: Vault) -> None:
    data = load(vault)
    del data["credentials"]["a"]["nonce"]
    store(vault, data)
    with pytest.raises(VaultTamperedError, match="nonce"):
        vault.examine()


def test_key_is_needed(vault: Vault) -> None:
    data = load(vault)
    del data["credentials"]["a"]
    store(vault, data)
    with pytest.raises(WrongKeyError):
        Vault.open(vault.path, generate_key()).examine()


def test_key_that_someone_added_is_dropped(vault: Vault) -> None:
    data = load(vault)
    data["keys"]["0" * 16] = {"check": next(iter(data["keys"].values()))["check"]}
    store(vault, data)
    vault.repair(vault.examine())
    assert "0" * 16 not in load(vault)["keys"]
