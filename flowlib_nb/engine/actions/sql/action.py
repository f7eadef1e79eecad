"""The action ``sql``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ....templates.compiler import CompiledValue, TemplatedField
from ....templates.tokenizer import TemplateSyntaxError
from ..base import Action, ActionContext, ParameterProblem, Parameters
from .database import query_database
from .parsing import parse, table_names
from .stopping import in_stoppable_thread
from .text import bind_templates
from .values import missing_table, query_tables, tables_of

if TYPE_CHECKING:
    from ....models.flow import NodeDefinition

MAX_ROWS = 1_000_000


class SqlParameters(Parameters):
    """Parameters of ``sql``."""

    query: str = Field(
        min_length=1,
        description="SQL. Without `credential:`, nodes and DataFrames of the notebook are tables.",
    )
    parameters: list[Any] = Field(
        default_factory=list, description="Values of $1, $2, …; templates in the query come first."
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="More rows are an error; 1,000,000 for a database unless said otherwise.",
    )


class SqlAction(Action):
    """Runs a query; templates in it are bound as parameters and never become SQL text.

    The value is a frame. A statement without rows, on a database, gives ``{"rows_affected": n}``.
    """

    name = "sql"
    summary = "A query over nodes and DataFrames (DuckDB), or on the database of a credential."
    parameters = SqlParameters
    credential = "optional"

    def for_node(self, node: NodeDefinition) -> Action:
        """The action as a node uses it: on a database, other tables and another SQL."""
        return self if node.credential is None else _ON_DATABASE

    def compile(self, parameters: Mapping[str, Any]) -> CompiledValue:
        """Turn each template of the query into a bound parameter."""
        query = parameters.get("query")
        if not isinstance(query, str):
            return super().compile(parameters)
        text, codes = bind_templates(query)
        given = parameters.get("parameters", [])
        if not codes:
            return super().compile({**parameters, "query": query})
        rest = super().compile({k: v for k, v in parameters.items() if k != "query"})
        bound = [*(None for _ in codes), *(given if isinstance(given, list) else [])]
        fields = [
            TemplatedField(("parameters", index), (code,), is_exact=True)
            for index, code in enumerate(codes)
        ]
        fields += [_moved(field, len(codes)) for field in rest.fields]
        return CompiledValue({**rest.value, "query": text, "parameters": bound}, tuple(fields))

    def references(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tables that the query names, nodes or not."""
        query = parameters.get("query")
        try:
            return table_names(bind_templates(query)[0]) if isinstance(query, str) else ()
        except TemplateSyntaxError:
            return ()  # compiling reports it

    def check(self, parameters: Mapping[str, Any]) -> Iterator[ParameterProblem]:
        """Find syntax errors before anything runs."""
        query = parameters.get("query")
        if not isinstance(query, str):
            return
        try:
            text, codes = bind_templates(query)
        except TemplateSyntaxError:
            return
        tree = parse(text)
        if tree["error"] and tree["error_type"] == "parser":
            offset = 0 if codes else int(tree.get("position", 0))
            message = f"The SQL is wrong: {tree['error_message']}."
            if codes and '"$"' in message:
                message = (
                    "A template in a query stands for a value, never for a table; name the node "
                    "itself (an `input` node for one of the inputs): select … from orders."
                )
            yield ParameterProblem(("query",), offset, message)

    def check_names(
        self, parameters: Mapping[str, Any], nodes: Collection[str], namespace: Mapping[str, Any]
    ) -> Iterator[ParameterProblem]:
        """Find tables that are neither nodes nor tables of the notebook, when a run begins."""
        query = parameters.get("query")
        if not isinstance(query, str):
            return
        try:
            text, _ = bind_templates(query)
        except TemplateSyntaxError:
            return
        if missing := missing_table(text, nodes, namespace):
            message = f"{missing.message} {missing.hint or ''}".rstrip()
            place = re.search(rf"(?<!\w){re.escape(missing.name)}(?!\w)", query)
            yield ParameterProblem(("query",), place.start() if place else 0, message)

    async def run(self, context: ActionContext, parameters: SqlParameters) -> Any:
        """Run the query in a thread; cancelling ends it there, too."""
        if context.credential is not None:
            return await _ON_DATABASE.run(context, parameters)
        tables = tables_of(parameters.query, context.values, context.namespace)
        return await in_stoppable_thread(
            context.in_thread,
            query_tables,
            parameters.query,
            parameters.parameters,
            tables,
            parameters.max_rows,
        )


class _DatabaseSqlAction(SqlAction):
    """``sql`` with a credential: the database knows its tables and its SQL."""

    def references(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Return no node: the tables are the database's."""
        return ()

    def check(self, parameters: Mapping[str, Any]) -> Iterator[ParameterProblem]:
        """Leave the query to the database's own parser."""
        return iter(())

    def check_names(
        self, parameters: Mapping[str, Any], nodes: Collection[str], namespace: Mapping[str, Any]
    ) -> Iterator[ParameterProblem]:
        """Leave the tables to the database."""
        return iter(())

    async def run(self, context: ActionContext, parameters: SqlParameters) -> Any:
        """Run the query on the database."""
        assert context.credential is not None
        return await in_stoppable_thread(
            context.in_thread,
            query_database,
            context.credential,
            parameters.query,
            parameters.parameters,
            parameters.max_rows or MAX_ROWS,
        )


_ON_DATABASE = _DatabaseSqlAction()


def _moved(field: TemplatedField, by: int) -> TemplatedField:
    """A field of ``parameters``, behind those that templates of the query have put first."""
    if len(field.path) < 2 or field.path[0] != "parameters":
        return field
    return replace(field, path=("parameters", int(field.path[1]) + by, *field.path[2:]))
