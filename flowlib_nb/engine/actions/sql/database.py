"""A query on the database of a credential, through SQLAlchemy."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ....errors import FlowlibError, NodeError
from ..base import BoundCredential, RetryableError
from .address import (
    confined,
    guard_files,
    load_dialect,
    missing_file,
    read_url,
    require_reachable,
)
from .masking import Mask
from .rows import frame_of_rows
from .stopping import Stopper
from .text import expanded_lists, is_streamable, name_markers

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, CursorResult, Engine

_CONNECT_SECONDS = 10
_BATCH_ROWS = 10_000
_TIMEOUT_OPTIONS = {
    "psycopg": "connect_timeout", "psycopg2": "connect_timeout", "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
}  # fmt: skip
# Drivers that send a list as an array; others get JSON text.
_ARRAYS = frozenset({"psycopg", "psycopg2"})
_NOT_CURABLE = re.compile(
    r"authentication|access denied|no password|does not exist|unknown database|unable to open",
    re.IGNORECASE,
)
# Serialization failures and deadlocks (SQLSTATE), MySQL's lock errors, SQLite's busy file.
_PASSING_STATES = frozenset({"40001", "40P01", "55P03", "57P03", "53300"})
_PASSING_TEXT = re.compile(r"\b(1205|1213)\b|database (table )?is locked")


def query_database(
    stopper: Stopper,
    credential: BoundCredential,
    query: str,
    parameters: list[Any],
    max_rows: int,
) -> Any:
    """Run a statement in a transaction of its own, on a connection of its own.

    Parameters
    ----------
    stopper : Stopper
        May end it.
    credential : BoundCredential
        The connection string.
    query : str
        SQL with ``$1``, ``$2``, …
    parameters : list
        Their values.
    max_rows : int
        More rows are an error.

    Returns
    -------
    pandas.DataFrame or dict
        The rows, or ``{"rows_affected": n}`` of a statement that gives none.

    Raises
    ------
    RetryableError
        The database cannot be reached, or refused for now.
    NodeError
        Something else is wrong; nothing was changed.
    HostNotAllowedError
        The credential is not for that host.
    """
    url = read_url(credential)
    dialect = load_dialect(url)
    require_reachable(credential, url, dialect)
    url = confined(url, dialect)
    text, used = name_markers(query, len(parameters), url.get_backend_name())
    is_reading = is_streamable(query, url.get_backend_name())
    if is_reading and (file := missing_file(url)):
        raise NodeError(f"The database file {file.name!r} of {credential.name!r} does not exist.")
    text, lists = expanded_lists(text, {n: parameters[n - 1] for n in used})
    bound = {
        f"p{n}": parameters[n - 1]
        if f"p{n}" in lists
        else _bindable(parameters[n - 1], url.get_driver_name())
        for n in used
    }
    failure: FlowlibError | None = None
    stage = "connect"
    try:
        with _engine(url) as engine, engine.connect() as connection:
            stage = "query"
            driver = connection.connection.driver_connection
            if url.get_backend_name() == "sqlite":
                guard_files(driver)
            with stopper.watching(_stop(engine, driver)), connection.begin():
                result = _execute(connection, text, bound, lists, stream=is_reading)
                return _answer(result, max_rows)
    except FlowlibError:
        raise
    except Exception as error:
        mask = Mask.of(credential.credential.url, url)  # type: ignore[union-attr]  # read_url
        failure = _failure(error, stage, credential.name, mask)
    # Raised here, so that the driver's error and what it holds are not its context.
    raise failure


@contextlib.contextmanager
def _engine(url: URL) -> Iterator[Engine]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    option = _TIMEOUT_OPTIONS.get(url.get_driver_name())
    arguments = {option: _CONNECT_SECONDS} if option and option not in url.query else {}
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    try:
        yield engine
    finally:
        engine.dispose()


def _execute(
    connection: Connection, text: str, bound: dict[str, Any], lists: set[str], *, stream: bool
) -> CursorResult[Any]:
    from sqlalchemy import bindparam
    from sqlalchemy import text as sql_text

    options: dict[str, Any] = {}
    if stream:
        options = {"stream_results": True, "max_row_buffer": _BATCH_ROWS}
    statement = sql_text(text).bindparams(*(bindparam(name, expanding=True) for name in lists))
    return connection.execute(statement, bound, execution_options=options)


def _answer(result: CursorResult[Any], max_rows: int) -> Any:
    if not result.returns_rows:
        return {"rows_affected": max(result.rowcount, 0)}
    try:
        return frame_of_rows(list(result.keys()), _batches(result, max_rows), max_rows)
    finally:
        result.close()


def _batches(result: CursorResult[Any], max_rows: int) -> Iterator[Any]:
    left = max_rows + 1  # one more, to tell that there are too many
    while left > 0 and (rows := result.fetchmany(min(_BATCH_ROWS, left))):
        left -= len(rows)
        yield rows


def _bindable(value: Any, driver: str) -> Any:
    """A rendered value as drivers take it."""
    if isinstance(value, dict) or (isinstance(value, list) and driver not in _ARRAYS):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def _stop(engine: Engine, driver: Any) -> Callable[[], object]:
    """How to end what a connection is doing, from another thread."""
    for name in ("cancel_safe", "cancel", "interrupt"):
        method = getattr(driver, name, None)
        if callable(method):
            return method  # type: ignore[no-any-return]
    thread_id = getattr(driver, "thread_id", None)
    if not callable(thread_id):
        return lambda: None
    number = int(thread_id())

    def kill() -> None:
        with engine.connect() as other:
            other.exec_driver_sql(f"KILL QUERY {number}")

    return kill


def _failure(error: Exception, stage: str, name: str, mask: Mask) -> FlowlibError:
    cause = getattr(error, "orig", None) or error
    reason = mask.text(_words(cause)) or type(cause).__name__
    if stage == "connect":
        message = f"The database of {name!r} cannot be reached: {reason}"
        if _NOT_CURABLE.search(reason):
            hint = f"Is the connection string right? `%flowlib_secret set {name}` stores another."
            return NodeError(message, hint=hint)
        return RetryableError(message)
    message = f"The query failed: {reason}"
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    is_lost = bool(getattr(error, "connection_invalidated", False))
    if is_lost or state in _PASSING_STATES or _PASSING_TEXT.search(reason):
        return RetryableError(message)
    return NodeError(message)


def _words(cause: Exception) -> str:
    """What the database says; of PostgreSQL's parts those that do not quote the SQL."""
    report = getattr(cause, "diag", None)
    parts = [getattr(report, f"message_{part}", None) for part in ("primary", "detail", "hint")]
    text = ". ".join(str(part).rstrip(".") for part in parts if part) or str(cause)
    return " ".join(text.split())
