"""Values to DataFrames and back."""

from .convert import body_of_response, is_frame, row_count, to_frame, to_plain

__all__ = ["body_of_response", "is_frame", "row_count", "to_frame", "to_plain"]
