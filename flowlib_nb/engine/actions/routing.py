"""``if``, ``switch`` and ``merge``: where ways part and where they meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from ...models.flow import Branch
from ...templates.compiler import compile_value
from ...templates.tokenizer import TemplateSyntaxError
from ..collecting import joined
from .base import Action, ActionContext, ParameterProblem, Parameters


def is_true(value: Any) -> bool:
    """Whether JavaScript takes a value for true: all but null, false, 0, NaN and the empty text.

    Sources
    -------
    ECMA-262 §7.1.2.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return bool(value)
    if isinstance(value, float):
        return value == value and value != 0
    return True


_NO_CONDITION = "A condition is one template and nothing else: {{ inputs.x > 5 }}."


def _is_plain_text(value: Any) -> bool:
    """Whether a value is a text that is not exactly one template."""
    if not isinstance(value, str):
        return False
    try:
        fields = compile_value(value).fields
    except TemplateSyntaxError:
        return False  # which is reported by itself
    return not (len(fields) == 1 and fields[0].is_exact)


class IfParameters(Parameters):
    """Parameters of ``if``."""

    condition: Any = Field(
        description="A template; all values but null, false, 0 and the empty text are true."
    )


class IfAction(Action):
    """Leads on to the nodes that need its branch ``true``, or to those that need ``false``."""

    name = "if"
    summary = "Two ways: needs: {this: true} and needs: {this: false}."
    parameters = IfParameters
    is_pure = True

    def branches(self, parameters: Mapping[str, Any]) -> tuple[Branch, ...]:
        """Name both."""
        return (True, False)

    def check(self, parameters: Mapping[str, Any]) -> Iterator[ParameterProblem]:
        """Find a condition that is a text, which would always be true."""
        if _is_plain_text(parameters.get("condition")):
            yield ParameterProblem(("condition",), 0, _NO_CONDITION)

    def taken(self, value: Any) -> tuple[Branch, ...]:
        """Return the one that the value is."""
        return (is_true(value),)

    def run_pure(self, context: ActionContext, parameters: IfParameters) -> bool:
        """Return whether the condition is true."""
        return is_true(parameters.condition)


class SwitchParameters(Parameters):
    """Parameters of ``switch``."""

    value: Any = Field(
        default=None,
        description="What the cases are compared with; without it each case is a condition.",
    )
    cases: dict[str, Any] = Field(
        min_length=1,
        description="For each branch the value that leads to it, a list of such, or a condition.",
    )
    default: str | None = Field(
        default=None, description="The branch that is taken where no case fits."
    )
    mode: Literal["first", "all"] = Field(
        default="first", description="Whether the first case that fits is taken, or all that do."
    )


class SwitchAction(Action):
    """Leads on to nodes that need a branch whose case fits; the value is the branches' names."""

    name = "switch"
    summary = "Several ways, by value or by condition: needs: {this: branch}."
    parameters = SwitchParameters
    is_pure = True

    def branches(self, parameters: Mapping[str, Any]) -> tuple[Branch, ...]:
        """Name the cases, and the default."""
        cases, default = parameters.get("cases"), parameters.get("default")
        named = [str(name) for name in cases] if isinstance(cases, Mapping) else []
        if isinstance(default, str) and default not in named:
            named.append(default)
        return tuple(named)

    def check(self, parameters: Mapping[str, Any]) -> Iterator[ParameterProblem]:
        """Find conditions that are texts, which would always be true."""
        cases = parameters.get("cases")
        if "value" in parameters or not isinstance(cases, Mapping):
            return
        for name, case in cases.items():
            if _is_plain_text(case):
                yield ParameterProblem(("cases", name), 0, _NO_CONDITION)

    def taken(self, value: Any) -> tuple[Branch, ...]:
        """Return the names in the value."""
        names = value if isinstance(value, list) else [value]
        return tuple(name for name in names if isinstance(name, str))

    def run_pure(self, context: ActionContext, parameters: SwitchParameters) -> list[str]:
        """Return the names of the branches."""
        by_value = "value" in parameters.model_fields_set
        fitting = [
            name
            for name, case in parameters.cases.items()
            if (_fits(parameters.value, case) if by_value else is_true(case))
        ]
        if not fitting:
            return [] if parameters.default is None else [parameters.default]
        return fitting if parameters.mode == "all" else fitting[:1]


def _fits(value: Any, case: Any) -> bool:
    cases = case if isinstance(case, list) else [case]
    # Unlike Python's, JavaScript's true is not 1.
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in cases)


class MergeParameters(Parameters):
    """Parameters of ``merge``."""

    mode: Literal["first", "last", "array", "object", "concat"] = Field(
        default="first",
        description="Of the nodes under needs: that were not skipped: the first's or last's value, "
        "all values as a list, by node, or joined into one list or frame.",
    )


class MergeAction(Action):
    """Gives what the ways that were taken have brought."""

    name = "merge"
    summary = "The values of those needs that were not skipped."
    parameters = MergeParameters
    is_pure = True

    def run_pure(self, context: ActionContext, parameters: MergeParameters) -> Any:
        """Return the values in the form that is asked for."""
        values = [context.values[node] for node in context.sources]
        if parameters.mode == "array":
            return values
        if parameters.mode == "object":
            return dict(zip(context.sources, values, strict=True))
        if parameters.mode == "concat":
            return joined(
                {repr(node): value for node, value in zip(context.sources, values, strict=True)}
            )
        chosen = values[:1] if parameters.mode == "first" else values[-1:]
        return chosen[0] if chosen else None
