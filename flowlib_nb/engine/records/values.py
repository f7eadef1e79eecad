"""Values as JSON of a limited size, without secrets, and back.

A value is copied into plain data first, by the table of :mod:`flowlib_nb.templates.values`, and no
further than the limit reaches. What has no JSON form becomes ``<object of type X>``, a Secret its
mask, a frame inside of another value a list of records. NaN and infinities become null.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...frames.convert import is_frame, items_of, row_count
from ...models.secret import MASK, Opaque
from ...templates.values import to_json

if TYPE_CHECKING:
    import pandas as pd

Redact = Callable[[str], str]

_COMPRESS_FROM = 2048
_DEEPEST = 100
_CHUNK = 1000
_LONGEST_INTEGER_BITS = 10_000
# Below it not even the names of a value's parts fit.
_SMALLEST_BUDGET = 16


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A value as the database holds it.

    Parameters
    ----------
    content : bytes
        JSON, always valid; compressed where ``encoding`` is ``zlib``.
    encoding : str
        ``json`` or ``zlib``.
    shape : str
        ``frame`` for a DataFrame, else ``value``.
    rows : int
        Of the value as it was.
    truncated : bool
        Whether only its beginning is here.
    """

    content: bytes = field(repr=False)
    encoding: str
    shape: str
    rows: int
    truncated: bool


def pack(value: Any, redact: Redact, limit: int) -> StoredValue:
    """Make a value ready to be stored.

    Parameters
    ----------
    value : object
        Anything; other threads may change it meanwhile.
    redact : callable
        Masks the secrets in a text, wherever in it they stand.
    limit : int
        Bytes of JSON.

    Returns
    -------
    StoredValue
        With the first rows only, where it is larger.
    """
    import msgspec

    budget = limit
    while budget >= _SMALLEST_BUDGET:
        copied = _copied(value, redact, budget)
        raw = msgspec.json.encode(_masked(copied.plain, copied.texts, redact))
        if len(raw) <= limit:
            return _stored(raw, copied.shape, copied.rows, copied.is_cut)
        # The copier counts too little rather than too much, so that nothing is cut that fits.
        budget = min(budget - 1, int(budget * limit / len(raw) * 0.9))
    return _stored(b"null", "value", copied.rows, True)


def unpack(stored: StoredValue) -> Any:
    """The value, which is a DataFrame again where it was one.

    Parameters
    ----------
    stored : StoredValue
        As the database holds it.
    """
    raw = zlib.decompress(stored.content) if stored.encoding == "zlib" else stored.content
    value = json.loads(raw)
    return _frame(value) if stored.shape == "frame" else value


def clean_text(text: str, redact: Redact, most: int) -> str:
    """A text without secrets, NUL and halves of surrogate pairs, and not too long.

    Parameters
    ----------
    text : str
        Any.
    redact : callable
        Masks secrets.
    most : int
        Characters.
    """
    text = _encodable(redact(text)).replace("\0", "␀")  # which PostgreSQL does not take
    return text if len(text) <= most else text[: most - 1] + "…"


@dataclass(frozen=True, slots=True, repr=False)
class _Copied:
    plain: Any
    texts: list[str]
    shape: str
    rows: int
    is_cut: bool


def _copied(value: Any, redact: Redact, budget: int) -> _Copied:
    copier = _Copier(redact, budget)
    try:
        shape = "frame" if is_frame(value) else "value"
        plain = copier.frame(value) if shape == "frame" else copier.copy(value)
        return _Copied(plain, copier.texts, shape, row_count(value), copier.is_cut)
    except Exception:
        # Another thread changed it meanwhile, or an object does not behave like what it says it is.
        text = _placeholder(value)
        return _Copied(text, [text], "value", 1, False)


