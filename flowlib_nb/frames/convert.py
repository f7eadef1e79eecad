"""The rules by which a node's value becomes a frame or an Arrow table, and those plain data.

=============================  ==================================================================
value                          frame
=============================  ==================================================================
a DataFrame                    itself
an Arrow table                 its columns; likewise other libraries' tables that Arrow can read
a Series                       one column
a list of mappings             one row each; columns in the order in which keys first appear;
                               a null among them (an iteration that failed) is a row of gaps
a list of other values         one column ``value``
an HTTP response               its body; a list of them is the list of their bodies
a mapping of equal-long lists  one column each
any other mapping              one row
a scalar                       one row, one column ``value``
null                           an empty frame
=============================  ==================================================================

Columns of integers stay integers when some are missing (``Int64``), likewise booleans
(``boolean``). Nested mappings and lists stay objects in their cell. Of Arrow's types, decimals
without places are integers, others stay exact decimals; moments keep their zone; dates and times
are Python's.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_INT64 = range(-(2**63), 2**63)


class MixedColumnError(ValueError):
    """Values of one column are of types that no Arrow type holds together.

    Parameters
    ----------
    column : str
        Its name.
    reason : str
        Arrow's words.
    """

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"the column {column!r} holds values of several types ({reason})")
        self.column = column


def to_frame(value: Any) -> pd.DataFrame:
    """A value as a DataFrame.

    Parameters
    ----------
    value : object
        What a node gave.

    Returns
    -------
    pandas.DataFrame
        By the table of this module.
    """
    import pandas as pd

    value = body_of_response(value)
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return value.to_frame(name=value.name if value.name is not None else "value")
    if is_table(value):
        return from_arrow(_arrow_table(value))
    if value is None:
        return pd.DataFrame()
    if isinstance(value, Mapping):
        if _are_columns(value):
            return pd.DataFrame({key: _column(list(items)) for key, items in value.items()})
        return _from_records([value])
    if _is_list(value):
        records = [body_of_response(item) for item in value]
        if _are_records(records):
            return _from_records([record or {} for record in records])
        return pd.DataFrame({"value": _column(records)})
    return pd.DataFrame({"value": _column([value])})


def to_arrow(value: Any) -> pa.Table:
    """A value as an Arrow table, without a frame or a Python object for each row on the way.

    Parameters
    ----------
    value : object
        What a node gave, or a variable of the notebook.

    Returns
    -------
    pyarrow.Table
        With the columns of :func:`to_frame`. Nested mappings are structs, nested lists are lists.

    Raises
    ------
    MixedColumnError
        A column holds values that no Arrow type holds together.
    """
    import pyarrow as pa

    value = body_of_response(value)
    if is_table(value) and not is_frame(value):
        return _arrow_table(value)
    if _is_list(value):
        records = [body_of_response(item) for item in value]
        if _are_records(records):
            filled = [record or {} for record in records]
            names = dict.fromkeys(str(key) for record in filled for key in record)
            return pa.table(
                {
                    name: arrow_column([record.get(name) for record in filled], name)
                    for name in names
                }
            )
    frame = to_frame(value)
    columns = [str(name) for name in frame.columns]
    arrays = [arrow_column(frame.iloc[:, index], name) for index, name in enumerate(columns)]
    return pa.Table.from_arrays(arrays, names=columns)


def from_arrow(table: pa.Table, *, exact: bool = True) -> pd.DataFrame:
    """An Arrow table as a DataFrame, by the rules of this module.

    Parameters
    ----------
    table : pyarrow.Table
        Its columns may have the same names.
    exact : bool
        Whether decimals with places stay decimals; they become floats otherwise.
    """
    import pandas as pd

    if not table.column_names:
        return pd.DataFrame(index=range(len(table)))
    columns = [series_from_arrow(column, exact=exact) for column in table.columns]
    frame = pd.concat(columns, axis=1)
    frame.columns = pd.Index(table.column_names)
    return frame


def series_from_arrow(column: pa.ChunkedArray, *, exact: bool = True) -> pd.Series[Any]:
    """A column of an Arrow table as a Series; see :func:`from_arrow`."""
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if pa.types.is_decimal(kind):
        if kind.scale <= 0:
            with contextlib.suppress(pa.ArrowInvalid):
                return series_from_arrow(column.cast(pa.int64()))
            return pd.Series(
                [None if n is None else int(n) for n in column.to_pylist()], dtype=object
            )
        if exact:
            return pd.Series(pd.arrays.ArrowExtensionArray(column))
        column = column.cast(pa.float64())
    elif pa.types.is_nested(kind):
        # Arrow's own way makes arrays of lists.
        return pd.Series(column.to_pylist(maps_as_pydicts="lossy"), dtype=object)
    mapper = _nullable_types().get if column.null_count else None
    series: pd.Series[Any] = column.to_pandas(types_mapper=mapper)
    return series


def to_plain(value: Any) -> Any:
    """A value in which frames are lists of records and series are lists.

    Parameters
    ----------
    value : object
        A variable of the notebook, or what a function gave.

    Returns
    -------
    object
        The same object, unless it is a frame, a series, or a mapping or list that holds some.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return value  # nobody can hold a frame of a library that was never imported
    return _plain(value, pandas)


