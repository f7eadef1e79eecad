"""CSV: what fields become, and what values are written as (RFC 4180).

CSV has no types. A column is of integers, decimal numbers, ``true``/``false``, dates or moments
when all its fields are; integers with leading zeros are text, and so is all else. Moments with an
offset become UTC. An empty field is missing, ``""`` is an empty text.

Written are members of mappings as columns of their own (``address.city``), lists as JSON text,
and everything else as in JSON: bytes in base64, moments in ISO 8601, decimals with all digits.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ....frames.convert import items_of, series_from_arrow, series_of, to_frame
from ....templates.values import to_json
from .errors import FormatError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Kind = Literal["str", "int", "float", "bool", "date", "datetime"]

_MOMENT = r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
_ZONE = r"(Z|[+-]\d{2}:?\d{2})"
# In this order: what is an integer is a decimal number, too.
_SHAPES: tuple[tuple[Kind, str], ...] = (
    ("int", r"-?(0|[1-9]\d*)"),
    ("float", r"-?((0|[1-9]\d*)(\.\d+)?|\.\d+)([eE][+-]?\d+)?|-?inf"),
    ("bool", r"true|false|True|False|TRUE|FALSE"),
    ("date", r"\d{4}-\d{2}-\d{2}"),
    ("datetime", _MOMENT),
    ("datetime", _MOMENT + _ZONE),
)


def read_csv(text: str, *, separator: str, header: bool, kinds: Mapping[str, Kind]) -> pd.DataFrame:
    """Read CSV.

    Parameters
    ----------
    text : str
        The file's content.
    separator : str
        One character.
    header : bool
        Whether the first record names the columns; they are ``column1``, ``column2``, … otherwise.
    kinds : mapping
        Types of columns, by name, where the rule is not to decide.

    Returns
    -------
    pandas.DataFrame
        Integers stay integers, also with gaps.

    Raises
    ------
    FormatError
        It is not CSV, or a field is not of the type that was asked for.
    """
    import pandas as pd

    if not text.strip("\r\n"):
        return pd.DataFrame()
    names = _names(text, separator, header)
    if unknown := next((name for name in kinds if name not in names), None):
        raise FormatError(f"there is no column {unknown!r} as dtype says")
    table = _text_table(text, separator, header, names)
    columns = {
        name: _typed(name, column, kinds.get(name))
        for name, column in zip(names, table.columns, strict=True)
    }
    return pd.DataFrame(columns, index=range(len(table)))


def write_csv(value: Any, *, separator: str, header: bool) -> str:
    """Write CSV.

    Parameters
    ----------
    value : object
        What :func:`to_frame` takes.
    separator : str
        One character.
    header : bool
        Whether the first record names the columns.

    Returns
    -------
    str
        Lines that end in a line feed.

    Raises
    ------
    FormatError
        There are no columns, or two of one name.
    """
    frame = to_frame(value)
    names: list[str] = []
    columns: list[list[str]] = []
    special = re.compile(f'[\r\n"{re.escape(separator)}]|^ | $|^$')
    for name, items in _flat(frame):
        if name in names:
            raise FormatError(f"there would be two columns named {name!r}")
        names.append(name)
        columns.append([_field(item, special) for item in items])
    if not names:
        raise FormatError("there are no columns")
    lines = [separator.join(row) for row in zip(*columns, strict=True)]
    head = [separator.join(_field(name, special) for name in names)] if header else []
    return "".join(f"{line}\n" for line in (*head, *lines))


def _names(text: str, separator: str, header: bool) -> list[str]:
    try:
        first = next(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise FormatError(f"the first record is not CSV ({error})") from None
    if not header:
        return [f"column{number}" for number in range(1, len(first) + 1)]
    for name in first:
        if first.count(name) > 1:
            raise FormatError(f"two columns are named {name!r}")
    return first


def _text_table(text: str, separator: str, header: bool, names: list[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    read = arrow_csv.ReadOptions(autogenerate_column_names=not header)
    parse = arrow_csv.ParseOptions(
        delimiter=separator,
        newlines_in_values=True,
        # With a single column an empty line is a missing field.
        ignore_empty_lines=len(names) > 1,
    )
    own_names = names if header else [f"f{index}" for index in range(len(names))]
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(own_names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(text.encode()),
            read_options=read,
            parse_options=parse,
            convert_options=convert,
        )
    except pa.ArrowException as error:
        reason = str(error).removeprefix("CSV parse error: ").partition("\n")[0][:200]
    raise FormatError(f"it is not CSV ({reason})")


def _typed(name: str, column: pa.ChunkedArray, kind: Kind | None) -> pd.Series[Any]:
    import pandas as pd
    import pyarrow as pa

    if column.null_count == len(column) and kind is None:
        return pd.Series([None] * len(column), dtype=object)
    for found, shape in _SHAPES:
        if kind not in (None, found) or not _all_match(column, shape):
            continue
        if found == "int":
            return _integers(column)
        zone = "UTC" if shape.endswith(_ZONE) else None
        with contextlib.suppress(pa.ArrowInvalid):  # the 31st of February
            return series_from_arrow(column.cast(_types(zone)[found]))
    if kind not in (None, "str"):
        raise FormatError(f"the column {name!r} holds something that is not {kind}")
    return series_from_arrow(column)


def _integers(column: pa.ChunkedArray) -> pd.Series[Any]:
    import pandas as pd
    import pyarrow as pa

    try:
        return series_from_arrow(column.cast(pa.int64()))
    except pa.ArrowInvalid:  # larger ones stay Python's
        items = [None if item is None else int(item) for item in column.to_pylist()]
        return series_of(items, pd.RangeIndex(len(items)))


def _types(zone: str | None) -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "float": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "datetime": pa.timestamp("us", zone),
    }


def _all_match(column: pa.ChunkedArray, shape: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(column, f"^({shape})$")).as_py() is not False)


def _flat(frame: pd.DataFrame) -> Iterator[tuple[str, list[Any]]]:
    for index, name in enumerate(frame.columns):
        yield from _members(str(name), items_of(frame.iloc[:, index]))


def _members(name: str, items: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    mappings = [item for item in items if item is not None]
    keys = dict.fromkeys(key for item in mappings if isinstance(item, Mapping) for key in item)
    if not keys or not all(isinstance(item, Mapping) for item in mappings):
        yield name, items
        return
    for key in keys:
        yield from _members(f"{name}.{key}", [None if i is None else i.get(key) for i in items])


def _field(item: Any, special: re.Pattern[str]) -> str:
    if item is None:
        return ""
    if isinstance(item, str):
        text = item
    elif isinstance(item, float):
        text = repr(float(item))
    else:
        raw = to_json(item)
        text = msgspec.json.decode(raw) if raw.startswith(b'"') else raw.decode()
    return '"' + text.replace('"', '""') + '"' if special.search(text) else text
