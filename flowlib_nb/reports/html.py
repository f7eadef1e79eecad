"""A run as static HTML that a saved notebook shows without any extension.

Styles stand in the elements, because notebooks that are not trusted lose style sheets, and name
plain colours, because JupyterLab drops styles with variables from such notebooks. No colour reads
well as text on light and on dark, so that only symbols and lines have one (of a contrast of at
least 3 to either, WCAG 1.4.11), and a status is always a word.
"""

from __future__ import annotations

from html import escape

from ..models.run import NodeState, RunSnapshot, Status
from .preview import Preview
from .words import SYMBOLS, counted, duration, failed_items, headline, progress

_GREY = "#888"
_BORDER = f"1px solid {_GREY}"
_CELL = f"text-align: left; padding: 2px 12px 2px 0; border-bottom: {_BORDER}"
_NUMBER = f"text-align: right; padding: 2px 12px 2px 0; border-bottom: {_BORDER}"
_COLOURS = {
    Status.SUCCESS: "#44883c",
    Status.FAILED: "#ea2828",
    Status.RUNNING: "#3c74e6",
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
    went_well = run.status is Status.SUCCESS and not any(node.failed_items for node in run.nodes)
    is_open = "" if went_well else " open"
    return (
        '<div class="flowlib-run">'
        f"<details{is_open}><summary>{_symbol(run.status)} {escape(headline(run))}</summary>"
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
    status = f"{_symbol(node.status)} {node.status.value}"
    row = (
        f'<tr><th scope="row" style="{_CELL}">{escape(node.name)}</th>'
        f'<td style="{_CELL}">{escape(node.action)}</td><td style="{_CELL}">{status}</td>'
        f'<td style="{_NUMBER}">{node.attempt or ""}</td>'
        f'<td style="{_NUMBER}">{duration(node.seconds)}</td>'
        f'<td style="{_NUMBER}">{escape(progress(node))}</td></tr>'
    )
    if node.error is not None:
        row += _note(str(node.error), node.status)
    if node.failed_items:
        row += _note(failed_items(node), Status.FAILED)
    return row


def _note(text: str, status: Status) -> str:
    colour = _COLOURS.get(status, _GREY)
    return (
        f'<tr><td colspan="6" style="{_CELL}; white-space: pre-wrap; max-width: 60em">'
        f'<div style="border-left: 3px solid {colour}; padding-left: 8px">{escape(text)}</div>'
        "</td></tr>"
    )


def _result(node: NodeState, preview_rows: int) -> str:
    preview = Preview.of(node.value, preview_rows)
    if preview.frame.empty:
        return f"<p>{escape(node.name)}: no rows</p>"
    table = preview.frame.to_html(border=0, index=False, max_cols=30)
    shown = f"first {preview_rows:,} of " if preview.total > preview_rows else ""
    return f"<p>{escape(node.name)}: {shown}{counted(preview.total, 'row')}</p>{table}"


def _symbol(status: Status) -> str:
    colour = _COLOURS.get(status, _GREY)
    return f'<span aria-hidden="true" style="color: {colour}">{SYMBOLS[status]}</span>'