def is_frame(value: Any) -> bool:
    """Whether a value is a DataFrame; pandas is not imported for the answer."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_table(value: Any) -> bool:
    """Whether a value is a DataFrame or an Arrow table, of whatever library that speaks Arrow."""
    kind = type(value)
    return hasattr(kind, "__arrow_c_stream__") and hasattr(kind, "columns")


def row_count(value: Any) -> int:
    """How many rows :func:`to_frame` would give, without making the frame."""
    value = body_of_response(value)
    if value is None:
        return 0
    if _is_list(value) or is_table(value) or type(value).__name__ in ("DataFrame", "Series"):
        return len(value)
    if isinstance(value, Mapping) and _are_columns(value):
        return len(next(iter(value.values())))
    return 1


def _plain(value: Any, pandas: Any) -> Any:
    if isinstance(value, pandas.DataFrame):
        columns = [str(name) for name in value.columns]
        lists = [items_of(value.iloc[:, index]) for index in range(len(columns))]
        return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]
    if isinstance(value, pandas.Series):
        return items_of(value)
    if isinstance(value, dict):
        return {key: _plain(item, pandas) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, pandas) for item in value]
    return value


def items_of(series: pd.Series[Any]) -> list[Any]:
    """A column as a list with None where a value is missing.

    Parameters
    ----------
    series : pandas.Series
        Of any dtype.
    """
    missing = series.isna()
    items = series.tolist()
    if not missing.any():
        return items
    return [None if gone else item for item, gone in zip(items, missing, strict=True)]


def series_of(items: list[Any], index: pd.Index[Any]) -> pd.Series[Any]:
    """A list as a column, by the rules of this module.

    Parameters
    ----------
    items : list
        Plain values, None where one is missing.
    index : pandas.Index
        As many labels.
    """
    import pandas as pd

    column = _column(items)
    # Of a Series only the values: its own index would be aligned with the other.
    values = column.array if isinstance(column, pd.Series) else column
    return pd.Series(values, index=index, dtype=None if items else object)


def arrow_column(items: list[Any] | pd.Series[Any], name: str) -> pa.Array | pa.ChunkedArray:
    """A column as Arrow has it.

    Parameters
    ----------
    items : list or pandas.Series
        Values; None, NaN, NaT and NA are missing. UUIDs become text.
    name : str
        The column's, for the error.

    Returns
    -------
    pyarrow.Array or pyarrow.ChunkedArray
        Of the one type that holds all of them.

    Raises
    ------
    MixedColumnError
        There is no such type.
    """
    import pyarrow as pa

    values: Any = items
    if isinstance(items, list) or items.dtype == object:
        values = list(items)
        kinds = {type(item) for item in values}
        if UUID in kinds:
            values = [str(item) if isinstance(item, UUID) else item for item in values]
        if datetime in kinds and _is_zoned_in_part(values):
            raise MixedColumnError(name, "some moments have a zone, others have none")
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
    raise MixedColumnError(name, reason)


def _from_records(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    names = dict.fromkeys(str(key) for record in records for key in record)
    return pd.DataFrame(
        {name: _column([record.get(name) for record in records]) for name in names},
        index=range(len(records)),
    )


def _column(items: list[Any]) -> Any:
    """A column whose integers and booleans survive gaps; pandas would make them floats."""
    import pandas as pd

    kinds = {type(item) for item in items}
    if type(None) in kinds:
        if kinds == {int, type(None)} and all(i is None or i in _INT64 for i in items):
            return pd.array(items, dtype="Int64")
        if kinds == {bool, type(None)}:
            return pd.array(items, dtype="boolean")
    if kinds & {dict, list}:
        return pd.Series(items, dtype=object)
    return items


def _is_zoned_in_part(items: list[Any]) -> bool:
    return len({item.tzinfo is None for item in items if isinstance(item, datetime)}) > 1


def _arrow_table(value: Any) -> pa.Table:
    import pyarrow as pa

    return value if isinstance(value, pa.Table) else pa.table(value)


def _nullable_types() -> dict[pa.DataType, Any]:
    """What pandas would make floats or objects of where something is missing."""
    import pandas as pd
    import pyarrow as pa

    return {
        pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.int16(): pd.Int16Dtype(),
        pa.int8(): pd.Int8Dtype(), pa.uint64(): pd.UInt64Dtype(), pa.uint32(): pd.UInt32Dtype(),
        pa.uint16(): pd.UInt16Dtype(), pa.uint8(): pd.UInt8Dtype(), pa.bool_(): pd.BooleanDtype(),
    }  # fmt: skip


def _are_columns(value: Mapping[Any, Any]) -> bool:
    columns = list(value.values())
    return bool(columns) and all(_is_list(c) and len(c) == len(columns[0]) for c in columns)


def _are_records(items: Sequence[Any]) -> bool:
    are_alike = all(isinstance(item, Mapping) or item is None for item in items)
    return are_alike and any(item is not None for item in items)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def body_of_response(value: Any) -> Any:
    """The body of what ``http.request`` gives; any other value as it is."""
    if isinstance(value, Mapping) and value.keys() == {"status", "headers", "url", "body"}:
        return value["body"]
    return value
