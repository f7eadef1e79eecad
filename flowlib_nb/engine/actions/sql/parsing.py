"""What DuckDB's parser says about a query: its errors, and the tables that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import duckdb

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def database() -> duckdb.DuckDBPyConnection:
    """A new database that reaches nothing but the tables handed over.

    No files, no network, no other databases, and no replacement scans, which would let a query
    read this process's Python variables.
    """
    import duckdb

    config: dict[str, Any] = {
        "enable_external_access": "false",
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    return duckdb.connect(":memory:", config=config)


@lru_cache(maxsize=256)
def parse(query: str) -> dict[str, Any]:
    """The tree of a query.

    Parameters
    ----------
    query : str
        SQL without templates.

    Returns
    -------
    dict
        As DuckDB's ``json_serialize_sql`` gives it; ``error`` says whether there is none.
    """
    with database() as connection:
        row = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    return cast(dict[str, Any], json.loads(row[0])) if row else {"error": True, "error_type": ""}


def table_names(query: str) -> tuple[str, ...]:
    """The names that may be tables; too many do no harm, since only known ones count.

    Parameters
    ----------
    query : str
        SQL without templates.
    """
    tree = parse(query)
    if tree["error"]:
        return tuple(sorted(set(_WORD.findall(query))))  # PIVOT and the like have no tree
    return tuple(sorted(set(_tables(tree))))


def unknown_tables(query: str, known: Iterable[str]) -> tuple[str, ...]:
    """The tables that a query reads and that are neither known, nor its own, nor DuckDB's.

    Parameters
    ----------
    query : str
        SQL without templates.
    known : iterable of str
        Tables that there are.

    Returns
    -------
    tuple of str
        Empty also where the query has no tree.
    """
    tree = parse(query)
    if tree["error"]:
        return ()
    there = {name.lower() for name in (*known, *_own_tables(tree), *_built_in_tables())}
    names = {
        node["table_name"]
        for node in _nodes(tree)
        if node.get("type") == "BASE_TABLE" and not node["schema_name"]
    }
    return tuple(sorted(name for name in names if name.lower() not in there))


@lru_cache(maxsize=1)
def _built_in_tables() -> frozenset[str]:
    with database() as connection:
        rows = connection.execute("SELECT view_name FROM duckdb_views() WHERE internal").fetchall()
    return frozenset(str(row[0]) for row in rows)


def _tables(tree: Any) -> Iterator[str]:
    for node in _nodes(tree):
        if name := node.get("table_name"):
            yield name


def _own_tables(tree: Any) -> Iterator[str]:
    for node in _nodes(tree):
        if alias := node.get("alias"):
            yield alias
        for entry in (node.get("cte_map") or {}).get("map") or ():
            yield entry["key"]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for item in tree.values():
            yield from _nodes(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)
