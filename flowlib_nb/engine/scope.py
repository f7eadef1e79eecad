"""What templates see: of each name what they reach, as JSON text that is made once in a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..frames import is_frame, to_plain
from ..templates.reach import Reach, Way, reached
from ..templates.render import to_json
from .plan import INPUT, INPUTS, PREVIOUS, RUN, Step


class JsonCache:
    """JSON texts of the values of a run, each made once."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, Way], bytes] = {}

    def text(self, key: tuple[str, Way], value: Any) -> bytes:
        """The text under a key, of the value when it is not there yet."""
        if key not in self._texts:
            self._texts[key] = to_json(to_plain(value))
        return self._texts[key]


class Scope:
    """The names that a node's templates may use.

    Parameters
    ----------
    step : Step
        The node.
    values : mapping
        Values of finished nodes, by name.
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
        nodes = sorted(name for name in step.ancestors if name in values)
        self._values = {name: values[name] for name in nodes}
        self._values[INPUTS] = dict(inputs)
        self._values[RUN] = dict(run_info)
        # Names whose value is an object of other names' values.
        self._groups = {
            INPUT: [INPUTS, *nodes],
            PREVIOUS: [node for node in nodes if node not in step.needs],
        }
        self._cache = cache

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
        known = {name for name in reaches if name in self._values or name in self._groups}
        return {name: to_json(self._part(name, reaches[name])) for name in known}

    def _part(self, name: str, reach: Reach) -> Any:
        if name not in self._groups:
            value = _with_rows(self._values[name], reach)
            return reached(value, reach, lambda way, value: self._text(name, way, value))
        members = {member: self._values[member] for member in self._groups[name]}

        def text(way: Way, value: Any) -> Any:
            # The same texts as where a member is named by itself.
            if way:
                return self._text(str(way[0]), way[1:], value)
            return {member: self._text(member, (), value) for member, value in members.items()}

        return reached(members, reach, text)

    def _text(self, name: str, way: Way, value: Any) -> msgspec.Raw:
        return msgspec.Raw(self._cache.text((name, way), value))


def _with_rows(value: Any, reach: Reach) -> Any:
    """A frame of which single rows are used as an object of these rows."""
    if not is_frame(value) or not all(isinstance(step, int) for step in reach):
        return value
    rows = [step for step in reach if isinstance(step, int) and step < len(value)]
    return {row: to_plain(value.iloc[row : row + 1])[0] for row in rows} if reach else value
