"""Values to DataFrames and back."""

from .convert import row_count, to_frame, to_plain

__all__ = ["row_count", "to_frame", "to_plain"]
