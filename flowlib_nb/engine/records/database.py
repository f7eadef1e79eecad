"""Connections to the database of runs: SQLite files and other databases by URL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ...config import FOLDER, Workspace
from ...errors import ConfigError
from ...models.secret import MASK
from ..options.records import DATABASE_URL_VARIABLE, RUNS_FOLDER, Location, shown
from . import schema
from .errors import RecordsError

# How long SQLite waits for another process's transaction.
_BUSY_MILLISECONDS = 30_000
_CONNECT_SECONDS = 10
_WRITES = "flowlib_writes"


class Database:
    """A database that holds the tables of runs, or will.

    Parameters
    ----------
    location : Path or DatabaseUrl
        An SQLite file or an address.

    Raises
    ------
    ConfigError
        The address is none, or its driver is missing.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._url = _url(location)
        self._is_ready = False
        self._file = _file(self._url)
        self._identity: tuple[int, int] | None = None
        try:
            self._engine = _engine(self._url)
        except (ImportError, NoSuchModuleError) as error:
            module = getattr(error, "name", None) or self._url.drivername
            raise ConfigError(
                f"The database {shown(location)} needs {module!r}, which is not installed.",
                hint="pip install 'psycopg[binary]' brings PostgreSQL's.",
            ) from None

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes; its tables are there and of today's version.

        Raises
        ------
        RecordsError
            The database cannot be written, or a newer flowlib_nb has written it.
        """
        with self._errors():
            self._make_file()
            self._follow_file()
            if not self._is_ready:
                self._prepare()
            with self._transaction(writes=True) as connection:
                # Another process, of a newer flowlib_nb, may have come in between.
                self._check(connection.execute(select(schema.SCHEMA.c.version)).scalar())
                yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """A transaction that reads, or None where nothing was ever recorded.

        Raises
        ------
        RecordsError
            The database cannot be read, or a newer flowlib_nb has written it.
        """
        with self._errors():
            if self._file is not None and not self._file.exists():
                yield None
                return
            self._follow_file()
            if not self._is_ready and self._version() is None:
                yield None
                return
            if not self._is_ready:
                self._prepare()
            with self._transaction() as connection:
                yield connection

    @contextlib.contextmanager
    def outside_transactions(self) -> Iterator[sqlite3.Connection]:
        """SQLite's own connection, for its housekeeping.

        Raises
        ------
        RecordsError
            It failed.
        """
        with self._errors(), contextlib.closing(self._engine.raw_connection()) as connection:
            assert isinstance(connection.driver_connection, sqlite3.Connection)
            yield connection.driver_connection

    @property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite file."""
        return self._url.get_backend_name() == "sqlite"

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _prepare(self) -> None:
        # A newer database is refused before anything could change it.
        version = self._version()
        if self.is_sqlite:
            self._set_sqlite_up()
        if version != schema.VERSION:
            with self._transaction(writes=True) as connection:
                schema.migrate(connection)
        self._is_ready = True

    def _version(self) -> int | None:
        with self._transaction() as connection:
            version = schema.version_of(connection)
        self._check(version)
        return version

    def _check(self, version: int | None) -> None:
        if version is not None and version > schema.VERSION:
            raise RecordsError(
                f"The runs in {shown(self.location)} were recorded by a newer flowlib_nb (version "
                f"{version} of the tables; this one knows {schema.VERSION}).",
                hint="Update flowlib_nb. Nothing in the database was changed.",
            )

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        options = {_WRITES: writes}
        with self._engine.execution_options(**options).begin() as connection:
            yield connection

    def _set_sqlite_up(self) -> None:
        with self.outside_transactions() as connection:
            if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                return
            # Has an effect on an empty file only, and must come before the first page is written.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            # Another process may be doing the same, or the folder allow no writing. It works
            # without, too, only that readers then wait for writers.
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode = WAL").fetchone()

    def _make_file(self) -> None:
        if self._file is None or self._file.exists():
            return
        if self._file.parent.name == FOLDER:
            Workspace(self._file.parent.parent).ensure()
        elif self._file.parent.name == RUNS_FOLDER:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives the files beside it the same mode.
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))

    def _follow_file(self) -> None:
        """Let go of a file that was moved away or deleted."""
        if self._file is None:
            return
        status = self._file.stat()
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity:
            self._engine.dispose()
            self._identity, self._is_ready = identity, False

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(error.strerror or type(error).__name__) from None
        except sqlite3.Error as error:
            raise self._error(str(error)) from None
        except DBAPIError as error:
            kind = DataError if isinstance(error, _OF_DATA) else RecordsError
            raise self._error(str(error.orig).strip(), kind) from None
        except SQLAlchemyError as error:
            raise self._error(type(error).__name__) from None

    def _error(self, reason: str, kind: type[RecordsError] = RecordsError) -> RecordsError:
        hint = None
        if self._file is not None and ("malformed" in reason or "not a database" in reason):
            name = self._file.name
            hint = (
                f"The file is damaged. Move it away, together with {name}-wal and {name}-shm; the "
                f"next run makes a new one. `sqlite3 {name} .recover` may rescue what it held."
            )
        elif "readonly" in reason or "unable to open" in reason:
            hint = "May this user write to the file and its folder?"
        elif "full" in reason:
            hint = "Make room on the disk."
        where = shown(self.location)
        text = f"The database of runs {where} cannot be used: {self._without_password(reason)}"
        return kind(text.rstrip(".") + ".", hint=hint)

    def _without_password(self, text: str) -> str:
        password = str(self._url.password or "")
        for form in {password, quote(password, safe=""), quote_plus(password)} - {""}:
            text = text.replace(form, MASK)
        return text


class DataError(RecordsError):
    """What was to be written does not fit; what other runs write may."""


_OF_DATA = (exc.IntegrityError, exc.DataError, exc.InterfaceError)


def _url(location: Location) -> URL:
    if isinstance(location, Path):
        return URL.create("sqlite", database=str(location))
    try:
        url = make_url(str(location))
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{DATABASE_URL_VARIABLE} or RunRecords.database_url is not the URL of a database.",
            hint="Such as postgresql://user@host/name or sqlite:////folder/file.db.",
        ) from None
    if "@" in f"{url.host}{url.database}" and url.get_backend_name() != "sqlite":
        raise ConfigError(
            f"The address {shown(location)} has more than one @.",
            hint="In a user name or a password, write %40 for it.",
        )
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigError(
            "A database in memory cannot keep runs.", hint="Give a file: sqlite:////folder/file.db."
        )
    return url


def _file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or (url.database or "").startswith("file:"):
        return None
    return Path(str(url.database)).absolute()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        arguments: dict[str, Any] = {}
        if url.get_backend_name() == "postgresql":
            arguments = {"connect_timeout": _CONNECT_SECONDS}
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": _BUSY_MILLISECONDS / 1000}
    )

    def connected(connection: Any, record: Any) -> None:
        # Transactions begin where we say, not where the driver guesses.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    def begun(connection: Connection) -> None:
        # A transaction that reads first and writes later could not wait for another one.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
