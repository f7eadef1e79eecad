"""``subflow``: a whole flow as one node."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Action, ActionContext, Parameters


class SubflowParameters(Parameters):
    """Parameters of ``subflow``."""

    flow: str = Field(
        min_length=1,
        description="A flow that was named in this session, a variable that holds one, or a file.",
    )
    inputs: dict[str, Any] = Field(default_factory=dict, description="Its inputs.")


class SubflowAction(Action):
    """Runs another flow; the value is that flow's output."""

    name = "subflow"
    summary = "Another flow's output."
    parameters = SubflowParameters

    async def run(self, context: ActionContext, parameters: SubflowParameters) -> Any:
        """Run it."""
        return await context.run_flow(parameters.flow, parameters.inputs)
