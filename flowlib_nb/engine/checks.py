"""What is checked of a plan before it runs: parameters, template syntax, credentials."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..errors import Problem
from ..hints import did_you_mean
from ..language.problems import from_pydantic
from ..language.source import Path
from ..templates.direct import is_reference
from ..templates.render import check_syntax
from .plan import Plan, Step

if TYPE_CHECKING:
    from ..sandbox import Sandbox


def check_parameters(plan: Plan) -> Iterator[Problem]:
    """Unknown, missing and mistyped parameters.

    What a template will give is not known yet: a finding at or above one is left to the run.
    """
    for step in plan.steps.values():
        base = (*step.path, "with")
        findings = [
            problem
            for problem in _mistyped(plan, step, base)
            if problem.code in ("missing", "unknown_key") or not _is_templated(problem.path, step)
        ]
        yield from findings
        if not findings:
            for found in step.action.check(step.definition.with_):
                path = (*base, *found.path)
                position = plan.source.position(path, found.offset)
                yield Problem("bad_value", found.message, path, position)


def _mistyped(plan: Plan, step: Step, base: Path) -> list[Problem]:
    model = step.action.parameters
    try:
        model.model_validate(step.definition.with_)
    except ValidationError as error:
        return from_pydantic(error, model, plan.source, base)
    return []


def _is_templated(path: Path, step: Step) -> bool:
    inner = path[3:]
    return any(code.path[: len(inner)] == inner for code in step.parameters.codes)


def check_names(plan: Plan, namespace: Mapping[str, Any]) -> Iterator[Problem]:
    """Names in parameters that are neither nodes nor variables of the notebook.

    Parameters
    ----------
    plan : Plan
        The flow.
    namespace : mapping
        The notebook's variables.
    """
    nodes = set(plan.steps)
    for step in plan.steps.values():
        # Not the node itself; and no set of its own for each of many nodes.
        nodes.discard(step.name)
        problems = list(step.action.check_names(step.definition.with_, nodes, namespace))
        nodes.add(step.name)
        for found in problems:
            path = (*step.path, "with", *found.path)
            position = plan.source.position(path, found.offset)
            yield Problem("unknown_name", found.message, path, position)


def check_templates(plan: Plan, sandbox: Sandbox) -> Iterator[Problem]:
    """Syntax errors in JavaScript, as the engine that will run it sees them."""
    # What only names something is read by Python as well, which knows its syntax.
    places = [
        (path, code)
        for step in plan.steps.values()
        for path, code in step.codes()
        if not is_reference(code)
    ]
    faults = {fault.code: fault for fault in check_syntax([code for _, code in places], sandbox)}
    for path, code in places:
        if fault := faults.get(code):
            position = plan.source.position(path, code.start + fault.offset)
            shown = " ".join(code.source.split())
            shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
            message = f"The template {{{{ {shown} }}}} is not valid: {fault.error.message}."
            if path[-1] == "code":
                message = f"The code is not valid JavaScript: {fault.error.message}."
            yield Problem("template_syntax", message, path, position, fault.error.hint)


def check_credentials(plan: Plan, known: Collection[str]) -> Iterator[Problem]:
    """Credentials that the vault does not hold."""
    for name, path in plan.credentials.items():
        if name not in known:
            close = did_you_mean(name, known)
            remedy = (
                f"Store it with `%flowlib_secret set {name}`, or in a shell "
                f"`flowlib vault set {name}`."
            )
            hint = f"{close} {remedy}" if close and close.startswith("Did") else remedy
            message = f"The vault has no credential {name!r}."
            position = plan.source.value_position(path)
            yield Problem("unknown_credential", message, path, position, hint)
