"""The database itself: its file, its version, what happens when it cannot be used."""

# Fixtures are imported by name, and are then the names of parameters.
# ruff: noqa: F401, F811

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, text

import flowlib_nb
from flowlib_nb.engine.options.records import DatabaseUrl, Location
from flowlib_nb.engine.records import Recorder, RecordsError, RunEnded, RunRecords, runs, schema
from flowlib_nb.engine.records.database import Database
from flowlib_nb.engine.records.processes import ProcessIdentity
from flowlib_nb.engine.records.store import INTERRUPTED, RunStore
from flowlib_nb.errors import ConfigError
from flowlib_nb.models.secret import MASK

from .postgres import PASSWORD as SERVER_PASSWORD
from .postgres import USER, Postgres, postgres_server
from .test_records_support import (
    ended,
    new_database,
    options,
    record,
    records,
    sqlite,
    started,
)


@pytest.fixture(autouse=True)
def _in_a_workspace(workspace: Path) -> None:
    (workspace / ".flowlib").mkdir(mode=0o700, exist_ok=True)


PASSWORD = "p@ss/word-4b7d0c"


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The warnings so far."""

    class Messages(list[str]):
        def __iter__(self) -> Iterator[str]:
            return (r.getMessage() for r in caplog.records if r.name == "flowlib_nb.records")

        def __len__(self) -> int:
            return len(list(iter(self)))

    return Messages()


def pragma(path: Path, name: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("flowlib.db*")}


def test_the_file_is_private_and_ready_for_several_processes(sqlite: Path) -> None:
    old = os.umask(0)
    try:
        record("r1")
    finally:
        os.umask(old)
    with RunStore.open(sqlite)._database.reading():
        found = modes(sqlite.parent)
        assert set(found.values()) == {0o600}
        assert set(found) == {"flowlib.db", "flowlib.db-wal", "flowlib.db-shm"}
    assert stat.S_IMODE(sqlite.parent.stat().st_mode) == 0o700
    assert "flowlib.db*" in (sqlite.parent / ".gitignore").read_text()
    assert pragma(sqlite, "journal_mode") == "wal"
    assert pragma(sqlite, "auto_vacuum") == 2


def test_looking_makes_no_database(sqlite: Path) -> None:
    assert len(runs) == 0
    assert runs.df.empty
    assert not sqlite.exists()


def test_space_is_given_back(sqlite: Path, options: RunRecords) -> None:
    options.max_value_bytes = 8_000_000
    old = datetime.now(UTC) - timedelta(days=5)
    for number in range(3):
        record(f"r{number}", at=old, output=os.urandom(5_000_000))
    assert pragma(sqlite, "page_count") * 4096 > 15_000_000
    options.keep_days = 1
    record("young", at=datetime.now(UTC))
    assert [run.id for run in runs] == ["young"]
    assert pragma(sqlite, "page_count") * 4096 < 6_000_000


def made_by_version(location: Location, version: int) -> None:
    record("r1")
    with RunStore.open(location)._database.writing() as connection:
        connection.execute(text("ALTER TABLE flowlib_runs ADD COLUMN mark INTEGER DEFAULT 0"))
        connection.execute(text(f"UPDATE flowlib_schema SET version = {version}"))
    RunStore.open(location)._database._is_ready = False


def test_a_newer_database_is_refused_and_never_touched(
    records: RunRecords,
    warned: list[str],
) -> None:
    location = Recorder().location
    assert location is not None
    made_by_version(location, schema.VERSION + 1)
    before = location.read_bytes() if isinstance(location, Path) else b""
    for _ in range(2):
        record("r2")
        with pytest.raises(RecordsError, match=r"newer flowlib_nb \(version 2 of the tables"):
            len(runs)
    assert len(warned) == 1
    assert "Update flowlib_nb" in next(iter(warned))
    if isinstance(location, Path):
        assert location.read_bytes() == before
    with RunStore.open(location)._database._transaction() as connection:
        assert connection.execute(text("SELECT id FROM flowlib_runs")).scalars().all() == ["r1"]


def test_a_database_that_becomes_newer_under_way_is_refused(
    records: RunRecords,
    warned: list[str],
) -> None:
    record("r1")
    location = Recorder().location
    assert location is not None
    with RunStore.open(location)._database.writing() as connection:
        connection.execute(text("UPDATE flowlib_schema SET version = 2"))
    record("r2")
    assert "newer flowlib_nb" in next(iter(warned))
    with RunStore.open(location)._database._transaction() as connection:
        assert connection.execute(text("SELECT id FROM flowlib_runs")).scalars().all() == ["r1"]


def to_two(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE flowlib_runs ADD COLUMN second INTEGER"))


def to_three(connection: Connection) -> None:
    connection.execute(text("UPDATE flowlib_runs SET second = 3"))


def broken(connection: Connection) -> None:
    connection.execute(text("UPDATE no_such_table SET a = 1"))


def columns(location: Location) -> dict[str, object]:
    with RunStore.open(location)._database._transaction() as connection:
        row = connection.execute(text("SELECT * FROM flowlib_runs")).mappings().one()
        version = connection.execute(text("SELECT version FROM flowlib_schema")).scalar_one()
        return {"version": version, **{name: row[name] for name in ("id", "second") if name in row}}


def test_an_older_database_is_migrated(
    records: RunRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record("r1")
    location = Recorder().location
    assert location is not None
    monkeypatch.setattr(schema, "VERSION", 3)
    monkeypatch.setattr(schema, "MIGRATIONS", {2: to_two, 3: to_three})
    RunStore.open(location)._database._is_ready = False
    assert [run.id for run in runs] == ["r1"]
    assert columns(location) == {"version": 3, "id": "r1", "second": 3}


def test_a_migration_that_fails_changes_nothing(
    records: RunRecords,
    monkeypatch: pytest.MonkeyPatch,
    warned: list[str],
) -> None:
    record("r1")
    location = Recorder().location
    assert location is not None
    monkeypatch.setattr(schema, "VERSION", 3)
    monkeypatch.setattr(schema, "MIGRATIONS", {2: to_two, 3: broken})
    RunStore.open(location)._database._is_ready = False
    with pytest.raises(RecordsError, match="no_such_table"):
        len(runs)
    record("r2")
    assert "no_such_table" in next(iter(warned))
    assert columns(location) == {"version": 1, "id": "r1"}


@pytest.mark.parametrize("damage", ["whole", "inside"])
def test_a_damaged_file_is_left_alone(
    sqlite: Path,
    damage: str,
    warned: list[str],
) -> None:
    if damage == "whole":
        sqlite.parent.mkdir(exist_ok=True)
        sqlite.write_bytes(b"no database at all" * 1000)
    else:
        record("r1", output="x" * 100_000)
        RunStore.open(sqlite)._database.close()
        whole = sqlite.read_bytes()
        sqlite.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
        RunStore.open(sqlite)._database._identity = None
    before = sqlite.read_bytes()
    record("r2")
    record("r3")
    (warning,) = warned
    assert str(sqlite) in warning
    assert "Move it away" in warning
    with pytest.raises(RecordsError, match="The file is damaged"):
        len(runs)
    assert sqlite.read_bytes() == before
    for file in sqlite.parent.glob("flowlib.db*"):
        file.rename(file.with_name(f"old-{file.name}"))
    record("r4")
    assert [run.id for run in runs] == ["r4"]
    assert len(warned) == 1


def test_a_file_that_was_deleted_is_made_anew(sqlite: Path) -> None:
    record("r1")
    for file in sqlite.parent.glob("flowlib.db*"):
        file.unlink()
    assert len(runs) == 0
    record("r2")
    assert [run.id for run in runs] == ["r2"]


def test_a_database_that_may_only_be_read(
    sqlite: Path,
    monkeypatch: pytest.MonkeyPatch,
    warned: list[str],
) -> None:
    record("r1")
    recorder = Recorder()
    recorder.run_started(started("gone", "a"))
    recorder.flush()
    make_writer_dead("gone", sqlite)
    monkeypatch.setenv("FLOWLIB_DATABASE_URL", f"sqlite:///file:{sqlite}?mode=ro&uri=true")
    record("r2")
    record("r3")
    (warning,) = warned
    assert "readonly" in warning
    assert "May this user write" in warning
    assert {run.id: (run.status, run.error) for run in runs} == {
        "r1": ("success", None),
        "gone": ("cancelled", INTERRUPTED),
    }
    assert runs["gone"].interrupted
    monkeypatch.delenv("FLOWLIB_DATABASE_URL")
    assert pragma_rows(sqlite) == [("gone", "running"), ("r1", "success")]


def pragma_rows(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT id, status FROM flowlib_runs ORDER BY id").fetchall()


def make_writer_dead(run_id: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE flowlib_runs SET process_started = 1 WHERE id = ?", [run_id])
        connection.commit()


# A limit on the size of files is the full disk that every machine can have.
FULL = """
import logging, resource, sys
logging.basicConfig(format="%(message)s")
from flowlib_nb.engine.records import *
from datetime import UTC, datetime
def record(run_id, output):
    recorder = Recorder()
    recorder.run_started(RunStarted(run_id, "f", "", datetime.now(UTC), (NodeStarted("a", "js", 0),)))
    recorder.node_ended(NodeEnded(run_id, "a", "success", 1, None, 1.0, 1, {}, output, None, ()))
    recorder.run_ended(RunEnded(run_id, "success", 1.0, None))
    recorder.flush()
