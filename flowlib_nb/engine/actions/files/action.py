"""The actions ``file.read`` and ``file.write``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from ....errors import NodeError
from ....frames import row_count
from ....frames.convert import is_table
from ....hints import did_you_mean
from ..base import Action, ActionContext, Parameters
from .errors import FormatError
from .formats import (
    CsvReadOptions,
    CsvWriteOptions,
    Format,
    JsonOptions,
    ParquetReadOptions,
    ParquetWriteOptions,
    decode_csv,
    decode_json,
    decode_ndjson,
    decode_parquet,
    encode_csv,
    encode_json,
    encode_ndjson,
    encode_parquet,
    encode_text,
    format_of,
    separator_of,
)
from .paths import read_file, write_file


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError("is no encoding of text, such as utf-8, latin-1 or cp1252") from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]


class _FileParameters(Parameters):
    """What both actions need to know of a file."""

    path: str = Field(
        min_length=1, description="In the workspace; relative to the working directory."
    )
    format: Format | None = Field(
        default=None, description="By the extension (.csv .tsv .json .ndjson .parquet) if left out."
    )
    encoding: Encoding = Field(default="utf-8", description="Of text.")

    @model_validator(mode="after")
    def _options_of_the_format(self) -> Self:
        known = self.format or format_of(self.path)
        for name in ("csv", "json", "parquet"):
            alias = name if name in type(self).model_fields else f"{name}_"
            if alias in self.model_fields_set and known is not None and known != name:
                raise ValueError(f"{name}: does not go with a file of format {known}")
        return self

    @property
    def kind(self) -> Format:
        """The format.

        Raises
        ------
        NodeError
            The extension says nothing.
        """
        if found := self.format or format_of(self.path):
            return found
        raise NodeError(
            f"The extension of {self.path!r} stands for no format.",
            hint="Say one: format: csv, json, ndjson or parquet.",
        )


class FileReadParameters(_FileParameters):
    """Parameters of ``file.read``."""

    csv: CsvReadOptions = Field(default=CsvReadOptions(), description="For CSV.")
    parquet: ParquetReadOptions = Field(default=ParquetReadOptions(), description="For Parquet.")
    max_bytes: int = Field(default=500_000_000, ge=1, description="Of the file.")


class FileWriteParameters(_FileParameters):
    """Parameters of ``file.write``."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    value: Any = Field(default=None, description="What to write, of templates.")
    from_: str | None = Field(
        default=None,
        alias="from",
        description="Instead of value: a node (or a DataFrame of the notebook), types and all.",
    )
    csv: CsvWriteOptions = Field(default=CsvWriteOptions(), description="For CSV.")
    json_: JsonOptions = Field(default=JsonOptions(), alias="json", description="For JSON.")
    parquet: ParquetWriteOptions = Field(default=ParquetWriteOptions(), description="For Parquet.")

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if ("value" in self.model_fields_set) == (self.from_ is not None):
            raise ValueError("needs either value (with templates) or from (the name of a node)")
        return self


class FileReadAction(Action):
    """Reads a file of the workspace; a frame, or what JSON holds."""

    name = "file.read"
    summary = "A CSV, JSON, NDJSON or Parquet file of the workspace."
    parameters = FileReadParameters

    async def run(self, context: ActionContext, parameters: FileReadParameters) -> Any:
        """Read it in a thread."""
        return await context.in_thread(_read, parameters)


class FileWriteAction(Action):
    """Writes a file of the workspace, whole or not at all; gives ``{path, rows, bytes}``."""

    name = "file.write"
    summary = "Writes a value as a CSV, JSON, NDJSON or Parquet file of the workspace."
    parameters = FileWriteParameters

    def references(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the node that ``from`` names."""
        source = parameters.get("from")
        return (source,) if isinstance(source, str) else ()

    async def run(self, context: ActionContext, parameters: FileWriteParameters) -> Any:
        """Write it in a thread."""
        value = parameters.value
        if parameters.from_ is not None:
            value = _named(parameters.from_, context)
        return await context.in_thread(_write, parameters, value)


def _named(name: str, context: ActionContext) -> Any:
    if name in context.values:
        return context.values[name]
    if is_table(table := context.namespace.get(name)):
        return table
    hint = did_you_mean(name, context.values)
    raise NodeError(f"{name!r} is neither a node nor a DataFrame of the notebook.", hint=hint)


def _read(parameters: FileReadParameters) -> Any:
    kind, path, encoding = parameters.kind, parameters.path, parameters.encoding
    raw = read_file(path, parameters.max_bytes)
    try:
        if kind == "csv":
            separator = separator_of(path, parameters.csv)
            return decode_csv(raw, encoding, parameters.csv, separator)
        if kind == "json":
            return decode_json(raw, encoding)
        if kind == "ndjson":
            return decode_ndjson(raw, encoding)
        return decode_parquet(raw, parameters.parquet, 10 * parameters.max_bytes)
    except FormatError as error:
        raise NodeError(f"The file {path!r} cannot be read: {error}.") from None


def _write(parameters: FileWriteParameters, value: Any) -> dict[str, Any]:
    try:
        raw = _encoded(parameters, value)
    except FormatError as error:
        raise NodeError(f"The file {parameters.path!r} was not written: {error}.") from None
    write_file(parameters.path, raw)
    return {"path": parameters.path, "rows": row_count(value), "bytes": len(raw)}


def _encoded(parameters: FileWriteParameters, value: Any) -> bytes:
    kind, encoding = parameters.kind, parameters.encoding
    if kind == "parquet":
        return encode_parquet(value, parameters.parquet)
    if kind == "csv":
        separator = separator_of(parameters.path, parameters.csv)
        return encode_csv(value, parameters.csv, separator, encoding)
    raw = encode_ndjson(value) if kind == "ndjson" else encode_json(value, parameters.json_)
    return raw if encoding.lower() in ("utf-8", "utf8") else encode_text(raw.decode(), encoding)
