"""Templates that are compiled once and rendered many times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, Position, TemplateError
from ..hints import did_you_mean
from .compiler import CompiledValue, Path, compile_value
from .names import HELPERS, JAVASCRIPT_GLOBALS
from .reach import reached
from .render import Fault, check_syntax, render_rows
from .tokenizer import TemplateSyntaxError
from .values import to_json

_PYTHON_WORDS = {
    "None": "JavaScript writes null.",
    "True": "JavaScript writes true.",
    "False": "JavaScript writes false.",
}


@dataclass(frozen=True, slots=True, repr=False)
class Template:
    """A template whose syntax is right; :func:`compile_template` makes it.

    Parameters
    ----------
    compiled : CompiledValue
        What it was made of, and the code in it.

    Examples
    --------
    >>> total = compile_template("{{ price * quantity }}")  # doctest: +SKIP
    >>> total.render({"price": 2, "quantity": 3})  # doctest: +SKIP
    6
    """

    compiled: CompiledValue

    @property
    def source(self) -> Any:
        """The string, or the value with strings, that it was made of."""
        return self.compiled.value

    @property
    def names(self) -> frozenset[str]:
        """The names that a scope has to bring: neither JavaScript's own nor the helpers."""
        return frozenset(self.compiled.names - JAVASCRIPT_GLOBALS - HELPERS)

    def __repr__(self) -> str:
        shown = repr(self.source)
        return f"Template({shown if len(shown) <= 200 else shown[:197] + '...'})"

    def render(self, scope: Mapping[str, Any] | None = None) -> Any:
        """Render it.

        Parameters
        ----------
        scope : mapping, optional
            The names that it may use, with values that have a JSON form.

        Returns
        -------
        object
            A string that is exactly one ``{{ }}`` gives the value with its type; a string with
            text around gives a string.

        Raises
        ------
        TemplateError
            With ``code``, ``expression`` and ``position`` (line and column in the string that
            holds the template); the latter two are not known where several expressions reached a
            limit.
        InputError
            The scope is no mapping.
        TypeError
            A value has no JSON form; a frame is a list of records.
        """
        from ..sandbox.pool import sandbox

        if not isinstance(scope, Mapping | None):
            kind = type(scope).__name__
            raise InputError(f"The scope is a mapping of names to values, not {kind}.")
        known = dict(scope or {})
        self.check_names(known)
        texts = {
            name: _sent(name, reached(known[name], reach))
            for name, reach in self.compiled.reaches.items()
            if name in known
        }
        try:
            (result,) = render_rows(self.compiled, texts, sandbox=sandbox())
        except TemplateError as error:
            raise self.positioned(error) from None
        if isinstance(result, Fault):
            raise self.error_of(result)
        return result

    def check_names(self, known: Mapping[str, Any]) -> None:
        """Refuse a scope in which a name is missing.

        Parameters
        ----------
        known : mapping
            Whose keys are the names that there are.

        Raises
        ------
        TemplateError
            At the first use of a name that is missing.
        """
        for code in self.compiled.codes:
            for use in code.uses:
                if use.name in self.names and use.name not in known:
                    message = f"ReferenceError: {use.name} is not defined"
                    hint = _PYTHON_WORDS.get(use.name) or did_you_mean(use.name, map(str, known))
                    error = TemplateError("runtime", message, expression=code.source, hint=hint)
                    raise self.error_of(Fault(code, error, use.offset))

    def error_of(self, fault: Fault) -> TemplateError:
        """A fault of this template's code as an error with its position."""
        place = _position(self.source, fault.code.path, fault.code.start + fault.offset)
        return fault.error.at(place)

    def positioned(self, error: TemplateError) -> TemplateError:
        """An error of the evaluation as a whole with the position of the only code, if it is."""
        codes = self.compiled.codes
        # A limit does not say which of several expressions reached it.
        return self.error_of(Fault(codes[0], error)) if len(codes) == 1 else error


def compile_template(template: Any) -> Template:
    """Compile a template, or a value with templates at any depth.

    Parameters
    ----------
    template : object
        A string, or dicts and lists that hold strings.

    Returns
    -------
    Template
        Ready to be rendered, any number of times and from any thread.

    Raises
    ------
    TemplateError
        Code ``syntax``, with the position in the string that holds the mistake.
    """
    from ..sandbox.pool import sandbox

    try:
        compiled = Template(compile_value(template))
    except TemplateSyntaxError as problem:
        raise problem.at(_position(template, problem.path, problem.offset)) from None
    # First, since names are only sure where the syntax is right.
    faults = check_syntax(compiled.compiled.codes, sandbox())
    if faults:
        raise compiled.error_of(faults[0])
    return compiled


def _sent(name: str, value: Any) -> bytes:
    from ..frames.convert import to_plain

    try:
        return to_json(to_plain(value))
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _position(template: Any, path: Path, offset: int) -> Position:
    text = template
    for step in path:
        text = text[step]
    before = text[:offset]
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
