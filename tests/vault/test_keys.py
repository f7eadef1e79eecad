"""The master key: its form, its places, and that it is never shown."""

from __future__ import annotations

import base64
import os
import pickle
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.errors import ConfigError, KeyInvalidError, KeyMissingError
from flowlib_nb.models.secret import MASK
from flowlib_nb.vault import find_key, generate_key, init_key, key_state
from flowlib_nb.vault.keys import (
    FILE_VARIABLE,
    KEY_VARIABLE,
    PREVIOUS_VARIABLE,
    MasterKey,
    key_file_path,
    os_keyring,
    parse_key,
    previous_keys,
)

RAW = bytes(range(224, 256))
STANDARD = base64.b64encode(RAW).decode()
URL_SAFE = base64.urlsafe_b64encode(RAW).decode()


def same(left: MasterKey, right: MasterKey) -> bool:
    return left.id == right.id and left == right


@pytest.mark.parametrize("prefix", ["", "flk1_"])
@pytest.mark.parametrize("text", [STANDARD, URL_SAFE, STANDARD.rstrip("="), URL_SAFE.rstrip("=")])
@pytest.mark.parametrize("around", ["", " ", "\n"])
def test_every_form_is_the_same_key(prefix: str, text: str, around: str) -> None:
    assert "+" in STANDARD or "/" in STANDARD
    assert same(parse_key(f"{around}{prefix}{text}{around}"), MasterKey(RAW))


@given(st.binary(min_size=32, max_size=32))
def test_every_value_can_be_a_key(raw: bytes) -> None:
    assert same(parse_key(base64.b64encode(raw).decode()), MasterKey(raw))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "flk1_",
        "correct horse battery staple",
        "0" * 64,
        "x" * 32,
        base64.b64encode(RAW[:31]).decode(),
        base64.b64encode(RAW + b"x").decode(),
        base64.b64encode(RAW * 2).decode(),
        STANDARD[:-2],
        STANDARD + "=",
        "flk2_" + STANDARD,
        "flk1_flk1_" + STANDARD,
        "FLK1_" + STANDARD,
        STANDARD[:20] + " " + STANDARD[20:],
        STANDARD[:20] + "\n" + STANDARD[20:],
        "+" + URL_SAFE[1:-2] + "_=",
        base64.b64encode(bytes(32)).decode()[:-2] + "B=",
        "é" * 43,
        None,
        RAW,
    ],
)
def test_anything_else_is_refused_and_not_shown(text: object) -> None:
    with pytest.raises(KeyInvalidError) as caught:
        parse_key(text)
    message = str(caught.value)
    assert "32 random bytes" in message
    assert "flowlib secret" in message
    if isinstance(text, str) and len(text) > 5:
        assert text not in message


def test_generated_keys() -> None:
    keys = {generate_key() for _ in range(20)}
    assert len(keys) == 20
    for text in keys:
        assert text.startswith("flk1_")
        assert len(text) == 48
        parse_key(text)


def test_key_hides_itself() -> None:
    key = parse_key(STANDARD)
    assert f"{key} {key!r} {key:>10}" == f"{MASK} {MASK} {MASK}"
    assert RAW not in pickle.dumps(key)
    assert RAW.hex() not in repr([key]) + key.id
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey(RAW[:31])


def test_derived_keys_differ() -> None:
    key = parse_key(STANDARD)
    derived = {key.derive(b"a"), key.derive(b"b"), key.derive(b"a", b"salt"), RAW}
    assert len(derived) == 4
    assert {len(value) for value in derived} == {32}


def write_key(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [generate_key() for _ in range(4)]
    with pytest.raises(KeyMissingError, match="flowlib init"):
        find_key()
    assert key_state() == "missing"
    write_key(key_file_path(), texts[0])
    assert (find_key().kind, find_key().key) == ("file", parse_key(texts[0]))
    monkeypatch.setattr(os_keyring, "load", lambda: texts[1])
    assert (find_key().kind, find_key().key) == ("keyring", parse_key(texts[1]))
    monkeypatch.setenv(FILE_VARIABLE, str(write_key(tmp_path / "k", texts[2])))
    assert (find_key().kind, find_key().key) == ("environment_file", parse_key(texts[2]))
    monkeypatch.setenv(KEY_VARIABLE, texts[3])
    assert (find_key().kind, find_key().key) == ("environment", parse_key(texts[3]))
    assert key_state() == "available"
    for text in texts:
        assert text not in repr(find_key())


def test_production_counts_only_the_first_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWLIB_ENV", "production")
    write_key(key_file_path(), generate_key())
    monkeypatch.setattr(os_keyring, "load", generate_key)
    assert key_state() == "missing"
    with pytest.raises(KeyMissingError, match="production"):
        find_key()
    with pytest.raises(ConfigError, match="no key is ever made"):
        init_key()
    monkeypatch.setenv(FILE_VARIABLE, str(write_key(tmp_path / "k", generate_key())))
    assert find_key().kind == "environment_file"
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    assert find_key().kind == "environment"


def test_bad_key_is_no_reason_to_look_further(monkeypatch: pytest.MonkeyPatch) -> None:
    write_key(key_file_path(), generate_key())
    monkeypatch.setenv(KEY_VARIABLE, "hunter2-hunter2")
    with pytest.raises(KeyInvalidError, match=KEY_VARIABLE) as caught:
        find_key()
    assert "hunter2" not in str(caught.value)
    assert key_state() == "invalid"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_key_file_that_others_can_read(mode: int) -> None:
    path = write_key(key_file_path(), generate_key(), mode)
    with pytest.raises(KeyInvalidError, match="other users") as caught:
        find_key()
    assert f"chmod 600 {path}" in str(caught.value)
    assert key_state() == "invalid"


def test_named_key_file_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "absent"))
    write_key(key_file_path(), generate_key())
    with pytest.raises(KeyMissingError, match="does not exist"):
        find_key()


def test_key_file_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("fifo", "."):
        monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / name))
        with pytest.raises(KeyInvalidError):
            find_key()


def test_init_makes_a_private_file_once() -> None:
    place = init_key()
    path = key_file_path()
    assert str(path) in place
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = path.read_text()
    assert find_key().kind == "file"
    with pytest.raises(ConfigError, match="already"):
        init_key()
    assert path.read_text() == text
    assert {item.name for item in path.parent.iterdir()} == {path.name}


def test_init_never_replaces_a_file_it_cannot_read() -> None:
    path = write_key(key_file_path(), "garbage")
    with pytest.raises(KeyInvalidError):
        init_key()
    assert path.read_text() == "garbage"


def test_init_without_a_keyring() -> None:
    with pytest.raises(ConfigError, match="No OS keyring"):
        init_key(where="keyring")
    assert key_state() == "missing"


def test_previous_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert previous_keys() == ()
    texts = [generate_key(), generate_key()]
    monkeypatch.setenv(PREVIOUS_VARIABLE, f" {texts[0]} ,, {texts[1]},")
    assert list(previous_keys()) == [parse_key(text) for text in texts]
    monkeypatch.setenv(PREVIOUS_VARIABLE, f"{texts[0]},hunter2-hunter2")
    with pytest.raises(KeyInvalidError, match="Key 2 of 2") as caught:
        previous_keys()
    assert "hunter2" not in str(caught.value)
