"""The vault against its floor, and against three other stores, in one run.

Run it with ``pip install '.[bench]'`` and ``python benchmarks/vault.py``. What counts is the
ratios: they hold from machine to machine better than milliseconds do. Each figure is the median of
pairs that were measured in turn.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = 1000
VALUE = "x" * 560  # with the rest of its fields, 0.6 KB of plaintext
HOST = ("api.example.com",)
CHOSEN = f"credential_{CREDENTIALS // 2}"
PASSWORD = "benchmark"


@dataclass(frozen=True)
class Pair:
    """How long two things took, measured in turn.

    Parameters
    ----------
    first, second : float
        Median seconds.
    ratio : float
        Median of ``first / second``, pair by pair.
    """

    first: float
    second: float
    ratio: float


def clock(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(first: Callable[[], object], second: Callable[[], object], count: int = 200) -> Pair:
    first()
    second()
    pairs = [(clock(first), clock(second)) for _ in range(count)]
    return Pair(
        statistics.median(one for one, _ in pairs),
        statistics.median(two for _, two in pairs),
        statistics.median(one / two for one, two in pairs),
    )


def median(action: Callable[[], object], count: int) -> float:
    return statistics.median(clock(action) for _ in range(count))


def filled_vault(path: Path) -> str:
    """Make a vault of many credentials; return its key."""
    from flowlib_nb.vault import Vault, generate_key
    from flowlib_nb.vault.store import new_entry

    key = generate_key()
    with Vault.open(path, key)._store.writing() as opened:
        fields = {"type": "bearer", "token": VALUE}
        entries = {}
        for number in range(CREDENTIALS):
            name = f"credential_{number}"
            entries[name] = opened.sealed(
                name, new_entry(opened, name, "bearer", HOST), lambda: fields
            )
        opened.write(entries)
    return key


def floor_of_reading(path: Path) -> Callable[[], object]:
    """Read and parse the file with the fastest JSON library, derive a key, decrypt one record."""
    import orjson
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    nonce, master = bytes(12), bytes(32)
    derived = HKDF(SHA256(), 32, None, b"benchmark").derive(master)
    sealed = AESGCM(derived).encrypt(nonce, VALUE.encode(), b"benchmark")

    def read() -> object:
        orjson.loads(path.read_bytes())
        key = HKDF(SHA256(), 32, None, b"benchmark").derive(master)
        return AESGCM(key).decrypt(nonce, sealed, b"benchmark")

    return read


def floor_of_writing(path: Path) -> Callable[[], object]:
    """Write the same bytes beside the file, fsync, rename, fsync the folder."""
    raw = path.read_bytes()
    draft, target = path.with_suffix(".draft"), path.with_suffix(".floor")

    def write() -> None:
        with draft.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    return write


def ours(folder: Path) -> None:
    from flowlib_nb.vault import Vault

    path = folder / "vault.json"
    key = filled_vault(path)
    credential = Vault.open(path, key).get(CHOSEN)
    reading = measure(lambda: Vault.open(path, key).get(CHOSEN), floor_of_reading(path))
    writing = measure(
        lambda: Vault.open(path, key).set(CHOSEN, credential, HOST), floor_of_writing(path), 50
    )
    small = folder / "small.json"
    Vault.open(small, key).set(CHOSEN, credential, HOST)
    small_writing = measure(
        lambda: Vault.open(small, key).set(CHOSEN, credential, HOST), floor_of_writing(small), 50
    )
    print(f"{CREDENTIALS} credentials of 0.6 KB, a file of {path.stat().st_size / 1e6:.1f} MB\n")
    print("                              ours       floor    ratio")
    show("open and read one", reading)
    show("write one", writing)
    show("write one, alone in its file", small_writing)
    for vault_path in (path, small):
        vault = Vault.open(vault_path, key)
        share = share_of_disk(lambda vault=vault: vault.set(CHOSEN, credential, HOST))
        print(f"fsync and rename take {share:.0%} of writing one to {vault_path.name}")
    print()
    print("The floor of reading: read and parse the file with orjson, one HKDF, one AES-GCM.")
    print("The floor of writing: write those bytes, fsync, rename, fsync the folder.\n")
    print("                       open and read      write one")
    row("flowlib_nb", reading.first, writing.first, CREDENTIALS)


def share_of_disk(action: Callable[[], object], count: int = 30) -> float:
    """The share of an action's time that it spends in fsync and rename."""
    spent = 0.0

    def timed(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal spent
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                spent += time.perf_counter() - start

        return call

    fsync, replace = os.fsync, os.replace
    os.fsync, os.replace = timed(fsync), timed(replace)
    try:
        total = sum(clock(action) for _ in range(count))
    finally:
        os.fsync, os.replace = fsync, replace
    return spent / total


def show(name: str, pair: Pair) -> None:
    print(
        f"{name:28} {pair.first * 1e3:7.2f} ms {pair.second * 1e3:8.2f} ms {pair.ratio:7.2f}",
        flush=True,
    )


def row(name: str, reading: float, writing: float, entries: int) -> None:
    print(
        f"{name:22} {reading * 1e3:9.2f} ms {writing * 1e3:9.2f} ms {entries:8} entries",
        flush=True,
    )


def pykeepass(folder: Path) -> None:
    from pykeepass import PyKeePass, create_database

    path = str(folder / "vault.kdbx")
    base = create_database(path, password=PASSWORD)
    for number in range(CREDENTIALS):
        base.add_entry(base.root_group, f"credential_{number}", "user", VALUE)
    base.save()

    def read() -> object:
        return PyKeePass(path, password=PASSWORD).find_entries(title=CHOSEN, first=True).password

    def write() -> None:
        opened = PyKeePass(path, password=PASSWORD)
        opened.find_entries(title=CHOSEN, first=True).password = VALUE
        opened.save()

    row("pykeepass", median(read, 5), median(write, 5), CREDENTIALS)


def cryptfile(folder: Path) -> None:
    from keyrings.cryptfile.cryptfile import CryptFileKeyring

    def opened() -> CryptFileKeyring:
        keyring = CryptFileKeyring()
        keyring.file_path = str(folder / "cryptfile.cfg")
        keyring.keyring_key = PASSWORD
        return keyring

    # Each costs a derivation of its own, so that a thousand would take minutes to write.
    entries = 5
    for number in range(entries):
        opened().set_password("service", f"credential_{number}", VALUE)
    row(
        "keyrings.cryptfile",
        median(lambda: opened().get_password("service", "credential_2"), 5),
        median(lambda: opened().set_password("service", "credential_2", VALUE), 5),
        entries,
    )


def ansible_vault(folder: Path) -> None:
    from ansible.constants import DEFAULT_VAULT_ID_MATCH
    from ansible.parsing.vault import VaultAES256, VaultLib, VaultSecret

    path = folder / "ansible.yml"

    def opened() -> VaultLib:
        # Each process derives the key anew; the library would keep it from one call to the next.
        VaultAES256._gen_key_initctr.cache_clear()
        return VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(PASSWORD.encode()))])

    def write() -> None:
        path.write_bytes(opened().encrypt(VALUE))

    write()
    row(
        "ansible-vault", median(lambda: opened().decrypt(path.read_bytes()), 5), median(write, 5), 1
    )


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="flowlib-benchmark-") as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        ours(folder)
        for other in (pykeepass, cryptfile, ansible_vault):
            try:
                other(folder)
            except ImportError as error:
                print(f"{other.__name__:22} not installed ({error.name})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
