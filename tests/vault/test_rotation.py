"""Changing the master key: in one write, with both keys readable, finished after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flowlib_nb
from flowlib_nb.errors import ConfigError, InputError, VaultError, WrongKeyError
from flowlib_nb.vault import Vault, file, find_key, generate_key, init_key, store
from flowlib_nb.vault.keys import (
    FILE_VARIABLE,
    KEY_VARIABLE,
    PREVIOUS_VARIABLE,
    FoundKey,
    key_file_path,
    os_keyring,
    parse_key,
    renew_key,
)


@pytest.fixture
def vault(workspace: Path) -> Vault:
    """With the user's own key file, two credentials in it."""
    init_key()
    vault = Vault.open()
    vault.set("a", {"type": "bearer", "token": "token of a"}, hosts=["a.example.com"])
    vault.set("b", {"type": "basic", "username": "u", "password": "p"})
    return vault


def load(vault: Vault) -> dict:
    return json.loads(Path(vault.path).read_text("utf-8"))


def test_all_is_encrypted_anew_with_a_fresh_key(vault: Vault) -> None:
    before, old = load(vault), find_key().key
    created, updated = vault.info("a").created_at, vault.info("a").updated_at
    rotation = vault.rotate()
    after, new = load(vault), find_key()
    assert (rotation.credentials, rotation.made_key) == (2, True)
    assert new.key != old
    assert new.previous == (old,)
    assert after["keys"].keys() == {new.key.id}
    assert after["revision"] == before["revision"] + 1
    assert after["vault_id"] == before["vault_id"]
    for name in ("a", "b"):
        was, now = before["credentials"][name], after["credentials"][name]
        assert now["key"] == new.key.id
        assert now["revision"] == was["revision"] + 1
        assert now["id"] == was["id"]
        assert now["ciphertext"] != was["ciphertext"]
    assert vault.get("a").token.reveal() == "token of a"
    assert vault.get("b").password.reveal() == "p"
    assert vault.hosts("a") == ("a.example.com",)
    assert (vault.info("a").created_at, vault.info("a").updated_at) == (created, updated)


