"""``sql``: a query over the values of other nodes, by DuckDB inside the process."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field

from ...errors import NodeError
from ...frames import to_frame
from ...templates.compiler import Code, CompiledValue, TemplatedField
from ...templates.tokenizer import Expression, TemplateSyntaxError, split
from .base import Action, ActionContext, ParameterProblem, Parameters

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class SqlParameters(Parameters):
    """Parameters of ``sql``."""

    query: str = Field(min_length=1, description="SQL in which nodes are tables, by their names.")
    parameters: list[Any] = Field(
        default_factory=list, description="Values of $1, $2, …; templates in the query come first."
    )


class SqlAction(Action):
    """Runs a query; templates in it are bound as parameters and never become SQL text."""

    name = "sql"
    summary = "A DuckDB query over the values of other nodes."
    parameters = SqlParameters

    def compile(self, parameters: Mapping[str, Any]) -> CompiledValue:
        """Turn each template of the query into a bound parameter."""
        query = parameters.get("query")
        if not isinstance(query, str):
            return super().compile(parameters)
        text, codes = _bind(query)
        given = parameters.get("parameters", [])
        if not codes:
            return super().compile({**parameters, "query": query})
        rest = super().compile({k: v for k, v in parameters.items() if k != "query"})
        bound = [*(None for _ in codes), *(given if isinstance(given, list) else [])]
        fields = [
            TemplatedField(("parameters", index), (code,), is_exact=True)
            for index, code in enumerate(codes)
        ]
        fields += [_moved(field, len(codes)) for field in rest.fields]
        return CompiledValue({**rest.value, "query": text, "parameters": bound}, tuple(fields))

    def references(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tables that the query names, nodes or not."""
        query = parameters.get("query")
        try:
            return _tables(_bind(query)[0]) if isinstance(query, str) else ()
        except TemplateSyntaxError:
            return ()  # rendering reports it

    def check(self, parameters: Mapping[str, Any]) -> Iterator[ParameterProblem]:
        """Find syntax errors before anything runs."""
        query = parameters.get("query")
        if not isinstance(query, str):
            return
        try:
            text, codes = _bind(query)
        except TemplateSyntaxError:
            return
        tree = _parse(text)
        if tree["error"] and tree["error_type"] == "parser":
            offset = 0 if codes else int(tree.get("position", 0))
            message = f"The SQL is wrong: {tree['error_message']}."
            if codes and '"$"' in message:
                message = (
                    "A template in a query stands for a value, never for a table; name the node "
                    "itself (an `input` node for one of the inputs): select … from orders."
                )
            yield ParameterProblem(("query",), offset, message)

    async def run(self, context: ActionContext, parameters: SqlParameters) -> Any:
        """Run the query in a thread and return a frame."""
        return await context.in_thread(_query, parameters, context.values)


def _bind(query: str) -> tuple[str, list[Code]]:
    text = ""
    codes: list[Code] = []
    try:
        parts = split(query)
    except TemplateSyntaxError as problem:
        problem.path = ("query",)
        raise
    for part in parts:
        if isinstance(part, Expression):
            if _inside_quotes(text):
                quoted = TemplateSyntaxError(
                    "a template in SQL is a bound parameter: write it without quotes around it",
                    part.start,
                    part.source,
                )
                quoted.path = ("query",)
                raise quoted
            codes.append(Code(part.source, False, ("query",), part.start))
            text += f"${len(codes)}"
        else:
            text += part
    return text, codes


def _moved(field: TemplatedField, by: int) -> TemplatedField:
    """A field of ``parameters``, behind those that templates of the query have put first."""
    if len(field.path) < 2 or field.path[0] != "parameters":
        return field
    return replace(field, path=("parameters", int(field.path[1]) + by, *field.path[2:]))


def _inside_quotes(text: str) -> bool:
    quote = ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
    return bool(quote)


def _query(parameters: SqlParameters, values: Mapping[str, Any]) -> pd.DataFrame:
    import duckdb

    try:
        with _database() as connection:
            for name in _tables(parameters.query):
                if name in values:
                    connection.register(name, _table(name, values[name]))
            connection.execute("SET lock_configuration = true")
            result = connection.sql(parameters.query, params=parameters.parameters or None)
            if result is None:
                raise NodeError("The query gives no rows.", hint="End it with a SELECT.")
            return _frame(result.to_arrow_table())
    except duckdb.Error as error:
        raise NodeError(f"The query failed: {str(error).strip()}") from None


def _database() -> duckdb.DuckDBPyConnection:
    import duckdb

    # Nothing but the tables handed over: no files, no network, no other databases, and no
    # replacement scans, which would let a query read this process's Python variables.
    config: dict[str, Any] = {
        "enable_external_access": "false",
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    return duckdb.connect(":memory:", config=config)


@lru_cache(maxsize=256)
def _parse(query: str) -> dict[str, Any]:
    with _database() as connection:
        row = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    return cast(dict[str, Any], json.loads(row[0])) if row else {"error": True, "error_type": ""}


def _tables(query: str) -> tuple[str, ...]:
    """The names that may be tables; too many do no harm, since only those of nodes count."""
    tree = _parse(query)
    if tree["error"]:
        return tuple(sorted(set(_WORD.findall(query))))  # PIVOT and the like have no tree
    return tuple(sorted(set(_table_names(tree))))


def _table_names(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if name := tree.get("table_name"):
            yield name
        for item in tree.values():
            yield from _table_names(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _table_names(item)


def _table(name: str, value: Any) -> pd.DataFrame:
    frame = to_frame(value)
    if len(frame.columns) == 0:
        raise NodeError(f"{name!r} has no columns, so it cannot be a table.")
    return frame


def _frame(table: pa.Table) -> pd.DataFrame:
    """A result whose integers stay integers: DuckDB's sums are 128 bits wide."""
    import pandas as pd
    import pyarrow as pa

    nullable = {
        pa.int64(): pd.Int64Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_decimal(kind):
            with contextlib.suppress(pa.ArrowInvalid):
                column = column.cast(pa.int64() if kind.scale == 0 else pa.float64())
        mapper = nullable.get if column.null_count else None
        columns.append(column.to_pandas(types_mapper=mapper).rename(name))
    return pd.concat(columns, axis=1) if columns else pd.DataFrame()
