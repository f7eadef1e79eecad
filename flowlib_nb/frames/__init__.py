"""Values to DataFrames and back."""

from .convert import is_frame, row_count, to_frame, to_plain

__all__ = ["is_frame", "row_count", "to_frame", "to_plain"]