class _Copier:
    """Copies a value into plain data until the budget is spent.

    Parameters
    ----------
    redact : callable
        Masks secrets in texts that must be cut, since half a secret is not found any more.
    budget : int
        Bytes of JSON; each part is counted with the fewest that it can take.
    """

    def __init__(self, redact: Redact, budget: int) -> None:
        self._redact = redact
        self._left = budget
        self.is_cut = False
        self.texts: list[str] = []

    def copy(self, value: Any, depth: int = 0) -> Any:
        """A value as plain data."""
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            self._left -= 4
            return value
        if kind is int or kind is float:
            return self._number(value)
        if isinstance(value, Opaque):
            return self._text(MASK)
        if depth > _DEEPEST:
            return self._text("<nested too deeply>")
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple)):
            return self._items(value, depth)
        if isinstance(value, (set, frozenset)):
            return self._items(list(value), depth)
        return self._other(value, depth)

    def frame(self, frame: pd.DataFrame) -> dict[str, Any]:
        """A frame with what is needed to make it again."""
        names = [self._text(str(name)) for name in frame.columns]
        kinds = [self._text(str(kind)) for kind in frame.dtypes]
        return {"columns": names, "dtypes": kinds, "rows": self._items(_rows(frame), 0)}

    def _items(self, items: Iterable[Any], depth: int) -> list[Any]:
        self._left -= 1  # two brackets, and one comma less than items
        copies: list[Any] = []
        for item in items:
            if self._left <= 0:
                self.is_cut = True
                break
            copied = self.copy(item, depth + 1)
            self._left -= 1
            if self.is_cut and copies:
                break  # half a row would look like a whole one
            copies.append(copied)
        return copies

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        self._left -= 1
        copies: dict[str, Any] = {}
        nested: list[tuple[str, Any]] = []
        for key, item in list(mapping.items()):
            if self._left <= 0:
                self.is_cut = True
                break
            name = self._key(key)
            self._left -= 2
            copies[name] = None
            # What is short comes first, so that a long list before it does not take its place.
            if type(item) in (dict, list, tuple) or is_frame(item):
                nested.append((name, item))
            else:
                copies[name] = self.copy(item, depth + 1)
        for name, item in nested:
            copies[name] = self.copy(item, depth + 1)
        return copies

    def _key(self, key: Any) -> str:
        plain = key if isinstance(key, str) else self.copy(key, _DEEPEST)
        return self._text(plain if isinstance(plain, str) else json.dumps(plain))

    def _text(self, text: str) -> str:
        text = _encodable(str(text))
        if len(text) > self._left:
            text = self._redact(text)
        if len(text) > self._left:
            text = text[: max(self._left, 0)]
            self.is_cut = True
            self._left = 0
        self._left -= len(text) + 2
        self.texts.append(text)
        return text

    def _number(self, number: float) -> Any:
        if isinstance(number, int) and number.bit_length() > _LONGEST_INTEGER_BITS:
            return self._text(f"<integer of {number.bit_length()} bits>")
        written = repr(number)
        # JSON writes exponents without a plus and leading zeros.
        self._left -= len(written) - ("e" in written)
        self.texts.append(written)
        return number

    def _other(self, value: Any, depth: int) -> Any:
        if is_frame(value):
            names = [str(name) for name in value.columns]
            return self._items((dict(zip(names, row, strict=True)) for row in _rows(value)), depth)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(bytes(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            members = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
            return self._mapping(members, depth)
        if (items := _array_items(value)) is not None:
            return self._items(items, depth)
        try:
            plain = json.loads(to_json(value))
        except TypeError:
            return self._text(_placeholder(value))
        return self.copy(plain, depth + 1)

    def _bytes(self, content: bytes) -> Any:
        # As a text first: in base64 nobody would find a secret any more.
        text = content.decode("utf-8", "surrogateescape")
        redacted = self._redact(text)
        if redacted != text:
            content = redacted.encode("utf-8", "surrogateescape")
        most = max(self._left, 0) // 4 * 3
        if len(content) <= most:
            return self._text(json.loads(to_json(content)))
        self.is_cut = True
        text = self._text(json.loads(to_json(content[:most])))
        self._left = 0
        return text


def _masked(plain: Any, texts: list[str], redact: Redact) -> Any:
    # One look at all texts together: nearly always there is nothing to mask.
    together = "\0".join(texts)
    return plain if redact(together) == together else _each_masked(plain, redact)


def _each_masked(plain: Any, redact: Redact) -> Any:
    if isinstance(plain, str):
        return _encodable(redact(plain))
    if isinstance(plain, dict):
        return {_encodable(redact(key)): _each_masked(item, redact) for key, item in plain.items()}
    if isinstance(plain, list):
        return [_each_masked(item, redact) for item in plain]
    if plain is None or isinstance(plain, bool):
        return plain
    written = repr(plain)
    redacted = redact(written)
    return plain if redacted == written else _encodable(redacted)


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _placeholder(value: Any) -> str:
    return f"<object of type {type(value).__name__}>"


def _rows(frame: pd.DataFrame) -> Iterator[list[Any]]:
    for start in range(0, len(frame), _CHUNK):
        part = frame.iloc[start : start + _CHUNK]
        columns = [items_of(part.iloc[:, place]) for place in range(part.shape[1])]
        yield from map(list, zip(*columns, strict=True))


def _array_items(value: Any) -> Iterable[Any] | None:
    """The items of an array of another library, a few at a time."""
    kind, library = type(value).__name__, type(value).__module__.partition(".")[0]
    if library == "pandas" and kind == "Series":
        return (x for start in _starts(value) for x in items_of(value.iloc[start : start + _CHUNK]))
    if library == "numpy" and kind == "ndarray" and value.ndim and value.dtype.kind in "biufUSO":
        return (x for start in _starts(value) for x in value[start : start + _CHUNK].tolist())
    if library == "numpy" and kind == "ndarray" and value.ndim:
        return (item for item in value)
    if library == "pyarrow" and hasattr(value, "to_pylist") and hasattr(value, "slice"):
        return (x for start in _starts(value) for x in value.slice(start, _CHUNK).to_pylist())
    return None


def _starts(value: Any) -> range:
    return range(0, len(value), _CHUNK)


def _stored(raw: bytes, shape: str, rows: int, truncated: bool) -> StoredValue:
    if len(raw) >= _COMPRESS_FROM:
        return StoredValue(zlib.compress(raw, 3), "zlib", shape, rows, truncated)
    return StoredValue(raw, "json", shape, rows, truncated)


def _frame(value: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    names, rows = value["columns"], value["rows"]
    columns = [list(items) for items in zip(*rows, strict=True)] if rows else [[] for _ in names]
    series = [_column(items, kind) for items, kind in zip(columns, value["dtypes"], strict=True)]
    if not series:
        return pd.DataFrame()
    frame = pd.concat(series, axis=1)
    frame.columns = pd.Index(names)
    return frame


def _column(items: list[Any], kind: str) -> pd.Series[Any]:
    import pandas as pd

    column = pd.Series(items, dtype=object)
    try:
        return column.astype(kind)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return column  # of a library that is not here, or with a mask among its numbers
