"""What templates see: each name as JSON text, made once and only when a template uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..frames import to_plain
from ..templates.render import to_json
from .plan import INPUT, INPUTS, PREVIOUS, RUN, Step


class JsonCache:
    """JSON texts of the values of a run, each made once."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}

    def text(self, key: str, value: Callable[[], Any]) -> bytes:
        """The text under a key, from the value's function when it is not there yet."""
        if key not in self._texts:
            self._texts[key] = to_json(to_plain(value()))
        return self._texts[key]


class Scope(Mapping[str, bytes]):
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
        self._step = step
        self._values = values
        self._inputs = inputs
        self._run_info = run_info
        self._cache = cache
        self._nodes = sorted(name for name in step.ancestors if name in values)

    def __getitem__(self, name: str) -> bytes:
        """Return a name's JSON text."""
        if name == RUN:
            return self._cache.text(RUN, lambda: self._run_info)
        if name == INPUTS:
            return self._cache.text(INPUTS, lambda: self._inputs)
        if name == INPUT:
            return _object({INPUTS: self[INPUTS], **{node: self[node] for node in self._nodes}})
        if name == PREVIOUS:
            earlier = [node for node in self._nodes if node not in self._step.needs]
            return _object({node: self[node] for node in earlier})
        if name in self._nodes:
            return self._cache.text(f"node {name}", lambda: self._values[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names."""
        return iter([RUN, INPUTS, INPUT, PREVIOUS, *self._nodes])

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._nodes) + 4


def _object(members: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join(to_json(name) + b":" + text for name, text in members.items()) + b"}"
