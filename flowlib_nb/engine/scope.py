"""What templates see: of each name what they reach, as JSON text that is made once in a run."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..frames import is_frame, to_plain
from ..templates.reach import Reach, Way, reached
from ..templates.render import to_json
from .plan import INPUT, INPUTS, PREVIOUS, RUN, Plan, Step


class JsonCache:
    """JSON texts of the values of a run, each made once."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, Way], bytes] = {}

    def text(self, key: tuple[str, Way], value: Any) -> bytes:
        """The text under a key, of the value when it is not there yet."""
        if key not in self._texts:
            self._texts[key] = to_json(to_plain(value))
        return self._texts[key]


class Upstream(Mapping[str, Any]):
    """The values of the nodes upstream of one; which these are is found out when somebody asks.

    Parameters
    ----------
    plan : Plan
        The graph.
    step : Step
        The node.
    values : mapping
        Of all nodes that are done.
    """

    def __init__(self, plan: Plan, step: Step, values: Mapping[str, Any]) -> None:
        self._plan = plan
        self._step = step
        self._values = values

    def __getitem__(self, name: str) -> Any:
        """Return a node's value."""
        if name in self._step.needs or name in self._names:
            return self._values[name]
        raise KeyError(name)

    @functools.cached_property
    def _names(self) -> list[str]:
        return [name for name in self._plan.upstream(self._step.name) if name in self._values]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the nodes, each after what it needs."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self._names)


class Scope:
    """The names that a node's templates may use.

    Parameters
    ----------
    step : Step
        The node.
    values : mapping
        Of the nodes upstream, by name.
    inputs : mapping
        The run's inputs.
    run_info : mapping
        ``id``, ``flow``, ``started_at``.
    cache : JsonCache
        Of the run.
    """

    def __init__(
        self,
        step: Step,
        values: Mapping[str, Any],
        inputs: Mapping[str, Any],
        run_info: Mapping[str, Any],
        cache: JsonCache,
    ) -> None:
        self._step = step
        self._nodes = values
        self._own: dict[str, Any] = {INPUTS: inputs, RUN: run_info}
        self._cache = cache

    def value(self, name: str) -> Any:
        """The value of a name.

        Raises
        ------
        KeyError
            There is no such name, or it stands for several nodes.
        """
        return self._own[name] if name in self._own else self._nodes[name]

    def texts(self, reaches: Mapping[str, Reach]) -> dict[str, bytes]:
        """JSON of what code uses.

        Parameters
        ----------
        reaches : mapping of str to Reach
            For each name what is used of its value.

        Returns
        -------
        dict of str to bytes
            For each of those names that there is UTF-8 JSON, in which the code finds what it uses.
        """
        known = {name for name in reaches if self._is_known(name)}
        return {name: to_json(self._part(name, reaches[name])) for name in known}

    def _is_known(self, name: str) -> bool:
        return name in self._own or name in (INPUT, PREVIOUS) or name in self._nodes

    def _part(self, name: str, reach: Reach) -> Any:
        if name not in (INPUT, PREVIOUS):
            text = functools.partial(self._raw, name)
            return reached(self.value(name), reach, text, _with_rows)
        members = self._members(name)

        def text_of_member(way: Way, value: Any) -> Any:
            # The same texts as where a member is named by itself.
            if way:
                return self._raw(str(way[0]), way[1:], value)
            return {member: self._raw(member, (), value) for member, value in members.items()}

        return reached(members, reach, text_of_member, _with_rows)

    def _members(self, name: str) -> dict[str, Any]:
        nodes = {node: self._nodes[node] for node in sorted(self._nodes)}
        if name == INPUT:
            return {INPUTS: self._own[INPUTS], **nodes}
        return {node: value for node, value in nodes.items() if node not in self._step.needs}

    def text(self, name: str, way: Way, value: Any) -> bytes:
        """JSON of what a way into a name's value leads to."""
        return self._cache.text((name, way), value)

    def _raw(self, name: str, way: Way, value: Any) -> msgspec.Raw:
        return msgspec.Raw(self.text(name, way, value))


def _with_rows(value: Any, reach: Reach) -> Any:
    """A frame of which single rows or the length are used as an object of these."""
    if not is_frame(value):
        return value
    if not all(isinstance(step, int) or step == "length" for step in reach):
        return value
    rows = [step for step in reach if isinstance(step, int) and step < len(value)]
    records = {str(row): to_plain(value.iloc[row : row + 1])[0] for row in rows}
    return {**records, "length": len(value)}
