"""Credentials carried to another vault under a passphrase."""

from __future__ import annotations

import json
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowlib_nb.errors import BundleError, CredentialNotFoundError, InputError, KeyMissingError
from flowlib_nb.vault import Vault, bundle, generate_key
from flowlib_nb.vault.bundle_file import new_file, read_file
from flowlib_nb.vault.keys import KEY_VARIABLE

PASSPHRASE = "correct horse battery"
EVERY_TYPE: dict[str, dict[str, Any]] = {
    "k": {"type": "api_key", "key": "s3cr3t-k", "name": "X-Key", "placement": "query"},
    "t": {"type": "bearer", "token": "s3cr3t-t"},
    "b": {"type": "basic", "username": "u", "password": "s3cr3t-ü€"},
    "o": {
        "type": "oauth2", "provider": "github", "client_id": "i", "client_secret": "s3cr3t-c",
        "access_token": "s3cr3t-a", "refresh_token": "s3cr3t-r", "scopes": ["a"],
        "expires_at": "2030-01-02T03:04:05+00:00",
    },
    "d": {"type": "connection_string", "url": "postgresql://u:s3cr3t@h/d"},
    "c": {"type": "custom", "fields": {"x": "s3cr3t-x"}},
}  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a passphrase that costs nothing to stretch."""
    monkeypatch.setattr(bundle, "_N", 2)


@pytest.fixture
def vault(workspace: Path, key: str) -> Vault:
    vault = Vault.open()
    for name, fields in EVERY_TYPE.items():
        vault.set(name, fields, hosts=[f"{name}.example.com"])
    return vault


@pytest.fixture
def other(workspace: Path) -> Vault:
    return Vault.open(workspace / "other.json", generate_key())


def test_every_type_is_carried_over(vault: Vault, other: Vault) -> None:
    raw = vault.export_bundle(PASSPHRASE)
    assert b"s3cr3t" not in raw
    assert b"example.com" not in raw
    assert json.loads(raw)["kdf"]["n"] == 2**17
    assert other.import_bundle(raw, PASSPHRASE) == sorted(EVERY_TYPE)
    for name in EVERY_TYPE:
        assert other.get_with_hosts(name) == vault.get_with_hosts(name)
    assert json.loads(Path(other.path).read_text("utf-8"))["revision"] == 1  # one write


@pytest.mark.usefixtures("quick")
def test_chosen_names_only(vault: Vault, other: Vault) -> None:
    assert other.import_bundle(vault.export_bundle(PASSPHRASE, ["t", "k"]), PASSPHRASE) == [
        "k", "t",
    ]  # fmt: skip
    with pytest.raises(CredentialNotFoundError):
        vault.export_bundle(PASSPHRASE, ["none"])
    with pytest.raises(InputError, match="no credential to export"):
        vault.export_bundle(PASSPHRASE, [])


@pytest.mark.usefixtures("quick")
def test_names_that_are_taken(vault: Vault, other: Vault) -> None:
    raw = vault.export_bundle(PASSPHRASE, ["t", "k"])
    other.set("t", {"type": "bearer", "token": "own"})
    before = Path(other.path).read_bytes()
    with pytest.raises(InputError, match="'t' already"):
        other.import_bundle(raw, PASSPHRASE)
    assert Path(other.path).read_bytes() == before
    assert other.import_bundle(raw, PASSPHRASE, on_conflict="skip") == ["k"]
    assert other.get("t").token.reveal() == "own"
    assert other.import_bundle(raw, PASSPHRASE, on_conflict="replace") == ["k", "t"]
    assert other.get("t").token.reveal() == "s3cr3t-t"
    assert other.info("t").revision == 2


@pytest.mark.usefixtures("quick")
def test_wrong_passphrase(vault: Vault, other: Vault) -> None:
    raw = vault.export_bundle(PASSPHRASE)
    for wrong in ("", "correct horse batterz", PASSPHRASE + " "):
        with pytest.raises(BundleError, match="passphrase is wrong"):
            other.import_bundle(raw, wrong)
    assert not Path(other.path).exists()


@pytest.mark.usefixtures("quick")
def test_passphrase_may_be_composed_differently(vault: Vault, other: Vault) -> None:
    raw = vault.export_bundle("zwölf Zeichen é")
    assert other.import_bundle(raw, "zwo\u0308lf Zeichen e\u0301")


def test_short_passphrase(vault: Vault) -> None:
    with pytest.raises(InputError, match="12 characters"):
        vault.export_bundle("elevenchars")


def edits() -> dict[str, Callable[[dict[str, Any]], object]]:
    return {
        "salt": lambda d: d["kdf"].update(salt="AAECAwQFBgcICQoLDA0ODw=="),
        "n": lambda d: d["kdf"].update(n=4),
        "r": lambda d: d["kdf"].update(r=4),
        "nonce": lambda d: d.update(nonce="AAAAAAAAAAAAAAAA"),
        "tag": lambda d: d.update(tag="AAAAAAAAAAAAAAAAAAAAAA=="),
        "ciphertext": lambda d: d.update(ciphertext=d["ciphertext"][:-8]),
        "nonce short": lambda d: d.update(nonce="AAAA"),
        "not base64": lambda d: d.update(ciphertext="€"),
        "salt not base64": lambda d: d["kdf"].update(salt="€"),
        "format": lambda d: d.update(format="flowlib-vault"),
        "version": lambda d: d.update(version=2),
        "field added": lambda d: d.update(extra=1),
        "field dropped": lambda d: d.pop("tag"),
        "another kdf": lambda d: d["kdf"].update(name="pbkdf2"),
        "n no power of two": lambda d: d["kdf"].update(n=6),
        "n huge": lambda d: d["kdf"].update(n=2**40),
        "r huge": lambda d: d["kdf"].update(r=2**40),
        "p huge": lambda d: d["kdf"].update(p=2**40),
        "n above the limit": lambda d: d["kdf"].update(n=2**21),
        "r below": lambda d: d["kdf"].update(r=1),
        "p above": lambda d: d["kdf"].update(p=2),
        "salt of another length": lambda d: d["kdf"].update(salt="AAAA"),
        "n zero": lambda d: d["kdf"].update(n=0),
        "r negative": lambda d: d["kdf"].update(r=-8),
    }


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("edit", edits())
def test_changed_bundle(vault: Vault, other: Vault, edit: str) -> None:
    data = json.loads(vault.export_bundle(PASSPHRASE))
    edits()[edit](data)
    with pytest.raises(BundleError):
        other.import_bundle(json.dumps(data).encode(), PASSPHRASE)
    assert not Path(other.path).exists()


@pytest.mark.parametrize("raw", [b"", b"{}", b"[" * 100_000, b"\xff", b"null"])
def test_no_bundle(other: Vault, raw: bytes) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        other.import_bundle(raw, PASSPHRASE)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("name", "carried"),
    [
        ("not a name", bundle.Carried("bearer", (), {"token": "s3cr3t"})),
        ("x", bundle.Carried("none", (), {"token": "s3cr3t"})),
        ("x", bundle.Carried("bearer", (), {"tokn": "s3cr3t"})),
        ("x", bundle.Carried("bearer", ("http://x",), {"token": "s3cr3t"})),
    ],
)
def test_bundle_with_what_no_vault_would_hold(
    other: Vault, name: str, carried: bundle.Carried
) -> None:
    from flowlib_nb.models.secret import Secret

    good = bundle.Carried("bearer", (), {"token": "good"})
    raw = bundle.seal_bundle({"good": good, name: carried}, Secret(PASSPHRASE))
    with pytest.raises(BundleError) as caught:
        other.import_bundle(raw, PASSPHRASE)
    assert "s3cr3t" not in str(caught.value)
    assert not Path(other.path).exists()  # all or none


def test_without_a_key_nothing_is_asked_of_the_passphrase(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(KeyMissingError):
        Vault.open().import_bundle(b"never read", PASSPHRASE)


@pytest.mark.usefixtures("quick")
def test_tracebacks_with_locals_hold_no_plaintext(vault: Vault, other: Vault) -> None:
    raw = vault.export_bundle(PASSPHRASE)
    other.set("t", {"type": "bearer", "token": "own"})
    for use in (
        lambda: vault.export_bundle("short s3cr"),
        lambda: vault.export_bundle("s3cr3t passphrase", ["none"]),
        lambda: other.import_bundle(raw, "s3cr3t passphrase"),
        lambda: other.import_bundle(raw, PASSPHRASE),
    ):
        with pytest.raises((InputError, BundleError, CredentialNotFoundError)) as caught:
            use()
        ours = [
            frame
            for frame in traceback.TracebackException.from_exception(
                caught.value, capture_locals=True
            ).stack
            if "flowlib_nb" in frame.filename
        ]
        assert ours
        shown = "".join(f"{frame.name} {frame.locals}" for frame in ours)
        assert "s3cr" not in shown
        assert "correct horse" not in shown


def test_file(workspace: Path) -> None:
    path = workspace / "out.json"
    with new_file(path) as write:
        write(b"content")
    assert read_file(path) == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="File exists"), new_file(path):
        pass
    assert read_file(path) == b"content"
    with pytest.raises(ZeroDivisionError), new_file(workspace / "other"):
        raise ZeroDivisionError
    assert not (workspace / "other").exists()
    with pytest.raises(InputError, match="cannot be read"):
        read_file(workspace / "other")
