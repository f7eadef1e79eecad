"""``frame``: a value as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from ...errors import NodeError
from ...frames import to_frame, to_plain
from .base import Action, ActionContext, Parameters

if TYPE_CHECKING:
    import pandas as pd


class FrameParameters(Parameters):
    """Parameters of ``frame``."""

    value: Any = Field(description="A frame, records, columns or a response.")
    flatten: bool = Field(
        default=False,
        description="Make columns of members of mappings: address.city; lists stay as they are.",
    )
    columns: list[str] | dict[str, str] | None = Field(
        default=None, description="The columns to keep, in order; as a mapping, with new names."
    )


class FrameAction(Action):
    """Makes a DataFrame, whose integers and booleans survive gaps."""

    name = "frame"
    summary = "A value as a DataFrame: columns chosen, renamed, nested ones flattened."
    parameters = FrameParameters
    takes_frames = True

    async def run(self, context: ActionContext, parameters: FrameParameters) -> pd.DataFrame:
        """Make the frame in a thread."""
        return await context.in_thread(_frame, parameters)


def _frame(parameters: FrameParameters) -> pd.DataFrame:
    value = to_plain(parameters.value) if parameters.flatten else parameters.value
    frame = to_frame(_flat(value) if parameters.flatten else value)
    if parameters.columns is None:
        return frame
    names = dict(parameters.columns) if isinstance(parameters.columns, dict) else {}
    wanted = list(names) if names else list(parameters.columns)
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        from ...hints import did_you_mean

        hint = did_you_mean(missing[0], [str(name) for name in frame.columns])
        raise NodeError(f"The value has no column {missing[0]!r}.", hint=hint)
    return frame[wanted].rename(columns=names)


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return [_flat_record(item) if isinstance(item, dict) else item for item in value]
    return _flat_record(value) if isinstance(value, dict) else value


def _flat_record(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat.update(_flat_record(value, f"{name}."))
        else:
            flat[name] = value
    return flat
