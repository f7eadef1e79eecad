"""``js``: a value computed in the sandbox."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from ...templates.compiler import Code, CompiledValue, TemplatedField
from ...templates.names import is_complete
from ...templates.tokenizer import Expression, Part, TemplateSyntaxError, split
from .base import Action, ActionContext, ParameterProblem, Parameters

# What is neither an expression nor a body as it stands is taken for a body if it looks like one.
_STATEMENTS = re.compile(r"^\s*(?:const|let|var|if|for|while|return|throw|try|switch)\b|;\s*\n")
_ENDS = re.compile(r"\b(?:return|throw)\b")


class JavaScriptParameters(Parameters):
    """Parameters of ``js``."""

    code: Any = Field(
        description="An expression, or a function body with return; sees nodes by their names."
    )


class JavaScriptAction(Action):
    """Evaluates JavaScript; ``code`` needs no braces."""

    name = "js"
    summary = "A value computed by JavaScript in the sandbox."
    parameters = JavaScriptParameters
    is_pure = True

    def compile(self, parameters: Mapping[str, Any]) -> CompiledValue:
        """Take ``code`` as JavaScript rather than as text with templates."""
        rest = super().compile({k: v for k, v in parameters.items() if k != "code"})
        value = {**rest.value, "code": parameters.get("code")}
        source = parameters.get("code")
        if not isinstance(source, str) or not source.strip():
            return replace(rest, value=value)
        code = _code(source)
        field = TemplatedField(("code",), (code,), is_exact=True)
        return CompiledValue(value, (*rest.fields, field))

    def check(self, parameters: Mapping[str, Any]) -> Iterator[ParameterProblem]:
        """Find a function body that gives nothing."""
        source = parameters.get("code")
        if isinstance(source, str) and source.strip():
            code = _code(source)
            if code.is_body and not _ENDS.search(code.source):
                message = "The code gives no value: end it with return …, or write an expression."
                yield ParameterProblem(("code",), code.start, message)

    def run_pure(self, context: ActionContext, parameters: JavaScriptParameters) -> Any:
        """Return what the code gave."""
        return parameters.code


def _code(source: str) -> Code:
    stripped = source.strip()
    start = source.index(stripped)
    parts: tuple[Part, ...] = ()
    if stripped.startswith("{{") and stripped.endswith("}}"):
        # Braces are not needed here, but whoever puts them means an expression.
        with contextlib.suppress(TemplateSyntaxError):  # then it is code that looks like a template
            parts = split(stripped)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return Code(parts[0].source, False, ("code",), start + parts[0].start)
    is_body = not is_complete(stripped) and (
        is_complete(stripped, is_body=True) or _STATEMENTS.search(stripped) is not None
    )
    return Code(stripped, is_body, ("code",), start)
