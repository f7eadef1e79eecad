"""What is remembered between flows within one process: flows by name, and the last run of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..hints import did_you_mean

if TYPE_CHECKING:
    from .flow import Flow
    from .run import Run

# Runs hold their nodes' values.
_MOST_RUNS = 20
_SUFFIXES = (".yaml", ".yml", ".json")

named_flows: dict[str, Flow] = {}
_last_runs: OrderedDict[str, Run] = OrderedDict()


def remember(run: Run) -> None:
    """Keep a run as the last one of its flow."""
    _last_runs.pop(run.flow, None)
    _last_runs[run.flow] = run
    while len(_last_runs) > _MOST_RUNS:
        _last_runs.popitem(last=False)


def last_run(flow: str) -> Run | None:
    """The last run of a flow of a name in this process."""
    return _last_runs.get(flow)


def forget() -> None:
    """Let go of all flows and runs."""
    named_flows.clear()
    _last_runs.clear()


def find_flow(name: str, namespace: Mapping[str, Any]) -> Flow:
    """A flow by what a flow's author calls it.

    Parameters
    ----------
    name : str
        The name of a flow of this session, of a variable that holds one, or a file's path.
    namespace : mapping
        The notebook's variables.

    Raises
    ------
    InputError
        There is none.
    """
    from .flow import Flow

    if name in named_flows:
        return named_flows[name]
    if isinstance(flow := namespace.get(name), Flow):
        return flow
    if Path(name).suffix in _SUFFIXES:
        return Flow.from_file(name)
    variables = [key for key, value in namespace.items() if isinstance(value, Flow)]
    hint = did_you_mean(name, [*named_flows, *variables])
    raise InputError(
        f"There is no flow {name!r}.",
        hint=hint or "Name one with `%%flow NAME`, or give a file: name.flow.yaml.",
    )
