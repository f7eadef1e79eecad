"""Where `file.read`, `file.write` and databases in files may go."""

from __future__ import annotations

from traitlets import Bool
from traitlets.config import SingletonConfigurable


class FileOptions(SingletonConfigurable):
    """Which files flows may use."""

    allow_outside = Bool(
        False,
        help="Whether flows may read and write files outside the workspace folder: by file.read "
        "and file.write, and SQLite files of credentials.",
    ).tag(config=True)
