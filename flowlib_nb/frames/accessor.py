"""``df.flow.map``: a template over all rows of a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError, TemplateError
from ..hints import did_you_mean
from .columns import ROW, Columns
from .convert import series_of

if TYPE_CHECKING:
    import pandas as pd

    from ..templates.template import Template
    from .batches import Failure

OnError = Literal["raise", "null", "collect"]
Progress = Callable[[int, int], object]
# Few enough for the sandbox's time limit, many enough to make the crossing cheap.
BATCH_ROWS = 5000


class FlowAccessor:
    """What ``df.flow`` is.

    Parameters
    ----------
    frame : pandas.DataFrame
        Which is read, never changed.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def map(
        self,
        template: str | Template | Mapping[str, str | Template],
        *,
        on_error: OnError = "raise",
        batch_rows: int = BATCH_ROWS,
        progress: Progress | None = None,
    ) -> pd.Series[Any] | pd.DataFrame:
        """Render templates once for each row.

        Parameters
        ----------
        template : str, Template or mapping
            One template, or one for each column of the result. Each column of the frame is a name
            in it; ``row`` is the whole row, which also has the columns whose names are not
            JavaScript's: ``row["unit price"]``. A missing value, or an infinite one, is undefined:
            what is calculated with it is missing in the result, and ``price ?? 0`` puts 0 in.
        on_error : {"raise", "null", "collect"}
            What a row that fails does: it ends the call with an error that names its label; its
            value is missing; or that, and ``.attrs["flow_errors"]`` lists the errors as records,
            of which ``pd.DataFrame`` makes a table: row (its position), label, column, code, error.
        batch_rows : int
            How many rows are sent to the sandbox at once, at most. Rows that reach one of its
            limits together are sent in smaller batches: a row that never ends is found after as
            many time limits as halvings lead to it, 13 with the default.
        progress : callable, optional
            Called with the rows that are done and all rows. Without it, a notebook shows a line
            when it takes longer than a second.

        Returns
        -------
        pandas.Series or pandas.DataFrame
            With the frame's index; a frame where ``template`` is a mapping.

        Raises
        ------
        TemplateError
            The syntax is wrong, a name is unknown, or, with ``on_error="raise"``, a row failed.
        InputError
            An argument is wrong, or a name stands for two columns.

        Examples
        --------
        >>> df.flow.map("{{ price * quantity }}")  # doctest: +SKIP
        >>> df.flow.map({"total": "{{ price * quantity }}"}, on_error="null")  # doctest: +SKIP
        """
        from ..templates.template import Template
        from .batches import ProgressLine, render_batches

        if on_error not in ("raise", "null", "collect"):
            raise InputError(f"on_error is raise, null or collect, not {on_error!r}.")
        if batch_rows < 1:
            raise InputError(f"batch_rows is at least 1, not {batch_rows}.")
        source = template.source if isinstance(template, Template) else template
        if progress is not None and not callable(progress):
            raise InputError("progress is a function of the rows that are done and of all rows.")
        several = isinstance(source, Mapping)
        sources = _sources(source)
        compiled = template if isinstance(template, Template) else _compiled(sources, several)
        columns = Columns.of(self._frame, compiled.compiled.uses)
        compiled.check_names(dict.fromkeys([*map(str, self._frame.columns), ROW]))
        self._check_members(compiled)

        failures: list[Failure] = []
        # Columns without a template in them are the same in every row.
        results: dict[Any, list[Any]] = {
            name: [text] * len(self._frame) for name, text in sources.items()
        }
        fields = compiled.compiled.fields
        outputs = [field.path[0] if field.path else None for field in fields]
        for output in outputs:
            results[output] = []
        report = progress or ProgressLine()
        for batch in render_batches(compiled, columns, batch_rows):
            if on_error == "raise" and batch.failures:
                raise self._labelled(batch.failures[0])
            failures += batch.failures
            for output, values in zip(outputs, batch.values, strict=True):
                results[output] += values
            report(batch.stop, len(self._frame))
        result = self._result(results, several)
        if on_error == "collect":
            # Plain, since pandas compares and writes what is here.
            result.attrs["flow_errors"] = [self._record(failure) for failure in failures]
        return result

    def _check_members(self, template: Template) -> None:
        """Refuse ``row.name`` where there is no such column: it would be missing in each row."""
        from ..templates.reach import INHERITED
        from ..templates.render import Fault

        known = [str(name) for name in self._frame.columns]
        for code in template.compiled.codes:
            for use in code.uses:
                member = use.way[0] if use.way else None
                if use.name != ROW or not isinstance(member, str) or member in known:
                    continue
                if member not in INHERITED:
                    message = f"there is no column {member!r}"
                    hint = did_you_mean(member, known)
                    error = TemplateError("runtime", message, expression=code.source, hint=hint)
                    raise template.error_of(Fault(code, error, use.offset))

    def _result(
        self, results: Mapping[Any, list[Any]], several: bool
    ) -> pd.Series[Any] | pd.DataFrame:
        import pandas as pd

        index = self._frame.index
        made = {name: series_of(values, index) for name, values in results.items()}
        if not several:
            return made[None]
        return pd.DataFrame({name: column.array for name, column in made.items()}, index=index)

    def _label(self, row: int) -> Any:
        return self._frame.index[row : row + 1].tolist()[0]

    def _labelled(self, failure: Any) -> TemplateError:
        error: TemplateError = failure.error
        column = "" if failure.column is None else f", column {failure.column!r}"
        error.message = f"row {self._label(failure.row)!r}{column}: {error.message}"
        return error

    def _record(self, failure: Failure) -> dict[str, Any]:
        label = self._label(failure.row)
        return {
            "row": failure.row,
            "label": label if isinstance(label, (str, int, float)) else str(label),
            "column": None if failure.column is None else str(failure.column),
            "code": failure.error.code,
            "error": str(failure.error),
        }


def _sources(source: Any) -> dict[Any, str]:
    from ..templates.template import Template

    sources = dict(source) if isinstance(source, Mapping) else {None: source}
    sources = {k: v.source if isinstance(v, Template) else v for k, v in sources.items()}
    if not all(isinstance(text, str) for text in sources.values()):
        raise InputError("df.flow.map takes a template, or a mapping of names to templates.")
    if source and not any("{{" in text for text in sources.values()):
        (text, *_) = sources.values()
        raise InputError(
            f"There is no template in {text[:60]!r}.", hint=f"Write {{{{ {text[:60]} }}}}."
        )
    return sources


def _compiled(sources: Mapping[Any, str], several: bool) -> Template:
    from ..templates.template import compile_template

    try:
        return compile_template(dict(sources) if several else sources[None])
    except TemplateError:
        for column, text in sources.items() if several else ():
            try:
                compile_template(text)
            except TemplateError as error:
                error.message = f"column {column!r}: {error.message}"
                raise error from None
        raise


def register() -> None:
    """Make ``df.flow``, unless it is there."""
    import pandas as pd

    if getattr(pd.DataFrame, "flow", None) is not FlowAccessor:
        pd.api.extensions.register_dataframe_accessor("flow")(FlowAccessor)
