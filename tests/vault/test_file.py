"""The file itself: its form, its mode, and writing it whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from flowlib_nb.errors import (
    VaultConflictError,
    VaultError,
    VaultLockedError,
    VaultTamperedError,
)
from flowlib_nb.vault import Vault, file, lock
from flowlib_nb.vault.envelope import canonical

TOKEN = {"type": "bearer", "token": "s3cr3t-t0k3n"}


@pytest.fixture
def vault(workspace: Path, key: str) -> Vault:
    vault = Vault.open()
    vault.set("a", TOKEN)
    return vault


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_modes(workspace: Path, key: str) -> None:
    before = os.umask(0)
    try:
        vault = Vault.open()
        vault.set("a", TOKEN)
        other = Vault.open(workspace / "deep" / "er" / "v.json")
        other.set("a", TOKEN)
    finally:
        os.umask(before)
    assert Path(vault.path) == workspace.resolve() / ".flowlib" / "vault.json"
    assert mode(Path(vault.path)) == 0o600
    assert mode(workspace / ".flowlib") == 0o700
    assert mode(Path(other.path)) == 0o600
    assert mode(Path(other.path).parent) == 0o700


def test_mode_is_mended_by_the_next_write(vault: Vault) -> None:
    Path(vault.path).chmod(0o644)  # as git checks it out
    vault.set("b", TOKEN)
    assert mode(Path(vault.path)) == 0o600


def test_workspace_ignores_what_is_not_the_vault(workspace: Path, vault: Vault) -> None:
    left = {path.name for path in (workspace / ".flowlib").iterdir()}
    assert left == {".gitignore", "vault.json"}


def test_text_is_sorted_indented_and_ends_with_a_line_feed(vault: Vault) -> None:
    vault.set("B", TOKEN, hosts=["z.example.com", "a.example.com"])
    text = Path(vault.path).read_text("utf-8")
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=2) + "\n"
    assert json.loads(text)["credentials"]["B"]["hosts"] == ["z.example.com", "a.example.com"]


def test_plaintext_is_not_in_the_file(workspace: Path, key: str) -> None:
    vault = Vault.open()
    vault.set("a", {"type": "basic", "username": "us3rn4m3", "password": "p4ssw0rd-long"})
    vault.set("b", {"type": "custom", "fields": {"f13ldn4m3": "v4lu3-v4lu3"}})
    files = [path for top in (workspace, Path.home()) for path in top.rglob("*") if path.is_file()]
    assert Path(vault.path) in files
    for path in files:
        raw = path.read_bytes()
        for plain in (b"us3rn4m3", b"p4ssw0rd-long", b"f13ldn4m3", b"v4lu3-v4lu3"):
            assert plain not in raw


def test_nonces_never_repeat(vault: Vault) -> None:
    nonces = []
    for _ in range(50):
        vault.set("a", TOKEN)
        data = json.loads(Path(vault.path).read_text("utf-8"))
        nonces.append(data["credentials"]["a"]["nonce"])
    assert len(set(nonces)) == 50


def test_same_secret_is_sealed_differently(vault: Vault) -> None:
    vault.set("b", TOKEN)
    entries = json.loads(Path(vault.path).read_text("utf-8"))["credentials"]
    assert entries["a"]["ciphertext"] != entries["b"]["ciphertext"]


def test_writing_leaves_other_entries_as_they_are(vault: Vault) -> None:
    before = json.loads(Path(vault.path).read_text("utf-8"))["credentials"]["a"]
    vault.set("b", TOKEN)
    assert json.loads(Path(vault.path).read_text("utf-8"))["credentials"]["a"] == before


@pytest.mark.parametrize(
    "text",
    [
        "{\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> other\n}",
        "<<<<<<< HEAD\r\n=======\r\n>>>>>>> b\r\n",
    ],
)
def test_conflict_markers(vault: Vault, text: str) -> None:
    Path(vault.path).write_bytes(text.encode())
    for use in (vault.names, lambda: vault.get("a"), lambda: vault.set("b", TOKEN)):
        with pytest.raises(VaultConflictError, match="git merge"):
            use()
    assert Path(vault.path).read_bytes() == text.encode()


def test_markers_in_a_real_merge(vault: Vault) -> None:
    lines = Path(vault.path).read_text("utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if '"mac"' in line)
    merged = ["<<<<<<< ours", lines[at], "=======", lines[at], ">>>>>>> theirs"]
    Path(vault.path).write_text("\n".join([*lines[:at], *merged, *lines[at + 1 :]]), "utf-8")
    with pytest.raises(VaultConflictError):
        vault.get("a")


def test_value_that_is_too_large_is_refused_before_it_bricks_the_vault(vault: Vault) -> None:
    before = Path(vault.path).read_bytes()
    with pytest.raises(VaultError, match="larger than 64 MB"):
        vault.set("huge", {"type": "bearer", "token": "x" * (50 << 20)})
    assert Path(vault.path).read_bytes() == before
    assert vault.names() == ["a"]


def test_folder_in_place_of_a_draft_is_no_obstacle(vault: Vault) -> None:
    (Path(vault.path).parent / ".vault.json.x.tmp").mkdir()
    vault.set("b", TOKEN)
    assert vault.names() == ["a", "b"]


def test_newer_version(vault: Vault) -> None:
    data = json.loads(Path(vault.path).read_text("utf-8"))
    Path(vault.path).write_text(json.dumps({**data, "version": 2, "new": 1}), "utf-8")
    with pytest.raises(VaultError, match="version 2") as caught:
        vault.names()
    assert not isinstance(caught.value, VaultTamperedError)
    assert "Upgrade" in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"flowlib-vault"',
        b"{}",
        b"[" * 100_000,
        b'{"format": "flowlib-vault", "version": 1}',
        b'{"format": "flowlib-vault", "format": "flowlib-vault"}',
        b'{"format": "flowlib-vault", "version": 1' + b"0" * 5000 + b"}",
        b'{"format": "flowlib-vault", "version": NaN}',
    ],
    ids=lambda raw: raw[:40],
)
def test_broken_file(vault: Vault, raw: bytes) -> None:
    Path(vault.path).write_bytes(raw)
    for use in (vault.names, lambda: vault.get("a"), lambda: vault.set("b", TOKEN)):
        with pytest.raises(VaultTamperedError):
            use()
    assert Path(vault.path).read_bytes() == raw


def test_folder_in_place_of_the_file(workspace: Path, key: str) -> None:
    (workspace / ".flowlib" / "vault.json").mkdir(parents=True)
    vault = Vault.open()
    with pytest.raises(VaultError, match="cannot be read"):
        vault.names()


def test_folder_that_cannot_be_made(workspace: Path, key: str) -> None:
    (workspace / "file").write_text("")
    with pytest.raises(VaultError, match="cannot be made"):
        Vault.open(workspace / "file" / "vault.json").set("a", TOKEN)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = Path(vault.path).read_bytes()

    def full(*args: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(file.os, step, full)
        with pytest.raises(VaultError, match="cannot be written: No space left"):
            vault.set("b", TOKEN)
    folder = Path(vault.path).parent
    assert Path(vault.path).read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {".gitignore", "vault.json"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)],
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(small_disk: Path, key: str) -> None:
    vault = Vault.open(small_disk / "vault.json")
    vault.set("a", TOKEN)
    before = Path(vault.path).read_bytes()
    with pytest.raises(VaultError, match="No space left"):
        vault.set("b", {"type": "bearer", "token": "x" * 60_000})
    assert Path(vault.path).read_bytes() == before
    assert {path.name for path in small_disk.iterdir()} == {"vault.json"}
    vault.set("b", TOKEN)
    (small_disk / "rest").write_bytes(b"x" * (40 << 10))

    def fill() -> None:
        for number in range(1000):
            vault.set(f"n{number}", {"type": "bearer", "token": "x" * 1000})

    with pytest.raises(VaultError):
        fill()
    assert vault.get("a").token.reveal() == "s3cr3t-t0k3n"
    (small_disk / "rest").unlink()
    vault.set("c", TOKEN)
    assert {"a", "b", "c"} <= set(vault.names())


def test_read_only_disk(small_disk: Path, key: str) -> None:
    vault = Vault.open(small_disk / "vault.json")
    vault.set("a", TOKEN)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(VaultError, match="Read-only file system"):
        vault.set("b", TOKEN)
    assert vault.names() == ["a"]
    assert vault.get("a").token.reveal() == "s3cr3t-t0k3n"


def test_read_only_folder(vault: Vault) -> None:
    folder = Path(vault.path).parent
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("root may write everywhere")
        with pytest.raises(VaultError, match="Permission denied"):
            vault.set("b", TOKEN)
        assert vault.names() == ["a"]
    finally:
        folder.chmod(0o700)


def test_everything_is_on_disk_before_the_rename(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, replace = os.fsync, os.replace

    def noting_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(f"fsync {kind}")
        fsync(descriptor)

    def noting_replace(source: Path, target: Path) -> None:
        if target.name == "vault.json":
            assert source.parent == target.parent
            assert mode(source) == 0o600
            steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(file.os, "fsync", noting_fsync)
    monkeypatch.setattr(file.os, "replace", noting_replace)
    vault.set("b", TOKEN)
    assert steps == ["fsync file", "replace", "fsync folder"]


def test_leftovers_of_killed_writers_are_removed(vault: Vault) -> None:
    folder = Path(vault.path).parent
    (folder / ".vault.json.0123456789abcdef.tmp").write_text("left")
    (folder / ".other.json.0123456789abcdef.tmp").write_text("not ours")
    vault.set("b", TOKEN)
    names = {path.name for path in folder.iterdir()}
    assert names == {".gitignore", "vault.json", ".other.json.0123456789abcdef.tmp"}


def test_writer_that_lost_its_lock_overwrites_nothing(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was stopped for longer than its lease, while another one wrote."""
    real = os.fsync
    others = []

    def stopped(descriptor: int) -> None:
        monkeypatch.setattr(file.os, "fsync", real)
        Path(f"{vault.path}.lock").unlink()
        others.append(Vault.open().set("other", TOKEN))
        real(descriptor)

    monkeypatch.setattr(file.os, "fsync", stopped)
    with pytest.raises((VaultLockedError, VaultError)):
        vault.set("mine", TOKEN)
    assert others
    assert vault.names() == ["a", "other"]


