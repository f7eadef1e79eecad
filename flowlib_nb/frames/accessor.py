"""``df.flow.map``: a template over all rows of a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError, TemplateError
from .columns import Columns
from .convert import series_of

if TYPE_CHECKING:
    import pandas as pd

    from ..templates.template import Template

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
        template: str | Template | Mapping[str, str],
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
            JavaScript's: ``row["unit price"]``.
        on_error : {"raise", "null", "collect"}
            What a row that fails does: it ends the call with an error that names its label; its
            value is missing; or that, and ``.attrs["flow_errors"]`` is a frame of the errors.
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
        from ..templates.template import Template, compile_template
        from .batches import Failure, ProgressLine, render_batches

        if on_error not in ("raise", "null", "collect"):
            raise InputError(f"on_error is raise, null or collect, not {on_error!r}.")
        if batch_rows < 1:
            raise InputError(f"batch_rows is at least 1, not {batch_rows}.")
        source = template.source if isinstance(template, Template) else template
        several = isinstance(source, Mapping)
        sources = dict(source) if isinstance(source, Mapping) else {None: source}
        if not all(isinstance(text, str) for text in sources.values()):
            raise InputError("df.flow.map takes a template's text, or a mapping of such texts.")
        compiled = template if isinstance(template, Template) else compile_template(source)
        columns = Columns.of(self._frame, compiled.compiled.uses)
        compiled.check_names(dict.fromkeys(columns.names))

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
            result.attrs["flow_errors"] = self._errors(failures, several)
        return result

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

    def _errors(self, failures: list[Any], several: bool) -> pd.DataFrame:
        import pandas as pd

        columns: dict[str, list[Any]] = {"label": [self._label(f.row) for f in failures]}
        if several:
            columns["column"] = [failure.column for failure in failures]
        columns["error"] = [str(failure.error) for failure in failures]
        return pd.DataFrame(columns)


def register() -> None:
    """Make ``df.flow``, unless it is there."""
    import pandas as pd

    if getattr(pd.DataFrame, "flow", None) is not FlowAccessor:
        pd.api.extensions.register_dataframe_accessor("flow")(FlowAccessor)
