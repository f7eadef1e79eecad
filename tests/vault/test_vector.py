"""FORMAT.md, held to its word by a reader that uses nothing of the package."""

from __future__ import annotations

import base64
import hashlib
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


def laid_out(value: Any, indent: str = "\n") -> str:
    inner = f"{indent}  "
    if isinstance(value, dict) and value:
        lines = (f"{inner}{quoted(k)}: {laid_out(value[k], inner)}" for k in sorted(value))
        return "{" + ",".join(lines) + indent + "}"
    if isinstance(value, list) and value:
        return "[" + ",".join(inner + laid_out(item, inner) for item in value) + indent + "]"
    return canonical(value)


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
    text = laid_out(FILE) + "\n"
    signed = "".join(line for line in text.splitlines(keepends=True) if '  "mac": "' not in line)
    assert text == VECTOR["file"]
    assert len(signed.splitlines()) == len(text.splitlines()) - 1
    assert mac_key.hex() == VECTOR["mac_key"]
    assert hmac.digest(mac_key, signed.encode(), "sha256").hex() == VECTOR["mac"]
    assert base64.b64decode(FILE["mac"]).hex() == VECTOR["mac"]


def test_credential(master: bytes) -> None:
    key = hkdf(master, VAULT_ID, f"flowlib-vault/1/credential/{ENTRY['id']}")
    of_entry = ("id", "type", "hosts", "revision", "created_at", "updated_at")
    bound = {name: ENTRY[name] for name in of_entry}
    bound |= {name: FILE[name] for name in ("format", "version", "vault_id")} | {"name": "shop"}
    nonce, ciphertext, tag = (
        base64.b64decode(ENTRY[part]) for part in ("nonce", "ciphertext", "tag")
    )
    assert key.hex() == VECTOR["credential_key"]
    assert canonical(bound) == VECTOR["associated_data"]
    plain = AESGCM(key).decrypt(nonce, ciphertext + tag, canonical(bound).encode())
    assert plain.decode() == VECTOR["plaintext"]
    assert plain.decode() == canonical(json.loads(plain))


def test_bundle() -> None:
    bundle = json.loads(VECTOR["bundle"])
    kdf = bundle["kdf"]
    salt = base64.b64decode(kdf["salt"])
    key = hashlib.scrypt(
        VECTOR["passphrase"].encode(), salt=salt, n=kdf["n"], r=kdf["r"], p=kdf["p"],
        maxmem=1 << 28, dklen=32,
    )  # fmt: skip
    bound = canonical({name: bundle[name] for name in ("format", "version", "kdf")})
    nonce, ciphertext, tag = (
        base64.b64decode(bundle[part]) for part in ("nonce", "ciphertext", "tag")
    )
    assert key.hex() == VECTOR["bundle_key"]
    assert bound == VECTOR["bundle_associated_data"]
    plain = AESGCM(key).decrypt(nonce, ciphertext + tag, bound.encode()).decode()
    assert plain == VECTOR["bundle_plaintext"] == canonical(json.loads(plain))
    assert laid_out(bundle) + "\n" == VECTOR["bundle"]


def test_package_reads_the_bundle(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path / "vault.json", VECTOR["master_key"])
    assert vault.import_bundle(VECTOR["bundle"].encode(), VECTOR["passphrase"]) == ["shop"]
    credential, hosts = vault.get_with_hosts("shop")
    assert (credential.username, credential.password.reveal()) == ("zoë", "a€")
    assert hosts == ("api.example.com",)


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


@pytest.mark.parametrize("name", VECTOR)
def test_document_has_the_vector(name: str) -> None:
    text = Path(flowlib_nb.vault.__file__).with_name("FORMAT.md").read_text("utf-8")
    assert VECTOR[name] in text or VECTOR[name].encode().hex() in text
