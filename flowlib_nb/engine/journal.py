"""Tells the records of a run what happens in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import FOLDER, Workspace
from ..frames import row_count
from ..models.run import NodeState, Status
from .actions.base import BoundCredential
from .actions.http.redaction import Redactor
from .options.records import RunRecords
from .records.events import FailedItemRecord, NodeEnded, NodeStarted, RunEnded, RunStarted
from .records.recorder import Recorder

if TYPE_CHECKING:
    from ..vault import Vault
    from .plan import Plan, Step
    from .run import Run


class Journal:
    """Records one run, with the secrets of the credentials that it uses masked.

    Parameters
    ----------
    run : Run
        Which has not begun.
    text : str
        The flow's definition.
    plan : Plan
        What is run.
    vault : Vault or None
        Whose workspace the records belong to; the working directory's where there is none.
    """

    def __init__(self, run: Run, text: str, plan: Plan, vault: Vault | None) -> None:
        self._run = run
        self._text = text
        self._plan = plan
        self._used: list[BoundCredential] = []
        self._redactor = Redactor()
        self._known = 0
        location = None
        folder = Path(vault.path).parent if vault is not None else None
        if folder is not None and folder.name == FOLDER:
            location = RunRecords.instance().location(Workspace(folder.parent))
        self._recorder = Recorder(redact=self._redacted, location=location)

    def noting(
        self, credential: Callable[[str], BoundCredential]
    ) -> Callable[[str], BoundCredential]:
        """What gives credentials, so that those it gives are masked from then on."""

        def get(name: str) -> BoundCredential:
            bound = credential(name)
            self._used.append(bound)
            return bound

        return get

    def began(self) -> None:
        """The run has begun."""
        nodes = tuple(
            NodeStarted(name, step.action.name, place)
            for place, (name, step) in enumerate(self._plan.steps.items())
        )
        run = self._run
        event = RunStarted(run.id, run.flow, self._text, run.started_at, nodes)
        self._recorder.run_started(event)

    def node_ended(self, step: Step, state: NodeState) -> None:
        """A node has ended, or will never begin."""
        # What JavaScript gave is the output; what it was is in the flow's text.
        given = step.definition.with_ if step.action.name == "js" else state.parameters
        failed = tuple(
            FailedItemRecord(item.index, item.item, str(item.error)) for item in state.failed_items
        )
        self._recorder.node_ended(
            NodeEnded(
                self._run.id,
                state.name,
                state.status.value,
                state.attempt,
                state.started,
                state.seconds,
                row_count(state.value) if state.status is Status.SUCCESS else None,
                given,
                state.value,
                str(state.error) if state.error else None,
                failed,
            )
        )

    def ended(self) -> None:
        """The run has ended."""
        run = self._run
        error = str(run.error) if run.error else None
        self._recorder.run_ended(RunEnded(run.id, run.status.value, run.seconds, error))

    def _redacted(self, text: str) -> str:
        if self._known != len(self._used):
            self._known = len(self._used)
            self._redactor = Redactor.for_credentials(self._used)
        return self._redactor.text(text)
