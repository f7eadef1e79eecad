"""FORMAT.md, held to its word by a reader that uses nothing of the package."""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import flowlib_nb.vault
from flowlib_nb.vault import Vault

VECTOR: dict[str, str] = json.loads(Path(__file__).with_name("vector.json").read_text("utf-8"))
FILE: dict[str, Any] = json.loads(VECTOR["file"])
ENTRY: dict[str, Any] = FILE["credentials"]["shop"]
VAULT_ID: bytes = FILE["vault_id"].encode("ascii")


def hkdf(key: bytes, salt: bytes, info: str) -> bytes:
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    return hmac.digest(extracted, info.encode("ascii") + b"\x01", "sha256")


def quoted(text: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f"}
    short["\r"] = "\\r"
    escaped = (short.get(char) or (f"\\u{ord(char):04x}" if char < " " else char) for char in text)
    return f'"{"".join(escaped)}"'


def canonical(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return quoted(value) if isinstance(value, str) else str(value)


@pytest.fixture
def master() -> bytes:
    text = VECTOR["master_key"].removeprefix("flk1_")
    return base64.urlsafe_b64decode(text + "=")


def test_key_id_and_check(master: bytes) -> None:
    key_id = hkdf(master, b"", "flowlib-vault/1/key-id")[:8].hex()
    check = hkdf(master, VAULT_ID, "flowlib-vault/1/check")
    assert key_id == VECTOR["key_id"] == ENTRY["key"]
    assert check.hex() == VECTOR["check"]
    assert base64.b64decode(FILE["keys"][key_id]["check"]) == check


def test_mac(master: bytes) -> None:
    mac_key = hkdf(master, VAULT_ID, "flowlib-vault/1/mac")
    content = canonical({name: value for name, value in FILE.items() if name != "mac"})
    assert mac_key.hex() == VECTOR["mac_key"]
    assert hmac.digest(mac_key, content.encode(), "sha256").hex() == VECTOR["mac"]
    assert base64.b64decode(FILE["mac"]).hex() == VECTOR["mac"]


def test_credential(master: bytes) -> None:
    key = hkdf(master, VAULT_ID, f"flowlib-vault/1/credential/{ENTRY['id']}")
    bound = {name: ENTRY[name] for name in ("id", "type", "hosts", "revision")}
    bound |= {name: FILE[name] for name in ("format", "version", "vault_id")} | {"name": "shop"}
    nonce, ciphertext, tag = (
        base64.b64decode(ENTRY[part]) for part in ("nonce", "ciphertext", "tag")
    )
    assert key.hex() == VECTOR["credential_key"]
    assert canonical(bound) == VECTOR["associated_data"]
    plain = AESGCM(key).decrypt(nonce, ciphertext + tag, canonical(bound).encode())
    assert plain.decode() == VECTOR["plaintext"]
    assert plain.decode() == canonical(json.loads(plain))


def test_package_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "vault.json"
    path.write_text(VECTOR["file"], encoding="utf-8")
    vault = Vault.open(path, VECTOR["master_key"])
    credential, hosts = vault.get_with_hosts("shop")
    assert credential.username == "zoë"
    assert credential.password.reveal() == 'a"b\\c/\t\x01\x7f€😀'
    assert hosts == ("api.example.com", "*.example.org:8443")
    assert vault.info("shop").revision == 3


def test_package_writes_it_the_same_way(tmp_path: Path) -> None:
    """Reading and writing back changes nothing but what the new revision must change."""
    path = tmp_path / "vault.json"
    path.write_text(VECTOR["file"], encoding="utf-8")
    vault = Vault.open(path, VECTOR["master_key"])
    vault.set("other", {"type": "bearer", "token": "t"})
    vault.delete("other")
    written = path.read_text("utf-8")
    before = VECTOR["file"].splitlines()
    changed = [line for line in written.splitlines() if line not in before]
    assert [line.split(":")[0].strip() for line in changed] == ['"mac"', '"revision"']


@pytest.mark.parametrize("name", ["key_id", "check", "mac_key", "credential_key", "mac"])
def test_document_has_the_vector(name: str) -> None:
    text = Path(flowlib_nb.vault.__file__).with_name("FORMAT.md").read_text("utf-8")
    assert VECTOR[name] in text
    assert VECTOR["associated_data"] in text
    assert VECTOR["plaintext"].encode().hex() in text
    assert VECTOR["file"] in text
