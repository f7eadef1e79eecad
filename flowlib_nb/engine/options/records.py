"""Where runs are recorded, and how much of them."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Bool, Int, Unicode
from traitlets.config import SingletonConfigurable

from ...config import Workspace
from ...models.secret import MASK

DATABASE_URL_VARIABLE = "FLOWLIB_DATABASE_URL"
# In the user's state folder, for runs outside of workspaces.
RUNS_FOLDER = "runs"
# To the last @: who writes a password by hand may leave one in it.
_PASSWORD = re.compile(r"(://[^:@/]*:).*@", re.DOTALL)
_QUERY_PASSWORD = re.compile(r"((?:^|[?&])[^=&]*password=)[^&]*", re.IGNORECASE)


class DatabaseUrl(str):
    """The address of a database, whose ``repr`` hides the password."""

    __slots__ = ()

    @property
    def shown(self) -> str:
        """The address with the password masked."""
        masked = _PASSWORD.sub(rf"\g<1>{MASK}@", self)
        return _QUERY_PASSWORD.sub(rf"\g<1>{MASK}", masked)

    def __repr__(self) -> str:
        """Show it with the password masked."""
        return repr(self.shown)


# A path is an SQLite file.
Location = Path | DatabaseUrl


def shown(location: Location) -> str:
    """A location for messages, without a password."""
    return location.shown if isinstance(location, DatabaseUrl) else str(location)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept.

    Parameters
    ----------
    max_value_bytes : int
        Bytes of JSON of one value.
    keep_runs : int
        How many runs.
    keep_days : int
        For how many days.
    """

    max_value_bytes: int
    keep_runs: int
    keep_days: int


class _DatabaseUrlTrait(Unicode):  # type: ignore[type-arg]
    """Wraps what it is given, since ``%config`` shows values by their ``repr``."""

    def validate(self, obj: Any, value: Any) -> Any:
        return DatabaseUrl(super().validate(obj, value))


class RunRecords(SingletonConfigurable):
    """Records each run in a database: ``fl.runs`` and ``flowlib runs`` show them."""

    enabled = Bool(True, help="Whether runs are recorded.").tag(config=True)
    database_url = _DatabaseUrlTrait(
        "",
        help="SQLAlchemy URL of the database, such as postgresql://user@host/name; without it "
        f"{DATABASE_URL_VARIABLE} counts, then the workspace's .flowlib/flowlib.db. A password is "
        "better kept in the environment variable or in ~/.pgpass.",
    ).tag(config=True)
    keep_runs = Int(1000, min=1, help="How many runs are kept.").tag(config=True)
    keep_days = Int(90, min=1, help="For how many days a run is kept.").tag(config=True)
    max_value_bytes = Int(
        1_000_000,
        min=1_000,
        max=64_000_000,
        help="Bytes of JSON that are kept of one value; of a longer list or frame the first rows.",
    ).tag(config=True)

    def location(self, workspace: Workspace | None = None) -> Location:
        """The database.

        Parameters
        ----------
        workspace : Workspace, optional
            The one at or above the working directory if left out.

        Returns
        -------
        Path or DatabaseUrl
            The workspace's SQLite file, or another database's address. Where there is no
            ``.flowlib`` yet, a file in the user's state folder: a run shall not make one, since all
            folders below would then belong to that workspace.
        """
        url = self.database_url or os.environ.get(DATABASE_URL_VARIABLE, "")
        if url:
            return DatabaseUrl(url)
        workspace = workspace or Workspace.find()
        if workspace.folder.is_dir():
            return workspace.database_path
        from platformdirs import user_state_path

        name = hashlib.sha256(str(workspace.root).encode()).hexdigest()[:16]
        folder = user_state_path("flowlib")
        # Without a home the folder is relative, and would be made in the working directory.
        return (folder if folder.is_absolute() else workspace.folder) / RUNS_FOLDER / f"{name}.db"

    def limits(self) -> Limits:
        """How much is kept."""
        return Limits(self.max_value_bytes, self.keep_runs, self.keep_days)
