"""``wait`` and ``fail``."""

from __future__ import annotations

import asyncio

from pydantic import Field

from ...errors import NodeError
from .base import Action, ActionContext, Parameters


class WaitParameters(Parameters):
    """Parameters of ``wait``."""

    seconds: float = Field(ge=0, le=86_400, description="How long to wait, up to a day.")


class WaitAction(Action):
    """Waits without holding anything up."""

    name = "wait"
    summary = "A pause."
    parameters = WaitParameters

    async def run(self, context: ActionContext, parameters: WaitParameters) -> float:
        """Wait, and return the seconds."""
        await asyncio.sleep(parameters.seconds)
        return parameters.seconds


class FailParameters(Parameters):
    """Parameters of ``fail``."""

    message: str = Field(min_length=1, description="What to say.")
    hint: str | None = Field(default=None, description="What to do about it.")


class FailAction(Action):
    """Fails, for flows that notice by themselves that something is wrong."""

    name = "fail"
    summary = "An error with a message of one's own."
    parameters = FailParameters
    is_pure = True

    def run_pure(self, context: ActionContext, parameters: FailParameters) -> None:
        """Fail."""
        raise NodeError(parameters.message, hint=parameters.hint)
