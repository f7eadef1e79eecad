"""Renders a node's templates: in Python where they only name something, else in the sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import NodeError, TemplateError
from ..frames import is_frame, to_plain
from ..templates.compiler import CompiledValue
from ..templates.direct import Fields, NotDirectError, Reference, references, render_direct
from ..templates.render import Fault, render_rows, to_json
from .plan import Step
from .scope import Scope

if TYPE_CHECKING:
    from ..language.source import Path, Source
    from ..sandbox import Sandbox
    from .actions.base import InThread

# Larger lists and mappings are copied in a thread, so that other nodes do not wait meanwhile.
_SMALL = 100

Row = Mapping[str, Any]


class _LargeError(Exception):
    """It takes long enough for a thread of its own."""


class Renderer:
    """One node's templates.

    Parameters
    ----------
    step : Step
        The node.
    scope : Scope
        What its templates see.
    source : Source
        For the positions of errors.
    sandbox : Sandbox
        Evaluates what is JavaScript.
    in_thread : callable
        For what takes long.
    """

    def __init__(
        self, step: Step, scope: Scope, source: Source, sandbox: Sandbox, in_thread: InThread
    ) -> None:
        self._step = step
        self._scope = scope
        self._source = source
        self._sandbox = sandbox
        self._in_thread = in_thread

    async def render(
        self, compiled: CompiledValue, rows: Sequence[Row] = ({},), *below: str
    ) -> list[Any]:
        """Render a value once for each row.

        Parameters
        ----------
        compiled : CompiledValue
            Part of the node's text.
        rows : sequence of mappings
            Names that differ by row.
        below : str
            Where in the node the value stands.

        Returns
        -------
        list
            For each row the value, or a Fault.

        Raises
        ------
        TemplateError
            The evaluation as a whole ended, with its position.
        NodeError
            A value has no JSON form.
        """
        if not compiled.fields:
            return [compiled.value for _ in rows]
        try:
            fields = references(compiled.fields)
            if fields is not None:
                with contextlib.suppress(NotDirectError, KeyError):
                    return await self._directly(compiled, fields, rows)
            return await self._in_thread(self._in_sandbox, compiled, rows)
        except TemplateError as error:
            codes = compiled.codes
            if error.position is None and len(codes) == 1:
                path: Path = (*self._step.path, *below, *codes[0].path)
                raise error.at(self._source.position(path, codes[0].start)) from None
            raise
        except TypeError as error:
            raise NodeError(f"A value cannot be given to a template: {error}.") from None

    def placed(self, fault: Fault, *below: str) -> TemplateError:
        """A fault as an error with its position in the flow's text."""
        path: Path = (*self._step.path, *below, *fault.code.path)
        return fault.error.at(self._source.position(path, fault.code.start + fault.offset))

    async def _directly(
        self, compiled: CompiledValue, fields: Fields, rows: Sequence[Row]
    ) -> list[Any]:
        def render(*, large_too: bool) -> list[Any]:
            def plain(reference: Reference | None, value: Any) -> Any:
                if self._step.action.takes_frames and is_frame(value):
                    return value
                is_large = not isinstance(value, (dict, list)) or len(value) > _SMALL
                if is_large and not large_too:
                    raise _LargeError
                if reference is None:
                    return msgspec.json.decode(to_json(to_plain(value)))
                return msgspec.json.decode(self._scope.text(reference.name, reference.way, value))

            return render_direct(compiled, fields, self._scope.value, plain, rows)

        try:
            return render(large_too=False)
        except _LargeError:
            return await self._in_thread(lambda: render(large_too=True))

    def _in_sandbox(self, compiled: CompiledValue, rows: Sequence[Row]) -> list[Any]:
        return render_rows(
            compiled,
            self._scope.texts(compiled.reaches),
            rows,
            sandbox=self._sandbox,
            lenient=self._step.definition.on_template_error == "empty",
        )
