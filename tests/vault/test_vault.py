"""The vault's face."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config, SingletonConfigurable
from traitlets.config.application import Application

import flowlib_nb
from flowlib_nb.config import Workspace
from flowlib_nb.errors import (
    CredentialInvalidError,
    CredentialNotFoundError,
    InputError,
    KeyInvalidError,
    KeyMissingError,
    VaultError,
)
from flowlib_nb.models.credential import Bearer, Custom, parse_credential
from flowlib_nb.models.secret import MASK, Secret
from flowlib_nb.vault import CredentialInfo, Vault, generate_key
from flowlib_nb.vault.keys import KEY_VARIABLE

TOKEN = {"type": "bearer", "token": "s3cr3t-t0k3n"}
TEXT = st.text().filter(lambda text: text != MASK)


@pytest.fixture
def vault(workspace: Path, key: str) -> Vault:
    return Vault.open()


def test_set_and_get(vault: Vault) -> None:
    info = vault.set("shop", TOKEN, hosts=["API.example.com.", "*.example.org", "api.example.com"])
    assert vault.get("shop") == Bearer(token="s3cr3t-t0k3n")
    assert info == vault.info("shop") == vault.infos()[0]
    assert (info.name, info.type, info.revision) == ("shop", "bearer", 1)
    assert info.hosts == vault.hosts("shop") == ("api.example.com", "*.example.org")
    assert info.created_at == info.updated_at
    assert datetime.fromisoformat(info.created_at).utcoffset() is not None
    assert "s3cr3t" not in repr(info)
    assert repr(vault) == f"<Vault {vault.path}>"


def test_takes_a_model(vault: Vault) -> None:
    credential = Custom(fields={"x": "1"})
    vault.set("c", credential)
    assert vault.get("c") == credential
    assert vault.hosts("c") == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "api_key", "key": "k", "name": "X-Key", "placement": "query"},
        {"type": "basic", "username": "u", "password": ""},
        {"type": "oauth2", "provider": "github", "client_id": "i"},
        {
            "type": "oauth2",
            "provider": "github",
            "client_id": "i",
            "client_secret": "s",
            "access_token": "a",
            "refresh_token": "r",
            "expires_at": "2030-01-02T03:04:05.678+02:00",
            "scopes": ["a", "b"],
        },
        {"type": "connection_string", "url": "postgresql://u:p@h/d"},
        {"type": "custom", "fields": {"a": "1", "b": "2"}},
    ],
)
def test_every_type_comes_back(vault: Vault, fields: dict[str, object]) -> None:
    vault.set("c", fields)
    assert vault.get("c") == parse_credential(fields)
    assert vault.info("c").type == fields["type"]


@given(values=st.dictionaries(TEXT, TEXT, min_size=1, max_size=5), token=TEXT)
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], token: str
) -> None:
    vault = Vault.open(tmp_path_factory.mktemp("any") / "vault.json", generate_key())
    vault.set("custom", {"type": "custom", "fields": values})
    vault.set("bearer", {"type": "bearer", "token": token})
    got = vault.get("custom")
    assert {name: value.reveal() for name, value in got.fields.items()} == values
    assert vault.get("bearer").token.reveal() == token


def test_overwriting_keeps_identity(vault: Vault) -> None:
    vault.set("a", TOKEN, hosts=["a.example.com"])
    path = Path(vault.path)
    text = path.read_text("utf-8")
    before = json.loads(text)["credentials"]["a"]
    vault.set("a", {"type": "api_key", "key": "k"})
    after = json.loads(path.read_text("utf-8"))
    entry = after["credentials"]["a"]
    assert (entry["id"], entry["created_at"]) == (before["id"], before["created_at"])
    assert (entry["revision"], entry["type"], entry["hosts"]) == (2, "api_key", [])
    assert after["revision"] == json.loads(text)["revision"] + 1
    assert after["vault_id"] == json.loads(text)["vault_id"]


def test_deleted_and_made_again_is_another_credential(vault: Vault) -> None:
    vault.set("a", TOKEN)
    first = json.loads(Path(vault.path).read_text("utf-8"))["credentials"]["a"]["id"]
    vault.delete("a")
    assert vault.names() == []
    assert "a" not in vault
    vault.set("a", TOKEN)
    assert vault.info("a").revision == 1
    assert json.loads(Path(vault.path).read_text("utf-8"))["credentials"]["a"]["id"] != first


def test_rename(vault: Vault) -> None:
    vault.set("a", TOKEN, hosts=["a.example.com"])
    vault.set("b", {"type": "bearer", "token": "b"})
    created = vault.info("a").created_at
    vault.rename("a", "c")
    assert vault.names() == ["b", "c"]
    assert vault.get("c").token.reveal() == "s3cr3t-t0k3n"
    info = vault.info("c")
    assert (info.hosts, info.revision, info.created_at) == (("a.example.com",), 2, created)
    with pytest.raises(InputError, match="already"):
        vault.rename("b", "c")
    with pytest.raises(InputError, match="cannot name"):
        vault.rename("b", "not a name")
    with pytest.raises(CredentialNotFoundError):
        vault.rename("a", "d")
    assert vault.names() == ["b", "c"]


def test_not_found(vault: Vault) -> None:
    vault.set("shop_api", TOKEN)
    for use in (vault.get, vault.info, vault.hosts, vault.delete, vault.get_with_hosts):
        with pytest.raises(CredentialNotFoundError) as caught:
            use("shop_apo")
        assert "Did you mean 'shop_api'?" in str(caught.value)
        with pytest.raises(CredentialNotFoundError, match="It has: shop_api"):
            use("something else")


def test_no_vault_yet(vault: Vault) -> None:
    assert vault.names() == []
    assert vault.infos() == []
    assert "a" not in vault
    vault.require_key()
    with pytest.raises(CredentialNotFoundError):
        vault.get("a")
    assert not Path(vault.path).parent.exists()
    assert not list(Path.home().rglob("*.json"))  # nothing is remembered of what isn't there


@pytest.mark.parametrize(
    ("name", "credential", "hosts"),
    [
        ("not a name", TOKEN, []),
        ("", TOKEN, []),
        ("1st", TOKEN, []),
        ("ä", TOKEN, []),
        ("a\n", TOKEN, []),
        ("a" * 101, TOKEN, []),
        (5, TOKEN, []),
        ("a", {"type": "bearer"}, []),
        ("a", {"type": "bearer", "token": 5}, []),
        ("a", {"type": "bearer", "token": MASK}, []),
        ("a", "bearer", []),
        ("a", TOKEN, "api.example.com"),
        ("a", TOKEN, ["https://api.example.com"]),
        ("a", TOKEN, [5]),
        ("a", TOKEN, None),
    ],
)
def test_wrong_input_stores_nothing(
    vault: Vault, name: object, credential: object, hosts: object
) -> None:
    with pytest.raises(InputError):
        vault.set(name, credential, hosts=hosts)
    assert not Path(vault.path).exists()


def test_pickled_credential_stores_nothing(vault: Vault) -> None:
    copied = pickle.loads(pickle.dumps(Bearer(token="t")))
    with pytest.raises(InputError, match="pickled"):
        vault.set("a", copied)
    assert not Path(vault.path).exists()


def test_longest_name(vault: Vault) -> None:
    name = "_" + "aZ0_.-" * 16 + "abc"
    assert len(name) == 100
    vault.set(name, TOKEN)
    assert vault.get(name).token.reveal() == "s3cr3t-t0k3n"


def test_without_a_key(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.set("a", TOKEN, hosts=["a.example.com"])
    before = Path(vault.path).read_bytes()
    monkeypatch.delenv(KEY_VARIABLE)
    vault = Vault.open()
    assert vault.names() == ["a"]
    assert vault.info("a").hosts == ("a.example.com",)
    assert [info.name for info in vault.infos()] == ["a"]
    assert "a" in vault
    for use in (
        lambda: vault.get("a"),
        lambda: vault.hosts("a"),
        lambda: vault.set("b", TOKEN),
        lambda: vault.delete("a"),
        lambda: vault.rename("a", "b"),
        vault.accept,
        vault.require_key,
    ):
        with pytest.raises(KeyMissingError, match="flowlib init"):
            use()
    assert Path(vault.path).read_bytes() == before


def test_without_a_key_no_folder_is_made(workspace: Path) -> None:
    with pytest.raises(KeyMissingError):
        Vault.open().set("a", TOKEN)
    assert list(workspace.iterdir()) == []


def test_given_key_counts_before_the_environment(workspace: Path, key: str) -> None:
    own = generate_key()
    Vault.open(key=own).set("a", TOKEN)
    assert Vault.open(key=own).get("a").token.reveal() == "s3cr3t-t0k3n"
    with pytest.raises(VaultError):
        Vault.open().get("a")


def test_malformed_given_key() -> None:
    with pytest.raises(KeyInvalidError) as caught:
        Vault.open(key="hunter2-hunter2")
    assert "hunter2" not in str(caught.value)


def test_path_is_that_of_the_workspace(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Vault.open().path == str(workspace.resolve() / ".flowlib" / "vault.json")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".flowlib").mkdir(parents=True)
    given = Vault.open(workspace=Workspace(elsewhere)).path
    assert given == str(elsewhere.resolve() / ".flowlib" / "vault.json")
    monkeypatch.setenv("FLOWLIB_WORKSPACE", str(elsewhere))
    assert Vault.open().path == given
    (elsewhere / "sub").mkdir()
    monkeypatch.delenv("FLOWLIB_WORKSPACE")
    monkeypatch.chdir(elsewhere / "sub")
    assert Vault.open().path == given


def test_relative_path_stays_where_it_was(
    workspace: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault.open("my.json")
    vault.set("a", TOKEN)
    (workspace / "sub").mkdir()
    monkeypatch.chdir(workspace / "sub")
    assert vault.names() == ["a"]
    assert Vault.open("~/v.json").path == str(Path.home().resolve() / "v.json")


def test_link_to_a_vault_stays_a_link(workspace: Path, key: str) -> None:
    real = Vault.open(workspace / "real.json")
    real.set("a", TOKEN)
    (workspace / "link.json").symlink_to(workspace / "real.json")
    Vault.open(workspace / "link.json").set("b", TOKEN)
    assert (workspace / "link.json").is_symlink()
    assert real.names() == ["a", "b"]


def test_path_from_the_configuration(workspace: Path, key: str) -> None:
    SingletonConfigurable.clear_instance()
    config = Config()
    config.Vault.path = str(workspace / "configured.json")
    Application.instance(config=config)
    try:
        assert Vault.open().path == str(workspace.resolve() / "configured.json")
        given = str(workspace.resolve() / "given.json")
        assert Vault.open(given).path == given
    finally:
        Application.clear_instance()


def test_two_keys_two_vaults(workspace: Path) -> None:
    """Nothing of one vault can be read with the other's key, nor ids told to be of one key."""
    Vault.open("x.json", generate_key()).set("a", TOKEN)
    Vault.open("y.json", generate_key()).set("a", TOKEN)
    x, y = (json.loads(Path(name).read_text("utf-8")) for name in ("x.json", "y.json"))
    assert x["vault_id"] != y["vault_id"]
    assert not x["keys"].keys() & y["keys"].keys()