def test_file_that_changed_under_the_writer_is_kept(vault: Vault) -> None:
    path = Path(vault.path)
    stale = file.read(path)
    assert stale is not None
    vault.set("b", TOKEN)
    with pytest.raises(VaultLockedError, match="meanwhile"):
        file.write(path, stale, replacing=stale)
    assert vault.names() == ["a", "b"]


def test_held_lock_names_the_remedy(vault: Vault) -> None:
    path = Path(vault.path)
    with lock.locked(path), pytest.raises(VaultLockedError) as caught:  # noqa: SIM117
        with lock.locked(path, seconds=0):
            pass
    assert f"delete {path}.lock" in str(caught.value)
    with lock.locked(path, seconds=0):  # it was given back
        pass


def test_lock_is_given_back_after_an_error(vault: Vault) -> None:
    with pytest.raises(ZeroDivisionError), lock.locked(Path(vault.path)):
        raise ZeroDivisionError
    with lock.locked(Path(vault.path), seconds=0):
        pass


def test_canonical_json() -> None:
    value = {"b": [1, True, "é/\x7f\u2028"], "a": '"\\\n\x1f', "B": {}}
    expected = '{"B":{},"a":"\\"\\\\\\n\\u001f","b":[1,true,"é/\x7f\u2028"]}'
    assert canonical(value) == expected.encode()
