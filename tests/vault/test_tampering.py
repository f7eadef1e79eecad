"""Every edit of the file is noticed, and told apart from a wrong key."""

from __future__ import annotations

import base64
import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.errors import (
    CredentialNotFoundError,
    VaultError,
    VaultTamperedError,
    WrongKeyError,
)
from flowlib_nb.vault import Vault, generate_key
from flowlib_nb.vault.keys import PREVIOUS_VARIABLE

Data = dict[str, Any]


@pytest.fixture
def vault(workspace: Path, key: str) -> Vault:
    vault = Vault.open()
    vault.set("a", {"type": "bearer", "token": "token of a"}, hosts=["a.example.com"])
    vault.set("b", {"type": "bearer", "token": "token of b"}, hosts=["b.example.com"])
    return vault


def load(vault: Vault) -> Data:
    data: Data = json.loads(Path(vault.path).read_text("utf-8"))
    return data


def store(vault: Vault, data: Data) -> None:
    Path(vault.path).write_text(json.dumps(data), encoding="utf-8")


def flip(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[0] ^= 1
    return base64.b64encode(raw).decode()


def swap_names(data: Data) -> None:
    entries = data["credentials"]
    entries["a"], entries["b"] = entries["b"], entries["a"]


def swap_sealed(data: Data) -> None:
    a, b = data["credentials"]["a"], data["credentials"]["b"]
    for part in ("nonce", "ciphertext", "tag"):
        a[part], b[part] = b[part], a[part]


OTHER_ID = "00000000-0000-4000-8000-000000000000"
ENTRY_EDITS: dict[str, Callable[[Data], object]] = {
    "id": lambda e: e.update(id=OTHER_ID),
    "type": lambda e: e.update(type="api_key"),
    "key": lambda e: e.update(key="0" * 16),
    "host added": lambda e: e["hosts"].append("evil.example"),
    "hosts replaced": lambda e: e.update(hosts=["evil.example"]),
    "hosts emptied": lambda e: e.update(hosts=[]),
    "revision up": lambda e: e.update(revision=e["revision"] + 1),
    "created_at": lambda e: e.update(created_at="2001-01-01T00:00:00+00:00"),
    "updated_at": lambda e: e.update(updated_at="2001-01-01T00:00:00+00:00"),
    "nonce": lambda e: e.update(nonce=flip(e["nonce"])),
    "ciphertext": lambda e: e.update(ciphertext=flip(e["ciphertext"])),
    "ciphertext cut": lambda e: e.update(ciphertext=e["ciphertext"][:-4]),
    "ciphertext empty": lambda e: e.update(ciphertext=""),
    "tag": lambda e: e.update(tag=flip(e["tag"])),
}
FILE_EDITS: dict[str, Callable[[Data], object]] = {
    "mac": lambda d: d.update(mac=flip(d["mac"])),
    "revision up": lambda d: d.update(revision=d["revision"] + 1),
    "vault_id": lambda d: d.update(vault_id=OTHER_ID),
    "check": lambda d: [k.update(check=flip(k["check"])) for k in d["keys"].values()],
    "no keys": lambda d: d.update(keys={}),
    "keys a list": lambda d: d.update(keys=[]),
    "format": lambda d: d.update(format="other"),
    "version 0": lambda d: d.update(version=0),
    "version a float": lambda d: d.update(version=1.0),
    "version a boolean": lambda d: d.update(version=True),
    "revision a float": lambda d: d.update(revision=float(d["revision"])),
    "revision a boolean": lambda d: d.update(revision=True),
    "revision too large": lambda d: d.update(revision=2**53),
    "field added": lambda d: d.update(extra=1),
    "mac dropped": lambda d: d.pop("mac"),
    "credentials a list": lambda d: d.update(credentials=[]),
    "entry dropped": lambda d: d["credentials"].pop("a"),
    "other entry dropped": lambda d: d["credentials"].pop("b"),
    "all entries dropped": lambda d: d.update(credentials={}),
    "entry added": lambda d: d["credentials"].update(c=copy.deepcopy(d["credentials"]["a"])),
    "entry renamed": lambda d: d["credentials"].update(c=d["credentials"].pop("a")),
    "entries swapped": swap_names,
    "ciphertexts swapped": swap_sealed,
    "name not one": lambda d: d["credentials"].update({"x\u001b[2J": d["credentials"]["b"]}),
    "host not one": lambda d: d["credentials"]["a"].update(hosts=["http://x/"]),
    "host not canonical": lambda d: d["credentials"]["a"].update(hosts=["A.example.com"]),
    "host half a surrogate": lambda d: d["credentials"]["a"].update(hosts=["\ud800"]),
    "hosts a text": lambda d: d["credentials"]["a"].update(hosts="a.example.com"),
    "type not one": lambda d: d["credentials"]["a"].update(type="<b>"),
    "base64 with spare bits": lambda d: d.update(mac=d["mac"][:-2] + "B="),
    "base64 not text": lambda d: d.update(mac=5),
    "entry not an object": lambda d: d["credentials"].update(a=None),
}


@pytest.mark.parametrize("edit", ENTRY_EDITS)
@pytest.mark.parametrize("read", ["a", "b"])
def test_entry_edit_is_noticed(vault: Vault, edit: str, read: str) -> None:
    """Also by whoever reads another entry."""
    data = load(vault)
    ENTRY_EDITS[edit](data["credentials"]["a"])
    store(vault, data)
    with pytest.raises(VaultTamperedError):
        vault.get(read)


@pytest.mark.parametrize("edit", FILE_EDITS)
def test_file_edit_is_noticed(vault: Vault, edit: str) -> None:
    data = load(vault)
    FILE_EDITS[edit](data)
    store(vault, data)
    for read in (lambda: vault.get("a"), lambda: vault.hosts("a"), vault.names, vault.infos):
        with pytest.raises(VaultTamperedError):
            read()


@pytest.mark.parametrize("edit", ["mac", "entry dropped", "entry added", "revision up"])
def test_edited_file_is_not_written_to(vault: Vault, edit: str) -> None:
    data = load(vault)
    FILE_EDITS[edit](data)
    store(vault, data)
    before = Path(vault.path).read_bytes()
    for change in (
        lambda: vault.set("n", {"type": "bearer", "token": "t"}),
        lambda: vault.delete("b"),
        lambda: vault.rename("b", "n"),
    ):
        with pytest.raises(VaultTamperedError):
            change()
    assert Path(vault.path).read_bytes() == before


def _sealed_again(vault: Vault, data: Data, key: str) -> None:
    """Give an edited file a right ``mac``, so that only the seals can object."""
    from flowlib_nb.vault.content import signed_parts, with_mac
    from flowlib_nb.vault.envelope import file_mac
    from flowlib_nb.vault.keys import parse_key

    # A later file, since another one of the same revision is refused as such.
    data = {**data, "revision": data["revision"] + 1}
    text = json.dumps(data, sort_keys=True, indent=2) + "\n"
    parts = signed_parts(text.encode())
    mac = file_mac(parse_key(key), data["vault_id"], parts)
    Path(vault.path).write_bytes(with_mac(parts, mac))


@pytest.mark.parametrize(
    "edit",
    ["id", "type", "host added", "hosts emptied", "revision up", "nonce", "ciphertext", "tag"],
)
def test_seal_alone_notices(vault: Vault, key: str, edit: str) -> None:
    data = load(vault)
    ENTRY_EDITS[edit](data["credentials"]["a"])
    _sealed_again(vault, data, key)
    with pytest.raises(VaultTamperedError, match="does not match its seal"):
        vault.get("a")
    assert vault.get("b").token.reveal() == "token of b"


@pytest.mark.parametrize("edit", ["entry renamed", "entry added"])
def test_seal_alone_notices_another_name(vault: Vault, key: str, edit: str) -> None:
    data = load(vault)
    FILE_EDITS[edit](data)
    _sealed_again(vault, data, key)
    with pytest.raises(VaultTamperedError, match="does not match its seal"):
        vault.get("c")


@pytest.mark.parametrize("edit", [swap_names, swap_sealed])
def test_seal_alone_notices_swapping(vault: Vault, key: str, edit: Callable[[Data], None]) -> None:
    data = load(vault)
    edit(data)
    _sealed_again(vault, data, key)
    with pytest.raises(VaultTamperedError, match="does not match its seal"):
        vault.get("a")


@pytest.mark.parametrize("with_revision", [True, False])
def test_older_ciphertext_is_noticed(vault: Vault, key: str, with_revision: bool) -> None:
    old = load(vault)["credentials"]["a"]
    vault.set("a", {"type": "bearer", "token": "newer"}, hosts=["a.example.com"])
    data = load(vault)
    parts = ("nonce", "ciphertext", "tag", *(["revision"] if with_revision else []))
    data["credentials"]["a"].update({part: old[part] for part in parts})
    store(vault, data)
    with pytest.raises(VaultTamperedError):
        vault.get("a")
    if not with_revision:  # an older ciphertext under the newer revision
        _sealed_again(vault, data, key)
        with pytest.raises(VaultTamperedError, match="does not match its seal"):
            vault.get("a")


def test_older_file_is_noticed_until_accepted(vault: Vault) -> None:
    old = Path(vault.path).read_bytes()
    vault.set("a", {"type": "bearer", "token": "newer"})
    Path(vault.path).write_bytes(old)
    for read in (lambda: vault.get("a"), vault.names, vault.require_key):
        with pytest.raises(VaultTamperedError, match="flowlib vault accept"):
            read()
    with pytest.raises(VaultTamperedError):
        vault.set("c", {"type": "bearer", "token": "t"})
    assert Path(vault.path).read_bytes() == old
    assert vault.accept() == json.loads(old)["revision"]
    assert vault.get("a").token.reveal() == "token of a"


def test_accept_takes_no_edited_file(vault: Vault) -> None:
    data = load(vault)
    data["credentials"].pop("b")
    store(vault, data)
    with pytest.raises(VaultTamperedError):
        vault.accept()


def test_nothing_to_accept(workspace: Path, key: str) -> None:
    with pytest.raises(VaultError, match="no vault"):
        Vault.open().accept()


def test_wrong_key_is_not_tampering(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    other = generate_key()
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY", other)
    before = Path(vault.path).read_bytes()
    for use in (
        lambda: vault.get("a"),
        lambda: vault.hosts("a"),
        lambda: vault.set("n", {"type": "bearer", "token": "t"}),
        lambda: vault.delete("a"),
        lambda: vault.rename("a", "n"),
        vault.accept,
        vault.require_key,
    ):
        with pytest.raises(WrongKeyError) as caught:
            use()
        assert "the environment variable FLOWLIB_ENCRYPTION_KEY" in str(caught.value)
        assert other not in str(caught.value)
        assert other.removeprefix("flk1_") not in str(caught.value)
    assert Path(vault.path).read_bytes() == before
    assert vault.names() == ["a", "b"]  # listing needs no key, so a wrong one does no harm


def test_previous_key_reads_old_entries(
    vault: Vault, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = generate_key()
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY", new)
    monkeypatch.setenv(PREVIOUS_VARIABLE, f"{generate_key()}, {key}")
    assert vault.get("a").token.reveal() == "token of a"
    vault.set("n", {"type": "bearer", "token": "with the new key"})
    assert vault.get("a").token.reveal() == "token of a"
    assert vault.get("n").token.reveal() == "with the new key"
    vault.rename("b", "b2")
    monkeypatch.delenv(PREVIOUS_VARIABLE)
    assert vault.get("b2").token.reveal() == "token of b"  # sealed anew with the new key
    with pytest.raises(WrongKeyError):
        vault.get("a")
    # Who has only the old key cannot tell whether the file is authentic, and is not told a lie.
    monkeypatch.setenv("FLOWLIB_ENCRYPTION_KEY", key)
    with pytest.raises(WrongKeyError, match="another key"):
        vault.get("a")


def test_absent_credential_is_not_tampering(vault: Vault) -> None:
    with pytest.raises(CredentialNotFoundError):
        vault.get("c")


MASKS = (0x01, 0x02, 0x20, 0x80, 0xFF)


def plain_values(vault: Vault) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {
        name: (credential.token.reveal(), hosts)
        for name in ("a", "b")
        for credential, hosts in [vault.get_with_hosts(name)]
    }


def outcome(vault: Vault) -> object:
    try:
        return plain_values(vault)
    except VaultError as error:
        return type(error)


def test_every_byte_flipped(vault: Vault) -> None:
    """Refused, or of no effect: white space is no part of what the file says."""
    path = Path(vault.path)
    raw, right = path.read_bytes(), plain_values(vault)
    for position in range(len(raw)):
        for mask in MASKS:
            flipped = bytearray(raw)
            flipped[position] ^= mask
            path.write_bytes(flipped)
            got = outcome(vault)
            if isinstance(got, dict):
                assert got == right
                assert json.loads(flipped) == json.loads(raw), (position, mask)
    path.write_bytes(raw)
    assert outcome(vault) == right


def test_truncated_at_every_length(vault: Vault) -> None:
    path = Path(vault.path)
    raw, right = path.read_bytes(), plain_values(vault)
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        if length == len(raw) - 1:  # only the last line feed is gone
            assert outcome(vault) == right
        else:
            with pytest.raises(VaultTamperedError):
                vault.get("a")


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
@pytest.mark.parametrize("indent", [None, 1, 4])
def test_another_layout_is_the_same_file(vault: Vault, line_end: str, indent: int | None) -> None:
    """As git's autocrlf or a formatter leaves it."""
    right = plain_values(vault)
    text = json.dumps(load(vault), indent=indent, sort_keys=indent is None)
    Path(vault.path).write_bytes(text.replace("\n", line_end).encode())
    assert outcome(vault) == right
    vault.set("c", {"type": "bearer", "token": "t"})
    assert b"\r" not in Path(vault.path).read_bytes()
    assert outcome(vault) == right


@pytest.mark.parametrize(
    ("before", "doubled"),
    [
        ('"credentials": {', '"credentials": {}, "credentials": {'),
        ('"a": {', '"a": {}, "a": {'),
        ('"a": {', '"b": {}, "a": {'),
        ('"hosts": [', '"hosts": ["evil.example"], "hosts": ['),
        ('"revision": ', '"revision": 1, "revision": '),
        ('"mac": "', '"mac": "x", "mac": "'),
    ],
)
def test_names_that_stand_twice(vault: Vault, before: str, doubled: str) -> None:
    """One reader would take the first, another one the last."""
    path = Path(vault.path)
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, doubled, 1), "utf-8")
    for read in (lambda: vault.get("a"), vault.names):
        with pytest.raises(VaultTamperedError):
            read()


def test_file_of_100_megabytes(vault: Vault) -> None:
    os.truncate(vault.path, 100 << 20)
    for use in (vault.names, lambda: vault.get("a"), lambda: vault.set("c", TOKEN)):
        with pytest.raises(VaultTamperedError, match="larger than 67,108,864 bytes"):
            use()
    assert Path(vault.path).stat().st_size == 100 << 20


def test_folder_fifo_or_device_in_place_of_the_file(vault: Vault) -> None:
    path = Path(vault.path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(VaultError, match="ordinary file"):
        vault.get("a")
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(VaultError, match="ordinary file"):
        Vault.open(path).get("a")


def test_swapped_for_the_file_of_another_vault(vault: Vault, workspace: Path) -> None:
    """Made with the same key, so that only the vault's own id tells them apart."""
    other = Vault.open(workspace / "other.json")
    other.set("a", {"type": "bearer", "token": "of another vault"})
    mine, theirs = load(vault), load(other)
    mine["credentials"]["a"] = theirs["credentials"]["a"]
    store(vault, mine)
    assert outcome(vault) is VaultTamperedError
    mine["vault_id"] = theirs["vault_id"]
    mine["mac"] = theirs["mac"]
    store(vault, mine)
    assert outcome(vault) is VaultTamperedError


def test_readable_by_others_is_no_danger_and_mended(vault: Vault) -> None:
    """Git checks it out so; whoever reads it learns names and hosts."""
    Path(vault.path).chmod(0o644)
    assert vault.get("a").token.reveal() == "token of a"
    vault.set("c", TOKEN)
    assert Path(vault.path).stat().st_mode & 0o777 == 0o600


TOKEN = {"type": "bearer", "token": "t"}


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "vault.json"
    vault = Vault.open(path, KEY)
    path.write_bytes(WRITTEN or _write(vault))
    raw = bytearray(path.read_bytes())
    raw[position % len(raw)] ^= 1 << bit
    path.write_bytes(raw)
    try:
        got = vault.get_with_hosts("a")
    except VaultError:
        return
    # Only white space is no part of what the file says.
    assert json.loads(raw) == json.loads(WRITTEN)
    assert got[0].token.reveal() == "t"


KEY = generate_key()
WRITTEN = b""


def _write(vault: Vault) -> bytes:
    global WRITTEN
    vault.set("a", {"type": "bearer", "token": "t"}, hosts=["a.example.com"])
    WRITTEN = Path(vault.path).read_bytes()
    return WRITTEN
