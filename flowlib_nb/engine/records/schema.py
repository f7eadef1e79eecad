"""The tables of recorded runs, and how an older database becomes one of today.

A new database gets the tables below and their version. For a change of them: change them here,
raise :data:`VERSION`, and add to :data:`MIGRATIONS` the function that leads to the new version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    inspect,
    select,
    text,
)

VERSION = 1

METADATA = MetaData()


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return it in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return it with its time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


SCHEMA = Table("flowlib_schema", METADATA, Column("version", Integer, nullable=False))

RUNS = Table(
    "flowlib_runs",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("flow", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("status", String(16), nullable=False),
    Column("seconds", Double),
    Column("error", Text),
    Column("interrupted", Boolean, nullable=False),
    # The process that writes it.
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("process_started", Double, nullable=False),
    Column("boot", Text, nullable=False),
    Index("flowlib_runs_by_start", "started_at", "id"),
    Index("flowlib_runs_by_status", "status"),
)

NODES = Table(
    "flowlib_nodes",
    METADATA,
    Column("run_id", ForeignKey(RUNS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started", Moment),
    Column("seconds", Double),
    Column("rows", BigInteger),
    Column("error", Text),
)

VALUES = Table(
    "flowlib_values",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    # input, output or failed_items
    Column("kind", String(16), primary_key=True),
    Column("encoding", String(8), nullable=False),
    Column("shape", String(8), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(["run_id", "place"], [NODES.c.run_id, NODES.c.place], ondelete="CASCADE"),
)

# By the version that each leads to.
MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {}

# Any number of one's own; who creates or migrates holds PostgreSQL's lock of this number.
_ADVISORY_LOCK = 7_046_029_254


def version_of(connection: Connection) -> int | None:
    """The version of a database's tables; None where there are none."""
    if not inspect(connection).has_table(SCHEMA.name):
        return None
    version: int | None = connection.execute(select(SCHEMA.c.version)).scalar()
    return version


def migrate(connection: Connection) -> None:
    """Create the tables, or bring those of an older version up to date.

    Parameters
    ----------
    connection : Connection
        In a transaction that writes.
    """
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:number)")
        connection.execute(lock, {"number": _ADVISORY_LOCK})
    # Again, now that nobody else can be at it.
    version = version_of(connection)
    if version is None:
        METADATA.create_all(connection)
        connection.execute(SCHEMA.delete())
        connection.execute(SCHEMA.insert(), {"version": VERSION})
    elif version < VERSION:
        for step in range(version + 1, VERSION + 1):
            MIGRATIONS[step](connection)
        connection.execute(SCHEMA.update().values(version=VERSION))
