"""A run as static HTML that a saved notebook shows without any extension.

Colours come from the variables of JupyterLab's and VS Code's themes, and where neither is there
from the page itself, so that it reads on light and on dark. Styles stand in the elements, because
notebooks that are not trusted lose style sheets. A status is always a word, never a colour alone.
"""

from __future__ import annotations

from html import escape

from ..frames import row_count, to_frame
from ..models.run import NodeState, RunSnapshot, Status
from .words import SYMBOLS, duration, headline, progress, short_error

_BORDER = "1px solid var(--jp-border-color2, var(--vscode-widget-border, #8886))"
_CELL = f"text-align: left; padding: 2px 12px 2px 0; border-bottom: {_BORDER}"
_NUMBER = f"text-align: right; padding: 2px 12px 2px 0; border-bottom: {_BORDER}"
_COLOURS = {
    Status.SUCCESS: "var(--jp-success-color1, var(--vscode-testing-iconPassed, #2e7d32))",
    Status.FAILED: "var(--jp-error-color1, var(--vscode-errorForeground, #c62828))",
    Status.RUNNING: "var(--jp-info-color1, var(--vscode-charts-blue, #1565c0))",
}


def run_html(run: RunSnapshot, *, preview_rows: int) -> str:
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
        One element, without scripts; every text in it is escaped.
    """
    result = _result(run.output, preview_rows) if run.output is not None else ""
    # The result is what people look for; the nodes fold away once all went well.
    is_open = " open" if run.status is not Status.SUCCESS else ""
    return (
        '<div class="flowlib-run">'
        f"<details{is_open}><summary>{_coloured(run.status, escape(headline(run)))}</summary>"
        f"{_nodes(run)}</details>{result}</div>"
    )


def _nodes(run: RunSnapshot) -> str:
    heads = "".join(
        f'<th scope="col" style="{style}">{name}</th>'
        for name, style in (
            ("Node", _CELL), ("Action", _CELL), ("Status", _CELL), ("Attempts", _NUMBER),
            ("Time", _NUMBER), ("Rows", _NUMBER),
        )
    )  # fmt: skip
    body = "".join(_node(node) for node in run.nodes)
    return (
        '<table style="border-collapse: collapse; margin: 4px 0">'
        f'<caption style="text-align: left">Nodes of {escape(run.flow)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _node(node: NodeState) -> str:
    status = _coloured(node.status, f"{SYMBOLS[node.status]} {node.status.value}")
    row = (
        f'<tr><th scope="row" style="{_CELL}">{escape(node.name)}</th>'
        f'<td style="{_CELL}">{escape(node.action)}</td><td style="{_CELL}">{status}</td>'
        f'<td style="{_NUMBER}">{node.attempt or ""}</td>'
        f'<td style="{_NUMBER}">{duration(node.seconds)}</td>'
        f'<td style="{_NUMBER}">{escape(progress(node))}</td></tr>'
    )
    notes = []
    if node.error is not None:
        notes.append(str(node.error))
    if node.failed_items:
        first = short_error(node.failed_items[0].error)
        notes.append(f"{len(node.failed_items)} items failed; the first: {first}")
    for note in notes:
        row += (
            f'<tr><td colspan="6" style="{_CELL}; white-space: pre-wrap">'
            f"{_coloured(node.status, escape(note))}</td></tr>"
        )
    return row


def _result(node: NodeState, preview_rows: int) -> str:
    frame = to_frame(node.value)
    if frame.empty:
        return f"<p>{escape(node.name)}: no rows</p>"
    total = len(frame) if hasattr(node.value, "columns") else row_count(node.value)
    table = frame.head(preview_rows).to_html(border=0, index=False, max_cols=30)
    shown = f"first {preview_rows:,} of " if total > preview_rows else ""
    rows = "row" if total == 1 else "rows"
    return f"<p>{escape(node.name)}: {shown}{total:,} {rows}</p>{table}"


def _coloured(status: Status, html: str) -> str:
    colour = _COLOURS.get(status)
    return f'<span style="color: {colour}">{html}</span>' if colour else html
