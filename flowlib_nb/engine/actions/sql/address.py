"""Where a connection string leads, and whether it may go there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ....errors import HostNotAllowedError, InputError, NodeError
from ....models.credential import ConnectionString
from ....models.hosts import HostPattern, Origin, is_loopback, parse_hosts
from ..base import BoundCredential
from ..files import FileOptions, workspace_path

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Dialect

# Names of databases that say nothing about the driver, or that other tools write.
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_PACKAGES = {
    "psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "pymysql": "pymysql",
    "MySQLdb": "mysqlclient", "mariadb": "mariadb", "pyodbc": "pyodbc", "oracledb": "oracledb",
    "duckdb_engine": "duckdb-engine",
}  # fmt: skip
_PORTS = {
    "postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521,
}  # fmt: skip
_HOST_OPTIONS = ("host", "hostaddr", "server", "unix_socket")
_UNREADABLE_OPTIONS = ("odbc_connect", "service", "dsn")
_HTTPS = 443


def read_url(credential: BoundCredential) -> URL:
    """The connection string of a credential.

    Parameters
    ----------
    credential : BoundCredential
        Of type ``connection_string``.

    Returns
    -------
    sqlalchemy.engine.URL
        With the driver that is meant.

    Raises
    ------
    NodeError
        The credential is of another type, or its string cannot be read; never with the string.
    """
    if not isinstance(credential.credential, ConnectionString):
        raise NodeError(
            f"The credential {credential.name!r} is of type {credential.credential.type!r}; "
            "`sql` needs one of type 'connection_string'."
        )
    try:
        from sqlalchemy.engine import make_url
    except ModuleNotFoundError:
        raise NodeError(
            "Databases need SQLAlchemy, which is not installed.", hint="pip install sqlalchemy"
        ) from None
    url = None
    with contextlib.suppress(Exception):  # whose texts may repeat the string
        url = make_url(credential.credential.url.reveal().strip())
    if url is None:
        raise _unreadable(credential.name)
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def load_dialect(url: URL) -> Dialect:
    """SQLAlchemy's dialect of an address, with its driver imported.

    Raises
    ------
    NodeError
        There is no such database or driver, or it is not installed; the hint says what to install.
    """
    from sqlalchemy.exc import NoSuchModuleError

    missing: str | None = None
    kind: type[Dialect] | None = None
    try:
        kind = url.get_dialect()
        kind.import_dbapi()
    except NoSuchModuleError:
        pass
    except ImportError as error:  # psycopg without its C library has no name
        missing = error.name or url.get_driver_name()
    if missing is not None:
        package = _PACKAGES.get(missing, missing)
        raise NodeError(
            f"The driver for {url.drivername!r} is not installed: there is no working module "
            f"{missing!r}.",
            hint=f"pip install '{package}'",
        )
    if kind is None:
        raise NodeError(
            f"There is no database or driver {url.drivername!r}.",
            hint="Write postgresql://, mysql:// or sqlite:///, or install the package that brings "
            "this one to SQLAlchemy.",
        )
    if kind.is_async:
        raise NodeError(
            f"The driver {url.drivername!r} is for asyncio programs.",
            hint=f"Write {url.get_backend_name()}:// in the connection string.",
        )
    return kind()


def require_reachable(credential: BoundCredential, url: URL, dialect: Dialect) -> None:
    """Refuse a database on a host that the credential is not for.

    A database on this machine (loopback, a socket, a file) needs no host in the list, since
    nothing is sent anywhere; where there is a list, loopback must be on it.

    Raises
    ------
    HostNotAllowedError
        With the host, and nothing else of the connection string.
    NodeError
        It does not say where the database is.
    """
    for option in _UNREADABLE_OPTIONS:
        if option in url.query:
            raise NodeError(
                f"The connection string of {credential.name!r} says with {option!r} where the "
                "database is, so that it cannot be checked against the credential's hosts.",
                hint="Write the host behind the @.",
            )
    patterns = parse_hosts(credential.hosts)
    places = None
    with contextlib.suppress(Exception):  # whose texts may repeat the string
        places = list(_places(url, dialect))
    if places is None:
        raise _unreadable(credential.name)
    for host, port in places:
        default = _PORTS.get(url.get_backend_name())
        try:
            origin = Origin.of(f"https://{host}:{port or default or _HTTPS}")
        except InputError as error:
            raise NodeError(f"The connection string of {credential.name!r}: {error}") from None
        if not patterns and is_loopback(origin.host):
            continue
        if not any(_covers(pattern, origin, default) for pattern in patterns):
            listed = ", ".join(map(str, patterns)) or "none"
            shown = f"{host}:{origin.port}"
            raise HostNotAllowedError(
                f"The credential {credential.name!r} was not used: its database is on {shown}, "
                f"which is not among its hosts ({listed}).",
                hint=f"If it belongs there, add {shown} to the credential's hosts.",
            )


def confined(url: URL, dialect: Dialect) -> URL:
    """The address with the path of its SQLite file resolved.

    Parameters
    ----------
    url : sqlalchemy.engine.URL
        Of any database; others are left as they are.
    dialect : sqlalchemy.engine.Dialect
        Of that address.

    Raises
    ------
    InputError
        The file lies outside the workspace, and that is not allowed.
    """
    if url.get_backend_name() != "sqlite":
        return url
    path = _sqlite_path(url)
    if path is None:
        return url
    resolved = workspace_path(path)
    is_uri = str(url.database).startswith("file:")
    return url if is_uri else url.set(database=str(resolved))


def missing_file(url: URL) -> Path | None:
    """The SQLite file of an address, where there is none."""
    path = _sqlite_path(url) if url.get_backend_name() == "sqlite" else None
    return Path(path) if path is not None and not Path(path).exists() else None


def guard_files(connection: Any) -> None:
    """Keep a SQLite connection from opening further files outside the workspace.

    Parameters
    ----------
    connection : sqlite3.Connection
        A new one.
    """
    import sqlite3

    if FileOptions.instance().allow_outside:
        return

    def authorize(action: int, first: str | None, *_: object) -> int:
        if action != sqlite3.SQLITE_ATTACH or first in ("", ":memory:"):
            return sqlite3.SQLITE_OK
        try:
            # A name that the query computes is not known here.
            workspace_path(_uri_path(first) if first else "..")
        except InputError:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)


def _places(url: URL, dialect: Dialect) -> Iterator[tuple[str, int | None]]:
    """The hosts that the driver may connect to, each with its port."""
    if url.get_backend_name() == "sqlite":
        return
    _, options = dialect.create_connect_args(url)
    given = {key: str(options[key]) for key in _HOST_OPTIONS if options.get(key)}
    if not given and url.host:
        given = {"host": url.host}
    ports = [int(port) for port in str(options.get("port") or url.port or "").split(",") if port]
    for hosts in given.values():
        for index, host in enumerate(hosts.split(",")):
            if host.startswith(("/", "@")):
                continue  # a socket of this machine
            name, _, own_port = host.partition(":") if host.count(":") == 1 else (host, "", "")
            port = int(own_port) if own_port.isdecimal() else None
            if port is None and ports:
                port = ports[min(index, len(ports) - 1)]
            yield (f"[{name}]" if ":" in name else name), port


def _unreadable(name: str) -> NodeError:
    return NodeError(
        f"The connection string of {name!r} cannot be read.",
        hint="Write it as postgresql://user:password@host:5432/database, with %40 for an @ in "
        "the password, and store it again.",
    )


def _covers(pattern: HostPattern, origin: Origin, default: int | None) -> bool:
    if pattern.port is not None:
        return pattern.allows(origin)
    # A pattern without a port means the protocol's own port, which here is the database's.
    is_default = origin.port == (default or _HTTPS)
    return pattern.allows(Origin("https", origin.host, _HTTPS if is_default else origin.port))


def _sqlite_path(url: URL) -> str | None:
    database = url.database or ""
    if database in ("", ":memory:"):
        return None
    if database.startswith("file:"):
        query: Mapping[str, Any] = url.query
        path = _uri_path(database)
        return None if path == ":memory:" or query.get("mode") == "memory" else path
    return database


def _uri_path(text: str) -> str:
    return os.fspath(urlsplit(text).path) if text.startswith("file:") else text
