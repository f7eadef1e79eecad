"""The OS keyring, guarded: only a real backend, imported late, and never a hang.

Importing ``keyring`` takes longer than the rest of the vault, a backend may wait for a prompt that
nobody sees (a locked keyring in a session without a display), and on a machine without any keyring
the library offers a stand-in that fails. So the library is asked in a thread with a deadline, only
where something can answer, and after a deadline was missed not again in this process.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_SERVICE = "flowlib"
_USER = "encryption-key"
_DEADLINE = 5.0
_gave_up = threading.Event()

_T = TypeVar("_T")


def load() -> str | None:
    """Read the key's text.

    Returns
    -------
    str or None
        None where there is no real keyring, no entry, or no answer in time.
    """

    def ask() -> str | None:
        backend = _backend()
        return backend.get_password(_SERVICE, _USER) if backend else None

    return _guarded(ask)


def store(text: str) -> bool:
    """Keep the key's text.

    Parameters
    ----------
    text : str
        As ``generate_key`` makes it.

    Returns
    -------
    bool
        Whether the keyring took it and gives it back.
    """

    def ask() -> bool:
        backend = _backend()
        if backend is None:
            return False
        backend.set_password(_SERVICE, _USER, text)
        return backend.get_password(_SERVICE, _USER) == text

    return bool(_guarded(ask))


def _guarded(ask: Callable[[], _T]) -> _T | None:
    if _gave_up.is_set() or not _plausible():
        return None
    answers: list[_T] = []

    def work() -> None:
        with suppress(Exception):  # backends raise whatever they like: no keyring
            answers.append(ask())

    thread = threading.Thread(target=work, name="flowlib-keyring", daemon=True)
    thread.start()
    thread.join(_DEADLINE)
    if thread.is_alive():
        _gave_up.set()
        return None
    return answers[0] if answers else None


def _plausible() -> bool:
    if "PYTHON_KEYRING_BACKEND" in os.environ or sys.platform in ("win32", "darwin"):
        return True
    # Elsewhere every real backend is reached over the session's D-Bus.
    bus = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent") / "bus"
    return bool(os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or bus.exists()


def _backend() -> KeyringBackend | None:
    import keyring

    backend = keyring.get_keyring()
    # The library marks as recommended what is at least 1; its stand-ins (fail, null) and
    # plain-text files are below.
    return backend if backend.priority >= 1 else None
