"""What was fetched before in this process, so that running a flow again does not fetch it again.

Kept under what determines it: the action, its rendered parameters, and the credential. Values are
kept pickled, so that nobody who changes one in place changes what the next run gets.
"""

from __future__ import annotations

import hashlib
import pickle
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from traitlets import Float, Int
from traitlets.config import SingletonConfigurable

from ..models.secret import Secret
from ..templates.values import to_json

if TYPE_CHECKING:
    from .actions.base import Action, BoundCredential, Parameters

MISSING = object()
# Keys hold a trace of credentials; with this they tell nothing outside this process.
_PEPPER = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class _Entry:
    pickled: bytes
    stored: float


class OutputCache(SingletonConfigurable):
    """Values of requests that only read; the oldest used go first when there are too many."""

    seconds = Float(3600.0, min=0.0, help="How long a value is good for, in seconds.").tag(
        config=True
    )
    max_bytes = Int(256 << 20, min=0, help="Bytes that all values together may take.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Any:
        """The value under a key, as a copy; ``MISSING`` where there is none that is good."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return MISSING
            if time.monotonic() - entry.stored > self.seconds:
                self._remove(key)
                return MISSING
            self._entries.move_to_end(key)
        return pickle.loads(entry.pickled)  # noqa: S301 - this process made it

    def put(self, key: bytes, value: Any) -> None:
        """Keep a value, unless it is too large or cannot be kept."""
        try:
            pickled = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception:
            return
        if len(pickled) > self.max_bytes:
            return
        with self._lock:
            if key in self._entries:
                self._remove(key)
            self._entries[key] = _Entry(pickled, time.monotonic())
            self._bytes += len(pickled)
            while self._bytes > self.max_bytes:
                self._remove(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def size(self) -> tuple[int, int]:
        """How many values there are, and their bytes."""
        with self._lock:
            return len(self._entries), self._bytes

    def _remove(self, key: bytes) -> None:
        self._bytes -= len(self._entries.pop(key).pickled)


def output_cache() -> OutputCache:
    """The process's cache."""
    return OutputCache.instance()


def cache_key(
    action: Action, parameters: Parameters, credential: BoundCredential | None
) -> bytes | None:
    """What a value is kept under.

    Parameters
    ----------
    action : Action
        What gives it.
    parameters : Parameters
        Rendered.
    credential : BoundCredential or None
        Whoever changes it, or where it may go, asks anew.

    Returns
    -------
    bytes or None
        None where the value is not to be kept.
    """
    if not action.is_cacheable(parameters):
        return None
    try:
        text = to_json([action.name, parameters.model_dump()])
    except TypeError:
        return None
    digest = hashlib.blake2b(text, key=_PEPPER)
    if credential is not None:
        fields = dict(credential.credential)
        plain = [(n, v.reveal() if isinstance(v, Secret) else str(v)) for n, v in fields.items()]
        digest.update(repr((credential.name, credential.hosts, plain)).encode())
    return digest.digest()
