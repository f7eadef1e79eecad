"""``python``: calls a function of the notebook."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ...errors import NodeError
from .base import Action, ActionContext, Parameters, RetryableError


class PythonParameters(Parameters):
    """Parameters of ``python``."""

    function: str = Field(min_length=1, description="The name of a function of the notebook.")
    args: dict[str, Any] = Field(default_factory=dict, description="Its keyword arguments.")


class PythonAction(Action):
    """Calls a function that the notebook defines, in a thread."""

    name = "python"
    summary = "Calls a function of the notebook with keyword arguments."
    parameters = PythonParameters

    async def run(self, context: ActionContext, parameters: PythonParameters) -> Any:
        """Call the function; a coroutine function is awaited."""
        function = find_function(parameters.function, context.namespace)
        try:
            inspect.signature(function).bind(**parameters.args)
        except TypeError as error:
            raise NodeError(f"{parameters.function}() cannot be called so: {error}.") from None
        except ValueError:
            pass  # some builtins have no signature; the call itself will tell
        return await call(function, parameters.function, context, parameters.args)


async def call(
    function: Any, name: str, context: ActionContext, arguments: Mapping[str, Any], *first: Any
) -> Any:
    """Call a user's function, in a thread unless it is a coroutine function.

    Raises
    ------
    RetryableError
        It raised; the message says what and on which line of it.
    """
    try:
        if inspect.iscoroutinefunction(function):
            return await function(*first, **arguments)
        return await context.in_thread(lambda: function(*first, **arguments))
    except NodeError:
        raise
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        # These would end the engine's loop.
        raise NodeError(f"{name}() raised {type(error).__name__}.") from None
    except Exception as error:
        raise RetryableError(f"{name}() raised {_description(error, function)}") from None


def find_function(name: str, namespace: Mapping[str, Any]) -> Any:
    """A function of the notebook, by name.

    Raises
    ------
    NodeError
        There is none; the hint names what to do.
    """
    function = namespace.get(name)
    if callable(function):
        return function
    if function is not None:
        raise NodeError(
            f"{name!r} is not a function but a value of type {type(function).__name__}."
        )
    from ...hints import did_you_mean

    known = [key for key, value in namespace.items() if inspect.isfunction(value)]
    hint = did_you_mean(name, [key for key in known if not key.startswith("_")])
    raise NodeError(
        f"There is no function {name!r}.",
        hint=hint or "Define it in a cell above, and run that cell first.",
    )


def _description(error: Exception, function: Any) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    code = getattr(function, "__code__", None)
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code is code]
    return f"{text} (line {lines[-1]} of the function's cell or file)" if lines else text
