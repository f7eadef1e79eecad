"""A run as plain text, for terminals, logs and front ends without HTML."""

from __future__ import annotations

from collections.abc import Sequence

from ..models.run import NodeState, RunSnapshot, Status
from .preview import Preview
from .words import SYMBOLS, counted, duration, failed_items, headline, progress


def run_text(run: RunSnapshot, *, preview_rows: int) -> str:
    """The run with its nodes, its errors and the first rows of its result.

    Parameters
    ----------
    run : RunSnapshot
        The run.
    preview_rows : int
        Rows of the result.

    Returns
    -------
    str
        Lines without a line break at the end.
    """
    parts = [f"{SYMBOLS[run.status]} {headline(run)}", nodes_text(run.nodes)]
    if run.output is not None:
        parts.append(value_text(run.output, preview_rows))
    return "\n\n".join(part for part in parts if part)


def nodes_text(nodes: Sequence[NodeState]) -> str:
    """One line for each node, in columns, with its error below."""
    rows = [
        (
            f"{SYMBOLS[n.status]} {n.name}",
            n.action,
            n.status.value + (f" (attempt {n.attempt})" if n.attempt > 1 else ""),
            duration(n.seconds),
            progress(n),
        )
        for n in nodes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for node, row in zip(nodes, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
        if node.error is not None and node.status is Status.FAILED:
            lines += [f"    {line}" for line in str(node.error).splitlines()]
        if node.failed_items:
            lines.append(f"    {failed_items(node)}")
    return "\n".join(lines)


def value_text(node: NodeState, preview_rows: int) -> str:
    """The first rows of a node's value as a table."""
    preview = Preview.of(node.value, preview_rows)
    if preview.frame.empty:
        return f"{node.name}: no rows"
    table = preview.frame.to_string(max_colwidth=60, index=False)
    left = preview.total - preview_rows
    more = f"\n… {left:,} more rows" if left > 0 else ""
    return f"{node.name}: {counted(preview.total, 'row')}\n{table}{more}"
