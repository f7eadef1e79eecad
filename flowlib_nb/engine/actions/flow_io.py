"""``input`` and ``output``: where values enter and leave a flow."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ...errors import NodeError
from .base import Action, ActionContext, Parameters


class InputParameters(Parameters):
    """Parameters of ``input``."""

    name: str | None = Field(
        default=None, description="The input; the node's own name if left out."
    )
    default: Any = Field(default=None, description="Its value where the run gives none.")
    required: bool = Field(default=False, description="Whether a run without it fails.")


class InputAction(Action):
    """Gives one of the run's inputs."""

    name = "input"
    summary = "One of the run's inputs, with a default."
    parameters = InputParameters
    is_pure = True

    def run_pure(self, context: ActionContext, parameters: InputParameters) -> Any:
        """Return the input's value."""
        name = parameters.name or context.node
        value = context.inputs.get(name)
        if value is not None:
            return value
        if parameters.required:
            raise NodeError(
                f"The input {name!r} is required and was not given.",
                hint=f"Give it under inputs:, or as --in {name}=VALUE.",
            )
        return parameters.default


class OutputParameters(Parameters):
    """Parameters of ``output``."""

    value: Any = Field(description="What the flow gives.")


class OutputAction(Action):
    """Gives the flow's result."""

    name = "output"
    summary = "The flow's result."
    parameters = OutputParameters
    is_pure = True
    takes_frames = True

    def run_pure(self, context: ActionContext, parameters: OutputParameters) -> Any:
        """Return the value."""
        return parameters.value