record("before", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
import os
for number in range(5):
    record(f"large{number}", os.urandom(400_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
record("after", 2)
print(sorted((run.id, run.status) for run in runs))
"""


def test_a_full_disk_costs_records_and_no_run(sqlite: Path) -> None:
    root = str(Path(flowlib_nb.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", FULL], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[('after', 'success'), ('before', 'success')]"
    assert done.stderr.count("Runs are not being recorded in") == 1
    assert str(sqlite) in done.stderr


def test_a_folder_in_the_place_of_the_file(sqlite: Path, warned: list[str]) -> None:
    sqlite.mkdir(parents=True)
    record("r1")
    assert "unable to open database file" in next(iter(warned))
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("no url", "not the URL of a database"),
        ("oracle+nosuch://u:word-4b7d0c@h/d", "not installed"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/d", "write %40 for it"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("postgresql://u:p%40ss%2Fword-4b7d0c@127.0.0.1:1/d", "127.0.0.1"),
        ("postgresql://127.0.0.1:1/d?user=u&password=p%40ss%2Fword-4b7d0c", "127.0.0.1"),
        ("postgresql://u:p%40ss%2Fword-4b7d0c@127.0.0.1:port/d", "not the URL of a database"),
    ],
)
def test_a_wrong_address_is_one_message_without_the_password(
    url: str, message: str, workspace: Path, options: RunRecords,
    monkeypatch: pytest.MonkeyPatch, warned: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FLOWLIB_DATABASE_URL", url)
    record("r1")
    with pytest.raises((ConfigError, RecordsError)) as caught:
        len(runs)
    (warning,) = warned
    for shown in (warning, str(caught.value), repr(caught.value)):
        assert "word-4b7d0c" not in shown
    assert message in str(caught.value)
    assert message in warning


def test_a_wrong_password_is_not_shown(
    postgres: Postgres, workspace: Path, options: RunRecords,
    monkeypatch: pytest.MonkeyPatch, warned: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FLOWLIB_DATABASE_URL", postgres.url(password="wrong-4b7d0c"))
    record("r1")
    (warning,) = warned
    assert "password authentication failed" in warning
    assert "4b7d0c" not in warning


def test_a_password_in_a_message_of_the_database_is_masked() -> None:
    database = Database(DatabaseUrl("postgresql://u:p%40ss%2Fword-4b7d0c@127.0.0.1:1/d"))
    for form in ("p@ss/word-4b7d0c", "p%40ss%2Fword-4b7d0c"):
        assert f"used: bad {MASK} there." in str(database._error(f"bad {form} there"))


def test_several_make_the_tables_at_once(records: RunRecords) -> None:
    """Each with connections of its own, as processes have."""
    location = records.location()
    together = threading.Barrier(8)
    versions = []

    def make() -> None:
        database = Database(location)
        together.wait()
        with database.writing() as connection:
            versions.append(connection.execute(text("SELECT version FROM flowlib_schema")).all())
        database.close()

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions == [[(schema.VERSION,)]] * 8


def test_a_password_of_special_characters(
    postgres: Postgres, workspace: Path, options: RunRecords,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("FLOWLIB_DATABASE_URL", new_database(postgres))
    record("r1")
    location = Recorder().location
    assert len(runs) == 1
    for text_shown in (repr(location), repr(runs), caplog.text):
        assert "SECRET" not in text_shown
    assert quote(SERVER_PASSWORD, safe="") in str(location)


def test_the_password_of_an_option_is_not_shown(options: RunRecords) -> None:
    options.database_url = "postgresql://u:secret-4b7d0c@h/d?password=secret-4b7d0c&x=1"
    location = options.location()
    shown = (
        repr(options.database_url), repr(location), RunRecords.class_get_help(options),
        repr(options.trait_values()), location.shown,
    )  # fmt: skip
    assert "4b7d0c" not in str(shown)
    assert location.shown == "postgresql://u:••••@h/d?password=••••&x=1"
    assert location == "postgresql://u:secret-4b7d0c@h/d?password=secret-4b7d0c&x=1"


def test_the_option_comes_before_the_environment(
    workspace: Path,
    options: RunRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert options.location() == workspace / ".flowlib" / "flowlib.db"
    monkeypatch.setenv("FLOWLIB_DATABASE_URL", f"sqlite:///{workspace}/environment.db")
    assert options.location() == DatabaseUrl(f"sqlite:///{workspace}/environment.db")
    options.database_url = f"sqlite:///{workspace}/option.db"
    record("r1")
    assert {path.name for path in workspace.iterdir() if path.suffix == ".db"} == {"option.db"}
    assert modes_of(workspace / "option.db") == 0o600
    assert [run.id for run in runs] == ["r1"]


def modes_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_server_that_went_away_comes_back(
    postgres: Postgres, workspace: Path, options: RunRecords,
    monkeypatch: pytest.MonkeyPatch, warned: list[str],
) -> None:  # fmt: skip
    """All connections are cut between two runs; a pool would hand out a dead one."""
    monkeypatch.setenv("FLOWLIB_DATABASE_URL", new_database(postgres))
    record("r1")
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        f"AND usename = '{USER}'"
    )
    record("r2")
    assert sorted(run.id for run in runs) == ["r1", "r2"]
    assert len(warned) == 0


def test_which_process_is_gone() -> None:
    from dataclasses import replace

    me = ProcessIdentity.current()
    assert not me.is_gone()
    assert replace(me, started=me.started - 100).is_gone()
    assert replace(me, boot="another").is_gone() == bool(me.boot)
    assert not replace(me, boot="").is_gone()
    assert not replace(me, host="another machine", started=1.0).is_gone()
    assert replace(me, pid=2**22 + 1).is_gone()


def test_the_end_of_a_run_whose_node_could_not_be_written(
    sqlite: Path,
    monkeypatch: pytest.MonkeyPatch,
    warned: list[str],
) -> None:
    """It does not stay `running` for ever."""
    recorder = Recorder()
    recorder.run_started(started("r1", "a"))
    recorder.flush()
    recorder.node_ended(ended("r1", "unknown"))
    recorder.node_ended(ended("r1", "a"))
    recorder.run_ended(RunEnded("r1", "success", 1.0, None))
    assert runs["r1"].status == "success"
    assert len(warned) == 1
