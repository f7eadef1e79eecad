"""Whatever is done to vaults in whatever order, they hold what a plain dictionary would."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from flowlib_nb.errors import CredentialNotFoundError, InputError
from flowlib_nb.vault import Vault, bundle, generate_key
from flowlib_nb.vault.keys import KEY_VARIABLE

Model = dict[str, tuple[str, tuple[str, ...]]]

NAMES = st.sampled_from(["a", "b", "c", "shop.api", "_x-1"])
VALUES = st.text(max_size=8).filter(lambda text: text != "••••")
HOSTS = st.lists(st.sampled_from(["a.example.com", "*.b.example.com", "localhost:8080"]))
PASSPHRASES = st.sampled_from(["correct horse battery", "another passphrase"])


class Vaults(RuleBasedStateMachine):
    """Two vaults under a key each, and bundles that go between them."""

    bundles = Bundle("bundles")

    @initialize()
    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._patch = pytest.MonkeyPatch()
        self._patch.setenv("XDG_STATE_HOME", self._folder.name)
        self._patch.delenv(KEY_VARIABLE, raising=False)
        self._patch.setattr(bundle, "_N", 2)
        self.models: list[Model] = [{}, {}]
        self.keys = [generate_key(), generate_key()]

    def teardown(self) -> None:
        if hasattr(self, "_patch"):
            self._patch.undo()
            self._folder.cleanup()

    def vault(self, which: int) -> Vault:
        """Opened anew each time, as by another process."""
        return Vault.open(Path(self._folder.name) / f"{which}.json", self.keys[which])

    @rule(which=st.integers(0, 1), name=NAMES, value=VALUES, hosts=HOSTS)
    def set(self, which: int, name: str, value: str, hosts: list[str]) -> None:
        self.vault(which).set(name, {"type": "bearer", "token": value}, hosts)
        self.models[which][name] = (value, tuple(dict.fromkeys(hosts)))

    @rule(which=st.integers(0, 1), name=NAMES)
    def delete(self, which: int, name: str) -> None:
        if name in self.models[which]:
            self.vault(which).delete(name)
            del self.models[which][name]
        else:
            with pytest.raises(CredentialNotFoundError):
                self.vault(which).delete(name)

    @rule(which=st.integers(0, 1), name=NAMES, new=NAMES)
    def rename(self, which: int, name: str, new: str) -> None:
        model = self.models[which]
        if name not in model:
            with pytest.raises(CredentialNotFoundError):
                self.vault(which).rename(name, new)
        elif new in model:
            with pytest.raises(InputError):
                self.vault(which).rename(name, new)
        else:
            self.vault(which).rename(name, new)
            model[new] = model.pop(name)

    @rule(which=st.integers(0, 1), name=NAMES)
    def get(self, which: int, name: str) -> None:
        if name in self.models[which]:
            credential, hosts = self.vault(which).get_with_hosts(name)
            assert (credential.token.reveal(), hosts) == self.models[which][name]
        else:
            with pytest.raises(CredentialNotFoundError):
                self.vault(which).get(name)

    @rule(which=st.integers(0, 1))
    def rotate(self, which: int) -> None:
        if os.path.exists(self.vault(which).path):
            new = generate_key()
            self.vault(which).rotate(new)
            self.keys[which] = new

    @rule(target=bundles, which=st.integers(0, 1), passphrase=PASSPHRASES)
    def export(self, which: int, passphrase: str) -> Any:
        if not self.models[which]:
            with pytest.raises(InputError):
                self.vault(which).export_bundle(passphrase)
            return multiple()
        return self.vault(which).export_bundle(passphrase), passphrase, dict(self.models[which])

    @rule(which=st.integers(0, 1), made=bundles, on_conflict=st.sampled_from(
        ["fail", "skip", "replace"]))  # fmt: skip
    def import_(self, which: int, made: tuple[bytes, str, Model], on_conflict: Any) -> None:
        raw, passphrase, carried = made
        model = self.models[which]
        if on_conflict == "fail" and carried.keys() & model.keys():
            with pytest.raises(InputError):
                self.vault(which).import_bundle(raw, passphrase)
            return
        chosen = {n: v for n, v in carried.items() if on_conflict == "replace" or n not in model}
        assert self.vault(which).import_bundle(raw, passphrase, on_conflict=on_conflict) == sorted(
            chosen
        )
        model.update(chosen)

    @invariant()
    def same_as_the_dictionary(self) -> None:
        for which, model in enumerate(getattr(self, "models", [])):
            vault = self.vault(which)
            assert vault.names() == sorted(model)
            for name, expected in model.items():
                credential, hosts = vault.get_with_hosts(name)
                assert (credential.token.reveal(), hosts) == expected


TestVaults = Vaults.TestCase
TestVaults.settings = settings(max_examples=40, stateful_step_count=25)
