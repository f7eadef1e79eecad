"""The list of actions and an action's manual page, as text and as HTML.

The HTML needs no extension, script or style sheet, and names no colour but grey, which reads on
light and on dark.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from ..models.catalogue import ActionInfo, ParameterInfo

_NARROWEST = 72
_BORDER = "border-bottom: 1px solid #888"
_CELL = f"text-align: left; vertical-align: top; padding: 2px 12px 2px 0; {_BORDER}"
_HEADS = ("Parameter", "Type", "Default", "Meaning")
_CREDENTIAL = {
    "optional": "A node that uses it may name a credential.",
    "required": "A node that uses it must name a credential.",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """Something that a notebook shows as HTML and a terminal as text.

    Parameters
    ----------
    text : str
        Lines without a line break at the end.
    html : str
        One element.
    """

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def action_list(actions: Sequence[ActionInfo], *, width: int = 100) -> Shown:
    """Name and summary of each action.

    Parameters
    ----------
    actions : sequence of ActionInfo
        The actions.
    width : int, optional
        Characters in a line of the text.
    """
    text = "\n".join(_columns([(action.name, action.summary) for action in actions], width))
    rows = "".join(_row(action.name, action.summary) for action in actions)
    return Shown(text, f"<div>{_table('Actions', ('Action', 'What it does'), rows)}</div>")


def action_page(action: ActionInfo, *, width: int = 100) -> Shown:
    """An action's manual page: what it does, its parameters, an example.

    Parameters
    ----------
    action : ActionInfo
        The action.
    width : int, optional
        Characters in a line of the text.
    """
    return Shown(_page_text(action, max(width, _NARROWEST)), _page_html(action))


def _page_text(action: ActionInfo, width: int) -> str:
    parts = [_wrapped(f"{action.name}: {action.summary}".removesuffix(": "), width)]
    parts += [_wrapped(text, width) for text in _paragraphs(action)]
    rows = [_HEADS, *_rows(action.parameters)]
    parts.append("\n".join(_columns(rows, width)) if action.parameters else "No parameters.")
    if action.example:
        parts.append(f"Example\n{textwrap.indent(action.example.rstrip(), '  ')}")
    return "\n\n".join(parts)


def _page_html(action: ActionInfo) -> str:
    name, summary = escape(action.name), _marked(action.summary)
    parts = [f"<p><strong>{name}</strong>{': ' if summary else ''}{summary}</p>"]
    parts += [f"<p>{_marked(text)}</p>" for text in _paragraphs(action)]
    rows = "".join(_row(*cells) for cells in _rows(action.parameters))
    title = f"Parameters of {name}"
    parts.append(_table(title, _HEADS, rows) if rows else "<p>No parameters.</p>")
    if action.example:
        parts.append(f"<p>Example</p><pre>{escape(action.example.rstrip())}</pre>")
    return f"<div>{''.join(parts)}</div>"


def _paragraphs(action: ActionInfo) -> Iterator[str]:
    if action.description != action.summary:
        yield from action.description.split("\n\n")
    if action.credential in _CREDENTIAL:
        yield _CREDENTIAL[action.credential]
    if action.is_routing:
        known = ", ".join(_value(branch) for branch in action.branches)
        yield f"Its branches, for needs: {known or 'those that its parameters name'}."


def _rows(parameters: Sequence[ParameterInfo], prefix: str = "") -> Iterator[tuple[str, ...]]:
    for parameter in parameters:
        name = f"{prefix}{parameter.name}"
        default = "required" if parameter.required else _value(parameter.default)
        yield name, parameter.type, default, parameter.description
        yield from _rows(parameter.parameters, f"{name}.")


def _value(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False)


def _columns(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Lines in which each column is as wide as it needs; those that are too wide are wrapped."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    left = width - 2 * (len(widths) - 1)
    # From the narrowest on, so that what it leaves is the wider ones'.
    for done, column in enumerate(sorted(range(len(widths)), key=widths.__getitem__)):
        widths[column] = min(widths[column], max(left // (len(widths) - done), 12))
        left -= widths[column]
    for row in rows:
        cells = [
            textwrap.wrap(cell, wide, break_on_hyphens=False) or [""]
            for cell, wide in zip(row, widths, strict=True)
        ]
        for index in range(max(map(len, cells))):
            line = [cell[index] if index < len(cell) else "" for cell in cells]
            padded = (text.ljust(wide) for text, wide in zip(line, widths, strict=True))
            yield "  ".join(padded).rstrip()


def _table(caption: str, heads: Sequence[str], rows: str) -> str:
    head = "".join(f'<th scope="col" style="{_CELL}">{text}</th>' for text in heads)
    return (
        '<table style="border-collapse: collapse; margin: 4px 0">'
        f'<caption style="text-align: left">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(name: str, *cells: str) -> str:
    rest = "".join(f'<td style="{_CELL}">{_marked(cell)}</td>' for cell in cells)
    return f'<tr><th scope="row" style="{_CELL}">{escape(name)}</th>{rest}</tr>'


def _marked(text: str) -> str:
    """Escaped text, with what stands in back quotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
