"""The rules by which a node's value becomes a frame, and a frame becomes plain data.

=============================  ==================================================================
value                          frame
=============================  ==================================================================
a DataFrame                    itself
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
(``boolean``). Nested mappings and lists stay objects in their cell.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_INT64 = range(-(2**63), 2**63)


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

    value = _body_of_response(value)
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return value.to_frame(name=value.name if value.name is not None else "value")
    if value is None:
        return pd.DataFrame()
    if isinstance(value, Mapping):
        columns = list(value.values())
        if columns and all(_is_list(c) and len(c) == len(columns[0]) for c in columns):
            return pd.DataFrame({key: _column(list(items)) for key, items in value.items()})
        return _from_records([value])
    if _is_list(value):
        records = [_body_of_response(item) for item in value]
        if all(isinstance(record, Mapping) or record is None for record in records) and any(
            record is not None for record in records
        ):
            return _from_records([record or {} for record in records])
        return pd.DataFrame({"value": _column(records)})
    return pd.DataFrame({"value": _column([value])})


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


def row_count(value: Any) -> int:
    """How many rows :func:`to_frame` would give, without making the frame."""
    value = _body_of_response(value)
    if value is None:
        return 0
    if _is_list(value) or type(value).__name__ in ("DataFrame", "Series"):
        return len(value)
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


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _body_of_response(value: Any) -> Any:
    if isinstance(value, Mapping) and value.keys() == {"status", "headers", "url", "body"}:
        return value["body"]
    return value
