"""Rows of a database, in batches, as a frame: scalars in Arrow columns, the rest as objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ....errors import NodeError
from ....frames.convert import MixedColumnError, arrow_column, series_from_arrow, series_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Types that Arrow has; a column of one of them is kept as an array, not as objects.
_SCALARS = frozenset({int, float, bool, str, bytes, Decimal, date, datetime, time, timedelta})
# Types that mean something to the flow as they are.
_NESTED = (dict, list, tuple)


def frame_of_rows(
    names: Sequence[str], batches: Iterable[Sequence[Sequence[Any]]], max_rows: int
) -> pd.DataFrame:
    """Collect rows.

    Parameters
    ----------
    names : sequence of str
        Of the columns; a second column of a name gets a number.
    batches : iterable of sequences of rows
        As the driver gives them.
    max_rows : int
        What is more is an error.

    Returns
    -------
    pandas.DataFrame
        By the rules of :mod:`flowlib_nb.frames.convert`. UUIDs, addresses, ranges and other types
        of a driver's own are text.

    Raises
    ------
    NodeError
        There are too many rows.
    """
    import pandas as pd

    columns = [_Column(name) for name in names]
    count = 0
    for rows in batches:
        count += len(rows)
        if count > max_rows:
            raise NodeError(
                f"The query gives more than {max_rows:,} rows.",
                hint="Select fewer (LIMIT, WHERE, GROUP BY), or raise max_rows.",
            )
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.add(values)
    index = pd.RangeIndex(count)
    series = {
        name: column.series(index) for name, column in zip(_different(names), columns, strict=True)
    }
    return pd.DataFrame(series, index=index)


class _Column:
    """One column, as it grows."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._chunks: list[pa.Array | list[Any]] = []

    def add(self, values: Sequence[Any]) -> None:
        kinds = set(map(type, values)) - {type(None)}
        if not kinds <= _SCALARS:
            values = [_plain(value) for value in values]
            kinds = set(map(type, values)) - {type(None)}
        if len(kinds) <= 1 and kinds <= _SCALARS:
            try:
                self._chunks.append(arrow_column(list(values), self._name))
                return
            except MixedColumnError:
                pass  # too large an integer, say
        self._chunks.append(list(values))

    def series(self, index: pd.Index[Any]) -> pd.Series[Any]:
        import pandas as pd

        joined = self._joined()
        if joined is not None:
            return series_from_arrow(joined)
        items = [item for chunk in self._chunks for item in _items(chunk)]
        if any(isinstance(item, _NESTED) for item in items):
            return pd.Series(items, index=index, dtype=object)
        return series_of(items, index)

    def _joined(self) -> pa.ChunkedArray | None:
        """All chunks in one type; None where there is none without loss."""
        import pyarrow as pa

        arrays = [chunk for chunk in self._chunks if not isinstance(chunk, list)]
        if len(arrays) < len(self._chunks):
            return None
        kinds = {array.type for array in arrays} - {pa.null()}
        if not kinds:
            return None
        if len(kinds) == 1:
            (kind,) = kinds
        elif all(pa.types.is_decimal(kind) for kind in kinds):
            scale = max(kind.scale for kind in kinds)
            digits = max(kind.precision - kind.scale for kind in kinds) + scale
            if digits > 76:
                return None
            kind = pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)
        else:
            return None
        return pa.chunked_array([array.cast(kind) for array in arrays])


def _items(chunk: Any) -> list[Any]:
    items: list[Any] = chunk if isinstance(chunk, list) else chunk.to_pylist()
    return items


def _plain(value: Any) -> Any:
    if value is None or type(value) in _SCALARS or isinstance(value, _NESTED):
        return value
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def _different(names: Sequence[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        unique, number = name, 2
        while unique in seen:
            unique, number = f"{name}_{number}", number + 1
        seen.add(unique)
        yield unique
