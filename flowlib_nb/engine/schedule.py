"""In which order nodes run, and which are left out: decided from statuses alone, nothing is run."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..models.flow import Branch
from .plan import Step

Outcome = Literal["success", "skipped", "failed", "blocked"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a node whose needs are done runs.

    Parameters
    ----------
    outcome : str or None
        None where it runs; ``skipped`` where no way leads to it; ``blocked`` where something that
        it needs failed, or was itself blocked.
    cause : str
        The node because of which it is blocked.
    """

    outcome: Outcome | None
    cause: str = ""


class Schedule:
    """The state of a graph that is being run.

    A node is skipped only when *all* ways to it are closed: their nodes were skipped, or took
    another branch. One that failed blocks whatever needs it.

    Parameters
    ----------
    steps : mapping of str to Step
        Each after what it needs.
    """

    def __init__(self, steps: Mapping[str, Step]) -> None:
        self._steps = steps
        self._missing = {name: len(step.needs) for name, step in steps.items()}
        self._dependants: dict[str, list[str]] = {name: [] for name in steps}
        for name, step in steps.items():
            for need in step.needs:
                self._dependants[need].append(name)
        self._outcomes: dict[str, Outcome] = {}
        self._taken: dict[str, tuple[Branch, ...]] = {}
        self._ready = deque(name for name, count in self._missing.items() if not count)

    def next(self) -> str | None:
        """A node whose needs are done, each once; None where there is none now."""
        return self._ready.popleft() if self._ready else None

    def verdict(self, name: str) -> Verdict:
        """Whether a node that :meth:`next` gave runs."""
        step = self._steps[name]
        for need in step.needs:
            if self._outcomes[need] in ("failed", "blocked"):
                return Verdict("blocked", need)
        if step.ways and not any(self.is_open(name, way) for way in step.ways):
            return Verdict("skipped")
        return Verdict(None)

    def is_open(self, name: str, need: str) -> bool:
        """Whether the way from a node that is done leads on to another.

        Parameters
        ----------
        name, need : str
            The other, and the one that is done.
        """
        if self._outcomes[need] != "success":
            return False
        wanted = self._steps[name].ways.get(need)
        return wanted is None or any(branch in self._taken[need] for branch in wanted)

    def done(self, name: str, outcome: Outcome, taken: tuple[Branch, ...] = ()) -> None:
        """A node has ended.

        Parameters
        ----------
        name : str
            The node.
        outcome : str
            How.
        taken : tuple
            Which of its branches it took.
        """
        self._outcomes[name] = outcome
        self._taken[name] = taken
        for dependant in self._dependants[name]:
            self._missing[dependant] -= 1
            if not self._missing[dependant]:
                self._ready.append(dependant)