def test_old_key_opens_nothing_any_more(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    old = key_file_path().read_text()
    vault.rotate()
    monkeypatch.setenv(KEY_VARIABLE, old)
    with pytest.raises(WrongKeyError):
        vault.get("a")


def test_key_file_holds_both_and_is_private(vault: Vault) -> None:
    old = key_file_path().read_text().split()
    vault.rotate()
    texts = key_file_path().read_text().split()
    assert texts[1:] == old
    assert stat.S_IMODE(key_file_path().stat().st_mode) == 0o600
    assert {path.name for path in key_file_path().parent.iterdir()} == {key_file_path().name}


def test_another_vault_of_the_same_user_stays_readable(vault: Vault, workspace: Path) -> None:
    other = Vault.open(workspace / "other.json")
    other.set("c", {"type": "bearer", "token": "token of c"})
    vault.rotate()
    assert other.get("c").token.reveal() == "token of c"
    other.set("d", {"type": "bearer", "token": "token of d"})
    assert len(load(other)["keys"]) == 2  # an old entry and a new one, both readable
    assert other.get("c").token.reveal() == "token of c"
    rotation = other.rotate()
    assert not rotation.made_key  # the one that is there is new to this vault
    assert load(other)["keys"].keys() == load(vault)["keys"].keys()
    assert len(key_file_path().read_text().split()) == 2
    assert other.forget_old_keys() == 1
    assert len(key_file_path().read_text().split()) == 1
    assert other.forget_old_keys() == 0
    assert other.get("c").token.reveal() == "token of c"
    assert vault.get("a").token.reveal() == "token of a"


def test_keys_that_a_vault_needs_are_not_forgotten(vault: Vault, workspace: Path) -> None:
    other = Vault.open(workspace / "other.json")
    other.set("c", {"type": "bearer", "token": "token of c"})
    vault.rotate()
    with pytest.raises(InputError, match=r"other\.json"):
        vault.forget_old_keys()
    with pytest.raises(InputError, match="still needs an older key"):
        other.forget_old_keys()
    assert len(key_file_path().read_text().split()) == 2
    other.rotate()
    assert vault.forget_old_keys() == 1
    assert other.get("c").token.reveal() == "token of c"
    assert vault.get("a").token.reveal() == "token of a"


def test_key_made_by_another_rotation_is_not_forgotten(vault: Vault, workspace: Path) -> None:
    """One that was killed between making its key and writing its vault."""
    renew_key(find_key())
    with pytest.raises(InputError, match="still needs an older key"):
        vault.forget_old_keys()
    assert vault.get("a").token.reveal() == "token of a"


def test_reading_while_another_process_rotates(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so between this one's look for the key and its look at the file."""
    raced = []

    def racing() -> FoundKey:
        found = find_key()
        if not raced:
            raced.append(True)
            Vault.open().rotate()
        return found

    monkeypatch.setattr(store, "find_key", racing)
    assert vault.get("a").token.reveal() == "token of a"
    assert raced


def test_many_rotations(vault: Vault) -> None:
    path = key_file_path()
    path.write_text("\n".join([*path.read_text().split(), *(generate_key() for _ in range(500))]))
    vault.rotate()
    assert vault.get("a").token.reveal() == "token of a"


def test_key_file_behind_a_link_stays_behind_it(vault: Vault, tmp_path: Path) -> None:
    path = key_file_path()
    path.rename(tmp_path / "real")
    path.symlink_to(tmp_path / "real")
    vault.rotate()
    assert path.is_symlink()
    assert len((tmp_path / "real").read_text().split()) == 2
    assert vault.get("a").token.reveal() == "token of a"


def test_rotating_again_makes_another_key(vault: Vault) -> None:
    vault.rotate()
    vault.rotate()
    assert len(key_file_path().read_text().split()) == 3
    assert vault.get("a").token.reveal() == "token of a"


def test_key_of_the_environment_is_yours_to_change(
    workspace: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault.open()
    vault.set("a", {"type": "bearer", "token": "t"})
    before = Path(vault.path).read_bytes()
    with pytest.raises(ConfigError, match="only you can change") as caught:
        vault.rotate()
    assert PREVIOUS_VARIABLE in str(caught.value)
    assert "flowlib secret" in str(caught.value)
    assert Path(vault.path).read_bytes() == before
    new = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, new)
    monkeypatch.setenv(PREVIOUS_VARIABLE, key)
    assert not vault.rotate().made_key
    monkeypatch.delenv(PREVIOUS_VARIABLE)
    assert vault.get("a").token.reveal() == "t"
    assert load(vault)["keys"].keys() == {parse_key(new).id}


def test_key_file_of_the_environment_may_hold_older_ones(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = generate_key(), generate_key()
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(old)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    vault = Vault.open()
    vault.set("a", {"type": "bearer", "token": "t"})
    path.write_text(f"{new}\n{old}\n")
    assert not vault.rotate().made_key
    path.write_text(new)
    assert vault.get("a").token.reveal() == "t"


def test_in_the_keyring(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [generate_key()]

    def store(text: str) -> bool:
        held[0] = text
        return True

    monkeypatch.setattr(os_keyring, "load", lambda: held[0])
    monkeypatch.setattr(os_keyring, "store", store)
    vault = Vault.open()
    vault.set("a", {"type": "bearer", "token": "t"})
    old = held[0]
    assert vault.rotate().made_key
    new, kept = held[0].split()
    assert kept == old != new
    assert vault.get("a").token.reveal() == "t"
    monkeypatch.setattr(os_keyring, "store", lambda text: False)
    with pytest.raises(ConfigError, match="did not take"):
        vault.rotate()
    assert vault.get("a").token.reveal() == "t"


def test_to_a_given_key(workspace: Path) -> None:
    old, new = generate_key(), generate_key()
    vault = Vault.open(key=old)
    vault.set("a", {"type": "bearer", "token": "t"})
    assert not vault.rotate(new).made_key
    assert vault.get("a").token.reveal() == "t"
    assert Vault.open(key=new).get("a").token.reveal() == "t"
    with pytest.raises(WrongKeyError):
        Vault.open(key=old).get("a")


def test_nothing_to_rotate(workspace: Path, key: str) -> None:
    with pytest.raises(VaultError, match="nothing to rotate"):
        Vault.open().rotate()


def test_failed_write_leaves_both_readable(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path(vault.path).read_bytes()

    def full(*args: object, **kwargs: object) -> None:
        raise VaultError("full")

    with monkeypatch.context() as patch:
        patch.setattr(file, "write", full)
        with pytest.raises(VaultError, match="full"):
            vault.rotate()
    assert Path(vault.path).read_bytes() == before
    assert len(key_file_path().read_text().split()) == 2
    assert vault.get("a").token.reveal() == "token of a"
    assert not vault.rotate().made_key  # finished with the key that was made
    assert len(key_file_path().read_text().split()) == 2
    assert vault.get("a").token.reveal() == "token of a"


ROTATOR = """
import os, sys
from flowlib_nb.models.credential import parse_credential
from flowlib_nb.vault import Vault
import filelock
vault = Vault.open()
vault.get("a")
def say(text):
    os.write(1, f"{text}\\n".encode())
say("ready")
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        say(os.getpid())
        while True:
            vault.rotate()
    os.waitpid(pid, 0)
    say("dead")
"""


def test_killed_at_any_moment_it_is_readable_and_can_be_finished(
    vault: Vault, workspace: Path
) -> None:
    other = Vault.open(workspace / "other.json")
    other.set("c", {"type": "bearer", "token": "token of c"})
    chance = random.Random(20260102)
    root = str(Path(flowlib_nb.__file__).parents[1])
    forks = subprocess.Popen(
        [sys.executable, "-c", ROTATOR], env={**os.environ, "PYTHONPATH": root},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert forks.stdin
    assert forks.stdout
    assert forks.stdout.readline() == "ready\n"
    unfinished = 0
    for _ in range(60):
        forks.stdin.write("\n")
        forks.stdin.flush()
        pid = int(forks.stdout.readline())
        time.sleep(chance.uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        assert forks.stdout.readline() == "dead\n"
        current = find_key()
        unfinished += load(vault)["keys"].keys() != {current.key.id}
        assert vault.get("a").token.reveal() == "token of a"
        assert other.get("c").token.reveal() == "token of c"
        vault.rotate()
        assert load(vault)["keys"].keys() == {find_key().key.id}
        # So that the file does not grow over its limit; both vaults are under the newest key.
        other.rotate()
        vault.forget_old_keys()
    forks.communicate()
    assert unfinished  # else no kill came between the key and the file


def test_two_that_rotate_at_once(vault: Vault, workspace: Path) -> None:
    """Over two vaults with one key file: no key that something is encrypted with is lost."""
    other = Vault.open(workspace / "other.json")
    other.set("c", {"type": "bearer", "token": "token of c"})
    root = str(Path(flowlib_nb.__file__).parents[1])
    code = (
        "import sys\nfrom flowlib_nb.vault import Vault\nvault = Vault.open(sys.argv[1])\n"
        "for _ in range(15): vault.rotate()\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, one.path], env={**os.environ, "PYTHONPATH": root}
        )
        for one in (vault, other, vault)
    ]
    assert [process.wait() for process in both] == [0, 0, 0]
    assert vault.get("a").token.reveal() == "token of a"
    assert other.get("c").token.reveal() == "token of c"
