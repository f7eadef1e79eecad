"""What a node with ``each`` gives of what its items gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import NodeError
from ..frames import body_of_response, is_frame
from ..models.run import UNDONE

if TYPE_CHECKING:
    from ..models.flow import Each


def collected(each: Each, values: Sequence[Any], keys: Sequence[Any] | None) -> Any:
    """The node's value.

    Parameters
    ----------
    each : Each
        Says how.
    values : sequence
        One for each item, in order; ``UNDONE`` for those that failed.
    keys : sequence or None
        One for each item, for ``collect: object``; None for their indexes.

    Raises
    ------
    NodeError
        Two items have the same key, a key is no text or number, or an item for ``concat`` gave no
        list.
    """
    if each.collect == "object":
        return _object(each, values, keys)
    left = [value for value in values if value is not UNDONE]
    if each.collect == "first":
        return left[0] if left else None
    if each.collect == "last":
        return left[-1] if left else None
    if each.collect == "concat":
        return _concat(values)
    if each.on_error == "skip":
        return left
    return [None if value is UNDONE else value for value in values]


def _object(each: Each, values: Sequence[Any], keys: Sequence[Any] | None) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for index, value in enumerate(values):
        if value is UNDONE and each.on_error == "skip":
            continue
        key = index if keys is None else keys[index]
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise NodeError(f"The key of item {index} is not a text or a whole number.")
        if str(key) in members:
            raise NodeError(
                f"Two items have the key {str(key)!r}; the second is item {index}.",
                hint="Make each.key different for each item, or collect an array.",
            )
        members[str(key)] = None if value is UNDONE else value
    return members


def _concat(values: Sequence[Any]) -> Any:
    parts = {
        f"item {index}": part
        for index, value in enumerate(values)
        if value is not UNDONE and (part := body_of_response(value)) is not None
    }
    return joined(parts)


def joined(parts: Mapping[str, Any]) -> Any:
    """Lists or frames as one.

    Parameters
    ----------
    parts : mapping
        In order, each with what an error calls it.

    Raises
    ------
    NodeError
        One is neither.
    """
    if parts and all(is_frame(part) for part in parts.values()):
        import pandas as pd

        return pd.concat(list(parts.values()), ignore_index=True)
    items: list[Any] = []
    for name, part in parts.items():
        if not isinstance(part, list):
            raise NodeError(
                f"concat joins lists, or frames, not both; {name} gave {type(part).__name__}.",
                hint="Take array or object instead.",
            )
        items += part
    return items
