"""The actions that a node can use, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from .base import Action, ActionContext
from .control import FailAction, WaitAction
from .custom import action_from
from .files import FileReadAction, FileWriteAction
from .flow_io import InputAction, OutputAction
from .frame import FrameAction
from .http import HttpRequestAction
from .javascript import JavaScriptAction
from .python import PythonAction
from .routing import IfAction, MergeAction, SwitchAction
from .sql import SqlAction
from .subflow import SubflowAction
from .text import TemplateAction

_F = TypeVar("_F", bound=Callable[..., Any])

_actions: dict[str, Action] = {
    action.name: action
    for action in (
        InputAction(),
        OutputAction(),
        JavaScriptAction(),
        PythonAction(),
        HttpRequestAction(),
        SqlAction(),
        FileReadAction(),
        FileWriteAction(),
        TemplateAction(),
        IfAction(),
        SwitchAction(),
        MergeAction(),
        FrameAction(),
        WaitAction(),
        FailAction(),
        SubflowAction(),
    )
}


def actions() -> Mapping[str, Action]:
    """All actions by name, read-only."""
    return MappingProxyType(_actions)


def action(name: str) -> Callable[[_F], _F]:
    """Make a function an action that flows can use.

    Parameters
    ----------
    name : str
        Two or more words with dots between, such as ``acme.lookup``. A second definition of the
        same name replaces the first, so that its cell can be run again.

    Returns
    -------
    callable
        A decorator that leaves the function as it is.

    Raises
    ------
    InputError
        The name or the function's signature cannot be used.

    Examples
    --------
    >>> @action("acme.lookup")
    ... def lookup(ctx, sku: str, limit: int = 10) -> list[dict]:
    ...     return [{"sku": sku}][:limit]
    """

    def register(function: _F) -> _F:
        _actions[name] = action_from(name, function)
        return function

    return register


__all__ = ["Action", "ActionContext", "action", "actions"]
