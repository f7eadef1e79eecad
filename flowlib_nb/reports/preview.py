"""The first rows of a value, as text and HTML show them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..frames import row_count, to_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a value.

    Parameters
    ----------
    frame : pandas.DataFrame
        These rows; objects and lists in them as JSON.
    total : int
        How many rows there are.
    """

    frame: pd.DataFrame
    total: int

    @classmethod
    def of(cls, value: Any, rows: int) -> Preview:
        """Take the first rows of what a node gave."""
        frame = to_frame(value)
        total = len(frame) if hasattr(value, "columns") else row_count(value)
        shown = frame.head(rows).copy(deep=False)
        for position, kind in enumerate(shown.dtypes):
            if kind.kind == "O":
                column: Any = shown.iloc[:, position].map(_as_json)
                shown.isetitem(position, column)
        return cls(shown, total)


def _as_json(value: Any) -> Any:
    # A template's author thinks of them as JavaScript's, not as Python's.
    if not isinstance(value, (dict, list)):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return value
