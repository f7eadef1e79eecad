"""``file.read`` and ``file.write``: CSV, JSON, NDJSON and Parquet files of the workspace."""

from ...options.files import FileOptions
from .action import FileReadAction, FileWriteAction
from .paths import workspace_path

__all__ = ["FileOptions", "FileReadAction", "FileWriteAction", "workspace_path"]
