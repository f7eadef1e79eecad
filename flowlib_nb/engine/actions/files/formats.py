"""The formats of files: bytes to values and back.

=========  ===============================  ====================================================
format     reading gives                    writing
=========  ===============================  ====================================================
csv        a frame                          see :mod:`.csv_format`
json       what the file holds              the value; a frame is a list of its rows
ndjson     a list, an item for each line    a line for each row or item
parquet    a frame                          the frame; nested mappings are structs
=========  ===============================  ====================================================
"""

from __future__ import annotations

import io
from pathlib import PurePath
from typing import Any, Literal

import msgspec
from pydantic import Field, field_validator

from ....frames import to_plain
from ....frames.convert import MixedColumnError, from_arrow, is_frame, is_table, to_arrow, to_frame
from ....templates.values import to_json
from ..base import Parameters
from .csv_format import Kind, read_csv, write_csv
from .errors import FormatError

Format = Literal["csv", "json", "ndjson", "parquet"]

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


class CsvWriteOptions(Parameters):
    """How CSV is written."""

    separator: str | None = Field(
        default=None, description="Between fields: a comma, or a tab in a .tsv file."
    )
    header: bool = Field(default=True, description="Whether the first line names the columns.")

    @field_validator("separator")
    @classmethod
    def _usable(cls, separator: str | None) -> str | None:
        if separator is not None and (
            len(separator) != 1 or separator in '"\r\n' or not separator.isascii()
        ):
            raise ValueError("must be one ASCII character, no quote and no line break")
        return separator


class CsvReadOptions(CsvWriteOptions):
    """How CSV is read."""

    dtype: dict[str, Kind] = Field(
        default_factory=dict, description="Types of columns; else each column's fields decide."
    )


class JsonOptions(Parameters):
    """How JSON is written."""

    indent: int = Field(default=0, ge=0, le=8, description="Blanks a level; 0 for one line.")


class ParquetReadOptions(Parameters):
    """How Parquet is read."""

    columns: list[str] | None = Field(default=None, description="Only these columns.")


class ParquetWriteOptions(Parameters):
    """How Parquet is written."""

    compression: Literal["snappy", "zstd", "gzip", "none"] = Field(
        default="snappy", description="How pages are compressed."
    )


def format_of(path: str) -> Format | None:
    """The format that a path's extension stands for."""
    return _SUFFIXES.get(PurePath(path).suffix.lower())


def separator_of(path: str, options: CsvWriteOptions) -> str:
    """What separates the fields of a CSV file."""
    return options.separator or ("\t" if PurePath(path).suffix.lower() == ".tsv" else ",")


def decode_json(raw: bytes, encoding: str) -> Any:
    """Read one JSON value.

    Raises
    ------
    FormatError
        It is not JSON.
    """
    return _json(decode_text(raw, encoding))


def decode_ndjson(raw: bytes, encoding: str) -> list[Any]:
    """Read a JSON value for each line that is not blank.

    Raises
    ------
    FormatError
        A line is not JSON.
    """
    values = []
    for number, line in enumerate(decode_text(raw, encoding).split("\n"), 1):
        if line.strip():
            values.append(_json(line, f"line {number} "))
    return values


def decode_csv(raw: bytes, encoding: str, options: CsvReadOptions, separator: str) -> Any:
    """Read CSV into a frame.

    Raises
    ------
    FormatError
        It is not CSV.
    """
    text = decode_text(raw, encoding)
    return read_csv(text, separator=separator, header=options.header, kinds=options.dtype)


def decode_parquet(raw: bytes, options: ParquetReadOptions, limit: int) -> Any:
    """Read Parquet into a frame.

    Parameters
    ----------
    raw : bytes
        The file.
    options : ParquetReadOptions
        What of it.
    limit : int
        Bytes that its columns may take when they are decompressed.

    Raises
    ------
    FormatError
        It is not Parquet, too large, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(raw))
        known = file.schema_arrow.names
        if missing := [name for name in options.columns or () if name not in known]:
            raise FormatError(f"there is no column {missing[0]!r}; there are {', '.join(known)}")
        meta = file.metadata
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if size > limit:
            raise FormatError(f"decompressed it is larger than {limit:,} bytes")
        return from_arrow(file.read(columns=options.columns))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0][:200]
    raise FormatError(f"it is not Parquet ({reason})")


def encode_json(value: Any, options: JsonOptions) -> bytes:
    """Write a value as JSON.

    Raises
    ------
    FormatError
        It has no JSON form.
    """
    raw = _to_json(_plain(value))
    return (msgspec.json.format(raw, indent=options.indent) if options.indent else raw) + b"\n"


def encode_ndjson(value: Any) -> bytes:
    """Write a line for each row or item.

    Raises
    ------
    FormatError
        One of them has no JSON form.
    """
    plain = _plain(value)
    items = plain if isinstance(plain, list) else [plain]
    return b"".join(_to_json(item) + b"\n" for item in items)


def encode_csv(value: Any, options: CsvWriteOptions, separator: str, encoding: str) -> bytes:
    """Write a frame as CSV.

    Raises
    ------
    FormatError
        It has no columns, or a character that the encoding has not.
    """
    try:
        text = write_csv(value, separator=separator, header=options.header)
    except TypeError as error:
        raise FormatError(str(error)) from None
    return encode_text(text, encoding)


def encode_parquet(value: Any, options: ParquetWriteOptions) -> bytes:
    """Write a frame as Parquet.

    Raises
    ------
    FormatError
        A column holds values of several types.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    try:
        table = to_arrow(value)
        pq.write_table(table, buffer, compression=options.compression.upper())
    except MixedColumnError as error:
        reason = f"{error}; make them one type, or write JSON"
    except pa.ArrowException as error:
        reason = str(error).partition("\n")[0][:200]
    else:
        if not table.column_names:
            raise FormatError("there are no columns")
        return buffer.getvalue()
    raise FormatError(reason)


def decode_text(raw: bytes, encoding: str) -> str:
    """Bytes as text.

    Raises
    ------
    FormatError
        They are no text in that encoding.
    """
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except UnicodeDecodeError as error:
        at = error.start
    raise FormatError(f"it is not {encoding} text (byte {at:,}); say another `encoding`")


def encode_text(text: str, encoding: str) -> bytes:
    """Text as bytes.

    Raises
    ------
    FormatError
        The encoding lacks a character.
    """
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        char = text[error.start]
    raise FormatError(f"{encoding} has no {char!r}; say another `encoding`")


def _plain(value: Any) -> Any:
    return to_plain(to_frame(value) if is_table(value) and not is_frame(value) else value)


def _to_json(value: Any) -> bytes:
    try:
        return to_json(value)
    except TypeError as error:
        raise FormatError(str(error)) from None


def _json(text: str, where: str = "it ") -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        reason = "nested too deeply"
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        reason = str(error)
    raise FormatError(f"{where}is not JSON ({reason})")