def test_one_key_two_vaults_have_different_checks(workspace: Path, key: str) -> None:
    Vault.open("x.json").set("a", TOKEN)
    Vault.open("y.json").set("a", TOKEN)
    x, y = (json.loads(Path(name).read_text("utf-8")) for name in ("x.json", "y.json"))
    assert x["keys"].keys() == y["keys"].keys()
    assert list(x["keys"].values()) != list(y["keys"].values())


def test_tracebacks_with_locals_hold_no_plaintext(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from our frames; the caller's own variables are the caller's."""
    vault.set("ok", TOKEN)
    fields = {"type": "bearer", "token": "s3cr3t-t0k3n"}

    def broken(*args: object, **kwargs: object) -> None:
        raise VaultError("broken")

    monkeypatch.setattr("flowlib_nb.vault.file.write", broken)
    for use in (
        lambda: vault.set("a", fields),
        lambda: vault.set("a", {**fields, "tokem": "s3cr3t-t0k3n"}),
        lambda: vault.set("a", {**fields, "type": "s3cr3t-t0k3n"}),
        lambda: vault.set("a", fields, hosts="x"),
        lambda: vault.set("not a name", fields),
        lambda: vault.rename("ok", "new"),
    ):
        with pytest.raises((VaultError, InputError)) as caught:
            use()
        ours = [
            frame
            for frame in traceback.TracebackException.from_exception(
                caught.value, capture_locals=True
            ).stack
            if "flowlib_nb" in frame.filename
        ]
        shown = "".join(f"{frame.name} {frame.locals}" for frame in ours[1:]) + str(caught.value)
        assert ours
        assert "s3cr3t" not in shown


def test_nothing_is_logged_or_printed(vault: Vault, capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        vault.set("a", TOKEN)
        vault.get("a")
        logging.getLogger("here").debug("the handler works")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "the handler works" in stream.getvalue()
    out = capfd.readouterr()
    assert "s3cr3t" not in stream.getvalue() + out.out + out.err


def test_stored_credential_that_no_model_knows(
    vault: Vault, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.set("a", TOKEN)
    monkeypatch.setattr("flowlib_nb.models.credential._MODELS", {})
    with pytest.raises(CredentialInvalidError) as caught:
        vault.get("a")
    assert "s3cr3t" not in str(caught.value)


def test_info_is_frozen() -> None:
    info = CredentialInfo("a", "bearer", (), 1, "", "")
    with pytest.raises(AttributeError):
        info.name = "b"


def test_importing_and_listing_is_light(vault: Vault) -> None:
    """What takes long to import is imported when it is needed."""
    vault.set("a", TOKEN)
    code = (
        "import sys\n"
        "from flowlib_nb.vault import Vault\n"
        "imported = set(sys.modules)\n"
        "assert Vault.open().names() == ['a']\n"
        "heavy = {'cryptography', 'pydantic', 'filelock', 'keyring', 'platformdirs'}\n"
        "print(sorted(heavy & imported), sorted({'pydantic', 'filelock'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(flowlib_nb.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[] []"


def test_secret_given_as_such(vault: Vault) -> None:
    vault.set("a", {"type": "bearer", "token": Secret("x")})
    assert vault.get("a").token.reveal() == "x"
