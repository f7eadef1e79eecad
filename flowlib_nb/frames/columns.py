"""The columns of a frame that templates use, as lists that JSON can be made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .convert import items_of

if TYPE_CHECKING:
    import pandas as pd

    from ..templates.names import Use

# The name of the whole row; a column of this name is row.row.
ROW = "row"


@dataclass(frozen=True, slots=True)
class Columns:
    """What the rows of a frame bring into a template.

    Parameters
    ----------
    size : int
        How many rows there are.
    named : mapping of str to list
        The columns that are names, each converted once.
    whole : mapping of str to list or None
        The columns of ``row``, where the template uses that.
    """

    size: int
    named: Mapping[str, list[Any]]
    whole: Mapping[str, list[Any]] | None

    @classmethod
    def of(cls, frame: pd.DataFrame, uses: Iterable[Use]) -> Columns:
        """Those of a frame's columns that a template uses.

        Parameters
        ----------
        frame : pandas.DataFrame
            The frame.
        uses : iterable of Use
            The template's uses of outer names.

        Raises
        ------
        InputError
            Two columns have the name.
        """
        places: dict[str, list[int]] = {}
        for place, name in enumerate(frame.columns):
            places.setdefault(str(name), []).append(place)
        uses = list(uses)
        used = {use.name for use in uses} - {ROW}
        # Of `row.a` and `row.b` these two are enough; any other use may look at every column.
        members = {use.member for use in uses if use.name == ROW}
        in_row = members if members <= places.keys() else places.keys()
        wanted = [name for name in places if name in used or name in in_row]
        for name in wanted:
            if len(places[name]) > 1:
                raise InputError(f"The frame has {len(places[name])} columns named {name!r}.")
        lists = {name: _finite_items(frame.iloc[:, places[name][0]]) for name in wanted}
        named = {name: items for name, items in lists.items() if name in used}
        whole = {name: items for name, items in lists.items() if name in in_row}
        return cls(len(frame), named, whole if members else None)

    @property
    def names(self) -> list[str]:
        """The names that the rows bring."""
        return [*self.named, *([] if self.whole is None else [ROW])]

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        """The rows from one to before another.

        Parameters
        ----------
        start, stop : int
            Positions.
        """
        rows = _records(self.named, start, stop)
        if self.whole is not None:
            for row, record in zip(rows, _records(self.whole, start, stop), strict=True):
                # What is not there is undefined, as a missing value is by its name.
                row[ROW] = {name: item for name, item in record.items() if item is not None}
        return rows


def _finite_items(series: pd.Series[Any]) -> list[Any]:
    """A column as a list with None where a value is missing, or infinite."""
    items = items_of(series)
    if series.dtype.kind != "f":
        return items
    return [None if item is None or math.isinf(item) else item for item in items]


def _records(columns: Mapping[str, list[Any]], start: int, stop: int) -> list[dict[str, Any]]:
    if not columns:
        return [{} for _ in range(start, stop)]
    names = list(columns)
    slices = [items[start:stop] for items in columns.values()]
    return [dict(zip(names, values, strict=True)) for values in zip(*slices, strict=True)]
