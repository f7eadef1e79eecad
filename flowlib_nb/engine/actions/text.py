"""``template``: a text with templates in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from ...templates.compiler import CompiledValue
from .base import Action, ActionContext, Parameters


class TemplateParameters(Parameters):
    """Parameters of ``template``."""

    text: str = Field(description="Text in which each {{ }} is replaced by its value as text.")


class TemplateAction(Action):
    """Renders a text; also one that is a single template gives text."""

    name = "template"
    summary = "A text with values in it."
    parameters = TemplateParameters
    is_pure = True

    def compile(self, parameters: Mapping[str, Any]) -> CompiledValue:
        """Take each field for text, whatever its value's type."""
        compiled = super().compile(parameters)
        fields = tuple(replace(field, is_exact=False) for field in compiled.fields)
        return CompiledValue(compiled.value, fields)

    def run_pure(self, context: ActionContext, parameters: TemplateParameters) -> str:
        """Return the text."""
        return parameters.text
