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
    """Name, status, nodes done, time and failed items, in one line without a symbol."""
    done = sum(node.status is Status.SUCCESS for node in run.nodes)
    failed = sum(len(node.failed_items) for node in run.nodes)
    return (
        f"{run.flow}: {run.status.value}, "
        f"{done} of {len(run.nodes)} nodes in {duration(run.seconds)}"
        + (f"; {counted(failed, 'item')} failed" if failed else "")
    )


def counted(count: int, noun: str) -> str:
    """A number and what it counts: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def failed_items(node: NodeState) -> str:
    """How many items of a node failed, and why the first did."""
    first = short_error(node.failed_items[0].error)
    return f"{counted(len(node.failed_items), 'item')} failed; the first: {first}"


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
        rows = counted(row_count(node.value), "row")
        calls = max(node.items_total or 1, 1)
        share = "" if node.cached in (0, calls) else f" {node.cached:,} of {calls:,}"
        return f"{rows}, cached{share}" if node.cached else rows
    if node.items_total is not None:
        return f"{node.items_done:,} of {node.items_total:,} items"
    return ""


def short_error(error: FlowlibError) -> str:
    """An error in one line."""
    return " ".join(str(error).split())
