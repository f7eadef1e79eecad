"""``@fl.action``: a function as an action with typed parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from pydantic import create_model
from pydantic.fields import FieldInfo

from ...errors import InputError
from .base import Action, ActionContext, Parameters
from .python import call

_F = TypeVar("_F", bound=Callable[..., Any])
_CONTEXT_NAMES = ("ctx", "context", "_ctx", "_context", "_")
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", re.ASCII)


def action_from(name: str, function: Callable[..., Any]) -> Action:
    """Make an action of a function.

    Parameters
    ----------
    name : str
        Two or more words with dots between, such as ``acme.lookup``.
    function : callable
        Its first parameter, ``ctx``, receives the :class:`ActionContext`; the others are the
        action's parameters, with their annotations and defaults. It may be a coroutine function;
        otherwise it runs in a thread.

    Raises
    ------
    InputError
        The name or the signature cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name an action.", hint="Use lower case words with dots: acme.lookup."
        )
    model = _model(name, function)
    doc = (inspect.getdoc(function) or "").partition("\n")[0]

    async def run(self: Action, context: ActionContext, parameters: Parameters) -> Any:
        arguments = {field: getattr(parameters, field) for field in type(parameters).model_fields}
        return await call(function, name, context, arguments, context)

    body = {
        "__doc__": inspect.getdoc(function),
        "name": name,
        "summary": doc,
        "parameters": model,
        "credential": "optional",
        "run": run,
    }
    kind: type[Action] = type(f"Action_{name.replace('.', '_')}", (Action,), body)
    return kind()


def _model(name: str, function: Callable[..., Any]) -> type[Parameters]:
    given = list(inspect.signature(function).parameters.values())
    if not given or given[0].name not in _CONTEXT_NAMES:
        raise InputError(
            f"The first parameter of the action {name!r} must be `ctx`.",
            hint=f"It receives what the action works with: def {function.__name__}(ctx, …)",
        )
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for argument in given[1:]:
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            raise InputError(f"The action {name!r} takes *args or **kwargs; name its parameters.")
        default = ... if argument.default is argument.empty else argument.default
        fields[argument.name] = (hints.get(argument.name, Any), FieldInfo(default=default))
    return create_model(f"Parameters_{name.replace('.', '_')}", __base__=Parameters, **fields)
