"""A run as plain text, for terminals, logs and front ends without HTML."""

from __future__ import annotations

from collections.abc import Sequence

from ..frames import row_count, to_frame
from ..models.run import NodeState, RunSnapshot, Status
from .words import SYMBOLS, duration, headline, progress, short_error


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
    parts = [headline(run), nodes_text(run.nodes)]
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
            lines.append(f"    {len(node.failed_items)} items failed; the first: "
                         f"{short_error(node.failed_items[0].error)}")  # fmt: skip
    return "\n".join(lines)


def value_text(node: NodeState, preview_rows: int) -> str:
    """The first rows of a node's value as a table."""
    frame = to_frame(node.value)
    if frame.empty:
        return f"{node.name}: no rows"
    total = row_count(node.value) if not hasattr(node.value, "columns") else len(frame)
    table = frame.head(preview_rows).to_string(max_colwidth=60, index=False)
    more = f"\n… {total - preview_rows:,} more rows" if total > preview_rows else ""
    return f"{node.name}: {total:,} {'row' if total == 1 else 'rows'}\n{table}{more}"
