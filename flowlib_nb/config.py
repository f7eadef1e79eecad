"""Where the workspace is, and what the environment says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigError

FOLDER = ".flowlib"
WORKSPACE_VARIABLE = "FLOWLIB_WORKSPACE"
# Set by the server extension for the kernels that the server starts.
SERVER_ROOT_VARIABLE = "FLOWLIB_SERVER_ROOT"
ENVIRONMENT_VARIABLE = "FLOWLIB_ENV"
_GITIGNORE = """\
# The vault (vault.json) is encrypted and safe to commit; these are not.
flowlib.db*
*.lock
*.tmp
"""


def is_production() -> bool:
    """Whether ``FLOWLIB_ENV=production`` is set."""
    return os.environ.get(ENVIRONMENT_VARIABLE, "").strip().lower() == "production"


def expanded(path: str | Path) -> Path:
    """A path with ``~`` replaced by the user's home.

    Raises
    ------
    ConfigError
        There is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(f"There is no home for the ~ in {path}.") from None


def resolved(path: str | Path) -> Path:
    """An absolute path without links.

    Raises
    ------
    ConfigError
        It leads in circles, the working directory is gone, or there is no such user.
    """
    try:
        return expanded(path).resolve()
    except (RuntimeError, OSError, ValueError):
        raise ConfigError(
            f"The path {str(path)!r} leads nowhere.",
            hint="Does the working directory still exist, and is no link a circle?",
        ) from None


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder in which flows run and that holds ``.flowlib/``.

    Parameters
    ----------
    root : Path
        Absolute; ``root / ".flowlib"`` need not exist yet.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """The ``.flowlib`` folder."""
        return self.root / FOLDER

    @property
    def vault_path(self) -> Path:
        """The encrypted vault file."""
        return self.folder / "vault.json"

    @property
    def database_path(self) -> Path:
        """The SQLite file for run history and plugin tables."""
        return self.folder / "flowlib.db"

    @classmethod
    def find(cls, start: Path | None = None) -> Workspace:
        """The workspace for a working directory.

        Parameters
        ----------
        start : Path, optional
            Defaults to the current directory. ``FLOWLIB_WORKSPACE`` overrides it.

        Returns
        -------
        Workspace
            The nearest folder at or above ``start`` that holds ``.flowlib/``. Where there is none
            yet: the root of the Jupyter server that started this kernel, if ``start`` lies under
            it, so that kernel and server agree; else ``start``.

        Raises
        ------
        ConfigError
            ``FLOWLIB_WORKSPACE`` names something that is not a folder.
        """
        override = os.environ.get(WORKSPACE_VARIABLE)
        if override:
            root = resolved(override)
            if not root.is_dir():
                raise ConfigError(
                    f"{WORKSPACE_VARIABLE} names {root}, which is not a folder.",
                    hint="Create the folder or unset the variable.",
                )
            return cls(root)
        here = resolved(start or ".")
        for folder in (here, *here.parents):
            if (folder / FOLDER).is_dir():
                return cls(folder)
        server_root = os.environ.get(SERVER_ROOT_VARIABLE)
        if server_root and here.is_relative_to(server_root):
            return cls(Path(server_root))
        return cls(here)

    def ensure(self) -> Path:
        """Create ``.flowlib`` (mode 0700) and its ``.gitignore`` on first write.

        Returns
        -------
        Path
            The ``.flowlib`` folder.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text(_GITIGNORE, encoding="utf-8")
        return self.folder
