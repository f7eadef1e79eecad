"""The words and symbols that text and HTML share."""

from __future__ import annotations

from ..errors import FlowlibError
from ..frames import row_count
from ..models.run import NodeState, RunSnapshot, Status

SYMBOLS = {
    Status.PENDING: "·",
    Status.RUNNING: "▸",
    Status.SUCCESS: "✓",
    Status.FAILED: "✗",
    Status.SKIPPED: "–",
    Status.PAUSED: "‖",
    Status.CANCELLED: "■",
}


def headline(run: RunSnapshot) -> str:
    """Name, status, nodes done and time, in one line."""
    done = sum(node.status is Status.SUCCESS for node in run.nodes)
    return (
        f"{SYMBOLS[run.status]} {run.flow}: {run.status.value}, "
        f"{done} of {len(run.nodes)} nodes in {duration(run.seconds)}"
    )


def duration(seconds: float | None) -> str:
    """Seconds for people: ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def progress(node: NodeState) -> str:
    """How many rows a node gave, or how many items it has done so far."""
    if node.status is Status.SUCCESS:
        rows = row_count(node.value)
        return f"{rows:,} {'row' if rows == 1 else 'rows'}"
    if node.items_total is not None:
        return f"{node.items_done:,} of {node.items_total:,} items"
    return ""


def short_error(error: FlowlibError) -> str:
    """An error in one line."""
    return " ".join(str(error).split())
