"""``flowlib runs``: the runs of the past."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..models.run import Status
from ..reports.words import SYMBOLS, counted, duration

if TYPE_CHECKING:
    from ..engine.records import RecordedNode, RecordedRun
    from ..engine.records.store import RunRow

_STATUSES = [status.value for status in Status if status is not Status.SKIPPED]
_PREVIEW_ROWS = 20
_ERROR_WIDTH = 80


def add_to(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser("runs", help="runs of the past")
    parts = parser.add_subparsers(metavar="COMMAND", required=True)
    shown = parts.add_parser("list", help="the newest runs")
    shown.add_argument("--limit", type=_count, default=20, metavar="N", help="how many (20)")
    shown.add_argument("--status", choices=_STATUSES, help="only those of this status")
    shown.add_argument("--json", action="store_true", help="as JSON")
    shown.set_defaults(command=_list)
    show = parts.add_parser("show", help="one run and its nodes")
    show.add_argument("id", metavar="ID", help="its id, or how that begins")
    show.add_argument("--node", metavar="NAME", help="what this node was given and gave")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(command=_show)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1_000_000:
        raise argparse.ArgumentTypeError("it must be a number from 1 to 1,000,000")
    return int(text)


def _list(arguments: argparse.Namespace) -> int:
    from ..engine.records import runs

    rows = runs.latest(arguments.limit, status=arguments.status)
    if arguments.json:
        print(json.dumps([_run_data(row) for row in rows], indent=2))
    elif rows:
        print(_table([_run_cells(row) for row in rows]))
    else:
        print("No such runs are recorded." if arguments.status else "No runs are recorded yet.")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from ..engine.records import runs

    run = runs[arguments.id]
    if arguments.node is not None:
        node = run[arguments.node]
        print(_as_json(_node_data(node)) if arguments.json else _node_text(node))
    elif arguments.json:
        nodes = [_node_data(run[name], values=False) for name in run]
        print(_as_json({**_run_data(run.row), "text": run.text, "nodes": nodes}))
    else:
        print(_run_text(run))
    return 0


def _run_data(row: RunRow) -> dict[str, Any]:
    data = asdict(row)
    del data["text"]
    data["started_at"] = row.started_at.isoformat()
    return data


def _node_data(node: RecordedNode, *, values: bool = True) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": node.name,
        "action": node.action,
        "status": node.status,
        "attempt": node.attempt,
        "started": node.started.isoformat() if node.started else None,
        "seconds": node.seconds,
        "rows": node.rows,
        "error": node.error,
    }
    if values:
        from ..frames import to_plain

        data["input"] = to_plain(node.input)
        data["input_is_whole"] = node.input_is_whole
        data["output"] = to_plain(node.output)
        data["output_is_whole"] = node.output_is_whole
        data["failed_items"] = node.failed_items.to_dict("records")
    return data


def _as_json(data: dict[str, Any]) -> str:
    from ..templates.render import to_json

    try:
        compact = to_json(data)
    except TypeError as error:
        raise InputError(f"What was recorded has no JSON form: {error}.") from None
    return json.dumps(json.loads(compact), indent=2, ensure_ascii=False)


def _run_text(run: RecordedRun) -> str:
    lines = [
        f"{_symbol(run.status)} {run.flow}: {run.status}"
        + (f" in {duration(run.seconds)}" if run.seconds is not None else ""),
        f"  {run.id}, started {_moment(run.started_at)}",
    ]
    if run.error:
        lines += [f"  {line}" for line in run.error.splitlines()]
    lines.append("")
    nodes = [run[name] for name in run]
    table = _table([_node_cells(node) for node in nodes]).splitlines() if nodes else []
    for node, line in zip(nodes, table, strict=True):
        lines.append(line)
        if node.error and node.status == Status.FAILED:
            lines += [f"    {part}" for part in node.error.splitlines()]
    return "\n".join(lines)


def _node_text(node: RecordedNode) -> str:
    parts = ["  ".join(cell for cell in _node_cells(node) if cell)]
    if node.error:
        parts.append(node.error)
    if node.input is not None:
        parts.append(_value_text("input", node.input, node.input_is_whole))
    if node.status == Status.SUCCESS:
        parts.append(_value_text("output", node.output, node.output_is_whole))
    return "\n\n".join(parts)


def _value_text(title: str, value: Any, is_whole: bool) -> str:
    from ..frames import to_frame

    frame = to_frame(value)
    rows = counted(len(frame), "row")
    head = f"{title}: {rows}" if is_whole else f"{title}: the first {rows}; more were not kept"
    if frame.empty:
        return head
    table = frame.head(_PREVIEW_ROWS).to_string(max_colwidth=60, index=False)
    left = len(frame) - _PREVIEW_ROWS
    return f"{head}\n{table}" + (f"\n… {left:,} more rows" if left > 0 else "")


def _run_cells(row: RunRow) -> tuple[str, ...]:
    failed = f", {row.failed} failed" if row.failed else ""
    error = " ".join((row.error or "").split())
    return (
        f"{_symbol(row.status)} {row.id}",
        row.flow,
        row.status,
        _moment(row.started_at),
        duration(row.seconds),
        counted(row.nodes, "node") + failed,
        error if len(error) <= _ERROR_WIDTH else error[: _ERROR_WIDTH - 1] + "…",
    )


def _node_cells(node: RecordedNode) -> tuple[str, ...]:
    attempt = f" (attempt {node.attempt})" if node.attempt > 1 else ""
    return (
        f"{_symbol(node.status)} {node.name}",
        node.action,
        node.status + attempt,
        duration(node.seconds),
        counted(node.rows, "row") if node.rows is not None else "",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _symbol(status: str) -> str:
    return SYMBOLS[Status(status)]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
