"""A DuckDB query over the values of nodes and the tables of the notebook.

Tables are handed over as Arrow or pandas has them in memory, without a Python object for each row.

DuckDB keeps a moment without its zone. Where all moments of the tables are in one zone, the query
computes in that zone (what a day is depends on it); otherwise in UTC. A column of the result that
has the name of a table's column gets the zone of that column back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....errors import NodeError
from ....frames.convert import MixedColumnError, from_arrow, is_table, to_arrow, to_frame
from ....hints import did_you_mean
from .parsing import database, table_names, unknown_tables
from .stopping import Stopper

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

Zones = Mapping[str, set[str]]


def tables_of(
    query: str, values: Mapping[str, Any], namespace: Mapping[str, Any]
) -> dict[str, Any]:
    """What a query's tables stand for.

    Parameters
    ----------
    query : str
        SQL without templates.
    values : mapping
        Of nodes, by name.
    namespace : mapping
        Variables of the notebook; those that are tables count where no node has the name.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    NodeError
        A table is neither a node nor a table of the notebook.
    """
    found: dict[str, Any] = {}
    for name in table_names(query):
        if name in values:
            found[name] = values[name]
        elif is_table(namespace.get(name)):
            found[name] = namespace[name]
    if missing := missing_table(query, values, namespace):
        raise NodeError(missing.message, hint=missing.hint)
    return found


@dataclass(frozen=True, slots=True)
class MissingTable:
    """A table that a query names and that there is not.

    Parameters
    ----------
    name : str
        The table.
    message : str
        That it is missing.
    hint : str or None
        What may have been meant.
    """

    name: str
    message: str
    hint: str | None


def missing_table(
    query: str, nodes: Collection[str], namespace: Mapping[str, Any]
) -> MissingTable | None:
    """The first table of a query that is neither a node nor a table of the notebook.

    Parameters
    ----------
    query : str
        SQL without templates.
    nodes : collection of str
        Names of nodes.
    namespace : mapping
        Variables of the notebook.
    """
    frames = [name for name, value in list(namespace.items()) if is_table(value)]
    unknown = unknown_tables(query, [*nodes, *frames])
    if not unknown:
        return None
    message = (
        f"The query names the table {unknown[0]!r}, which is neither a node nor a DataFrame "
        "of the notebook."
    )
    known = {*nodes, *(name for name in frames if not name.startswith("_"))}
    return MissingTable(unknown[0], message, did_you_mean(unknown[0], known))


def query_tables(
    stopper: Stopper,
    query: str,
    parameters: list[Any],
    tables: Mapping[str, Any],
    max_rows: int | None,
) -> pd.DataFrame:
    """Run a query.

    Parameters
    ----------
    stopper : Stopper
        May end it.
    query : str
        SQL with ``$1``, ``$2``, …
    parameters : list
        Their values.
    tables : mapping
        Values, by the names that the query gives them.
    max_rows : int or None
        What is more is an error.

    Returns
    -------
    pandas.DataFrame
        Its integers stay integers, also with gaps.

    Raises
    ------
    NodeError
        The query cannot be run.
    """
    import duckdb

    try:
        with database() as connection, stopper.watching(connection.interrupt):
            zones = _register(connection, tables)
            _set_zone(connection, zones)
            connection.execute("SET lock_configuration = true")
            result = connection.sql(query, params=parameters or None)
            if result is None:
                raise NodeError("The query gives no rows.", hint="End it with a SELECT.")
            table = result.to_arrow_table()
    except duckdb.Error as error:
        raise NodeError(f"The query failed: {str(error).strip()}") from None
    if max_rows is not None and len(table) > max_rows:
        raise NodeError(
            f"The query gives more than {max_rows:,} rows.",
            hint="Select fewer, or raise max_rows.",
        )
    return from_arrow(_in_zones(table, zones), exact=False)


def _register(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Any]) -> Zones:
    """Hand over the tables; gives the time zones that columns of a name have."""
    zones: dict[str, set[str]] = {}
    for name, value in tables.items():
        table = _table(name, value)
        connection.register(name, table)
        for column, zone in _zoned(table):
            zones.setdefault(column, set()).add(zone)
    return zones


def _table(name: str, value: Any) -> pa.Table | pd.DataFrame:
    try:
        table = to_arrow(value)
        names = table.column_names
    except MixedColumnError:
        table = to_frame(value)  # of whose mixed columns DuckDB makes what it can
        names = [str(column) for column in table.columns]
    if not names:
        raise NodeError(f"{name!r} has no columns, so it cannot be a table.")
    for column in names:
        if names.count(column) > 1:
            raise NodeError(f"{name!r} has several columns named {column!r}.")
    return table


def _zoned(table: pa.Table | pd.DataFrame) -> Iterator[tuple[str, str]]:
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        for name, kind in table.dtypes.items():
            if isinstance(kind, pd.DatetimeTZDtype):
                yield str(name), str(kind.tz)
        return
    for field in table.schema:
        if zone := getattr(field.type, "tz", None):
            yield field.name, zone


def _set_zone(connection: duckdb.DuckDBPyConnection, zones: Zones) -> None:
    import duckdb

    every = set().union(*zones.values())
    connection.execute("SET TimeZone = 'UTC'")
    if len(every) == 1:
        # DuckDB does not know zones that are a mere offset.
        with contextlib.suppress(duckdb.Error):
            connection.execute(f"SET TimeZone = '{min(every).replace(chr(39), '')}'")


def _in_zones(table: pa.Table, zones: Zones) -> pa.Table:
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        zone = zones.get(field.name, set())
        if getattr(field.type, "tz", None) and len(zone) == 1:
            kind = pa.timestamp(field.type.unit, min(zone))
            table = table.set_column(index, field.name, table.column(index).cast(kind))
    return table
