"""Reads a flow that is being typed: what it holds so far, and where in it the cursor stands.

The text need not be YAML yet. Lines are taken by their indentation, ``{ }`` and ``[ ]`` by their
brackets; whatever is never closed ends where the next line is indented no deeper than its key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..templates.tokenizer import CLOSE, OPEN, TemplateSyntaxError, expression_end
from .source import MAX_DEPTH, Path

_KEY = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'{\[#&*!|>%@`][^\n]*?)[ ]*:(?=[ \n]|\Z)"""
)
_DASH = re.compile(r"-(?=[ \n]|\Z)[ ]*")
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[ ]*(?:#[^\n]*)?(?:\n|\Z)")
_FLOW_GAP = re.compile(r"(?:[ \n]|#[^\n]*)*")
_FLOW_PLAIN_END = re.compile(r"[,\[\]{}\n]|:(?=[ ,\[\]{}\n]|\Z)|[ ]#")
_PLAIN_END = re.compile(r"\n|[ ]#")
_COLON = re.compile(r"[ ]*:")
_NEXT_LINE = re.compile(r"\s*\n([ ]*)(?=\S)")
_QUOTED = {
    '"': re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL),
    "'": re.compile(r"'(?:[^']|'')*'", re.DOTALL),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor stands.

    Parameters
    ----------
    path : tuple
        Of the mapping or list that a key or item is being added to, or of the value.
    is_key, is_value : bool
        What can be typed there: a key of a mapping at the path, the value at the path. On a line
        of its own it may be either.
    start : int
        Offset at which what is being typed begins.
    typed : str
        What stands between there and the cursor.
    own : str or None
        The key that the cursor is in.
    """

    path: Path
    is_key: bool
    is_value: bool
    start: int
    typed: str
    own: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read.

    Parameters
    ----------
    place : Place or None
        The cursor's; None in comments and behind values.
    children : dict
        The keys, or indexes, of what is at each path.
    texts : dict
        Scalars by path, as they are written.
    """

    place: Place | None
    children: dict[Path, list[str | int]] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)

    def names(self, *path: str | int) -> list[str]:
        """The keys of the mapping at a path."""
        return [key for key in self.children.get(path, ()) if isinstance(key, str)]

    def data(self, *path: str | int) -> Any:
        """What is at a path as dicts, lists and texts."""
        if path not in self.children:
            return self.texts.get(path)
        keys = self.children[path]
        if keys and isinstance(keys[0], int):
            return [self.data(*path, key) for key in keys]
        return {key: self.data(*path, key) for key in keys}


def read_draft(text: str, cursor: int) -> Draft:
    """Read a text, finished or not.

    Parameters
    ----------
    text : str
        With line feeds as line breaks.
    cursor : int
        An offset in it.

    Returns
    -------
    Draft
        Never raises for the text's sake.
    """
    reader = _Reader(text, cursor)
    reader.read()
    return Draft(reader.place, reader.children, reader.texts)


class _Reader:
    def __init__(self, text: str, cursor: int) -> None:
        self._text = text
        self._cursor = cursor
        # What deeper lines can belong to: indentation, path, whether it is an item of a list.
        self._open: list[tuple[int, Path, bool]] = []
        self.place: Place | None = None
        self.children: dict[Path, list[str | int]] = {}
        self.texts: dict[Path, str] = {}

    def read(self) -> None:
        at = 0
        while at <= len(self._text):
            end = self._line_end(at)
            line = self._text[at:end]
            indent = len(line) - len(line.lstrip(" "))
            if not line.strip():
                if at <= self._cursor <= end:
                    self._at_blank(self._cursor - at)
                at = end + 1
            elif line[indent] == "#":
                at = end + 1
            else:
                at = self._line_end(self._line(at + indent, indent)) + 1

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end

    def _at_blank(self, column: int) -> None:
        levels = [path for indent, path, _ in self._open if indent < column]
        path = levels[-1] if levels else ()
        self.place = Place(path, True, True, self._cursor, "")

    def _line(self, at: int, indent: int) -> int:
        """Read a line's content, and what belongs to it; gives the offset behind it."""
        is_item = bool(_DASH.match(self._text, at))
        # Items may be indented no deeper than the key of their list.
        while self._open and (
            self._open[-1][0] > indent
            or (self._open[-1][0] == indent and (self._open[-1][2] or not is_item))
        ):
            self._open.pop()
        path = self._open[-1][1] if self._open else ()
        while dash := _DASH.match(self._text, at):
            path = self._child(path, len(self._items(path)))
            self._open.append((indent, path, True))
            if at < self._cursor <= dash.end() and self._cursor > at + 1:
                self.place = Place(path, True, True, self._cursor, "")
            indent += dash.end() - at
            at = dash.end()
        if at >= len(self._text) or self._text[at] in "\n#":
            return at
        key = _KEY.match(self._text, at)
        if key and OPEN not in key[1] and " #" not in key[1]:
            path = self._key(path, at, key[1])
            self._open.append((indent, path, False))
            return self._behind_colon(key.end(), path, indent)
        owner = self._open[-1][0] if self._open else -1
        return self._value(at, path, owner, is_alone=True)

    def _items(self, path: Path) -> list[str | int]:
        return [key for key in self.children.get(path, ()) if isinstance(key, int)]

    def _child(self, path: Path, step: str | int) -> Path:
        keys = self.children.setdefault(path, [])
        if step not in keys:
            keys.append(step)
        return (*path, step)

    def _key(self, path: Path, at: int, raw: str) -> Path:
        name = raw[1:-1] if raw[0] in _QUOTED else raw
        start = at + (raw[0] in _QUOTED)
        if start <= self._cursor <= at + len(raw):
            typed = self._text[start : self._cursor]
            self.place = Place(path, True, False, start, typed, name)
        return self._child(path, name)

    def _behind_colon(self, at: int, path: Path, indent: int) -> int:
        begin = at
        while self._text.startswith(" ", begin):
            begin += 1
        if at < self._cursor <= begin:
            self.place = Place(path, False, True, self._cursor, "")
        if begin >= len(self._text) or self._text[begin] in "\n#":
            return begin
        if _BLOCK_HEADER.match(self._text, begin):
            return self._block(begin, path, indent)
        return self._value(begin, path, indent)

    def _block(self, at: int, path: Path, indent: int) -> int:
        """Read a text under ``|`` or ``>``."""
        header_end = end = self._line_end(at)
        at = end + 1
        while at < len(self._text):
            end_of_line = self._line_end(at)
            line = self._text[at:end_of_line]
            depth = len(line) - len(line.lstrip(" "))
            if line.strip():
                is_inside = depth > indent
            else:
                is_at_cursor = at <= self._cursor <= end_of_line
                is_inside = not is_at_cursor or self._cursor - at > indent
                is_inside = is_inside or self._next_depth(end_of_line) > indent
            if not is_inside:
                break
            end = end_of_line
            at = end + 1
        if end > header_end:
            self._scalar(header_end + 1, end, path)
        return end

    def _next_depth(self, at: int) -> int:
        """How deep the next line that is not blank is indented; -1 behind the last one."""
        line = _NEXT_LINE.match(self._text, at)
        return len(line[1]) if line else -1

    def _value(self, at: int, path: Path, indent: int, *, is_alone: bool = False) -> int:
        """Read a value of a line; one that is alone on it may become a key."""
        limit = self._limit(at, indent)
        if self._text[at] in "{[" and not self._text.startswith(OPEN, at):
            return self._collection(at, path, limit)
        if self._text[at] in _QUOTED:
            return self._quoted(at, path, limit, is_alone=is_alone)
        end = self._plain_end(at, _PLAIN_END, limit)
        self._scalar(at, end, path, is_alone=is_alone)
        return end

    def _limit(self, at: int, indent: int) -> int:
        """Where something that begins at an offset must have ended, closed or not."""
        if indent < 0:
            return len(self._text)
        shallow = re.compile(rf"\n(?=[ ]{{0,{indent}}}[^\s}}\]#])").search(self._text, at)
        return shallow.start() if shallow else len(self._text)

    def _collection(self, at: int, path: Path, limit: int) -> int:
        """Read ``{ }`` or ``[ ]``; gives the offset behind it."""
        if len(path) > MAX_DEPTH:
            return limit
        is_mapping = self._text[at] == "{"
        self.children.setdefault(path, [])
        at += 1
        is_next = True
        while True:
            gap = _FLOW_GAP.match(self._text, at, limit)
            assert gap is not None  # which may be empty
            if is_next and at <= self._cursor <= gap.end() and not self._in_comment(at):
                self._add_place(path, is_mapping)
            at = gap.end()
            if at >= limit:
                return limit
            char = self._text[at]
            if char in "}]":
                # Another kind of bracket closes what is around this, which was left open.
                return at + 1 if char == ("}" if is_mapping else "]") else at
            if char == ",":
                is_next, at = True, at + 1
            elif is_mapping:
                is_next, at = False, self._pair(at, path, limit)
            else:
                is_next, at = False, self._item(at, path, limit)

    def _in_comment(self, at: int) -> bool:
        line = self._text[max(at, self._text.rfind("\n", 0, self._cursor) + 1) : self._cursor]
        return "#" in line

    def _add_place(self, path: Path, is_mapping: bool) -> None:
        if not is_mapping:
            path = (*path, len(self._items(path)))
        self.place = Place(path, is_mapping, not is_mapping, self._cursor, "")

    def _item(self, at: int, path: Path, limit: int) -> int:
        item = (*path, len(self._items(path)))
        end = self._inner(at, item, limit)
        self._child(path, item[-1])
        return max(end, at + 1)

    def _pair(self, at: int, path: Path, limit: int) -> int:
        is_quoted = self._text[at] in _QUOTED
        quoted = _QUOTED[self._text[at]].match(self._text, at, limit) if is_quoted else None
        end = quoted.end() if quoted else self._plain_end(at, _FLOW_PLAIN_END, limit)
        raw = self._text[at:end].rstrip()
        colon = _COLON.match(self._text, end, limit)
        if colon is None:
            # Not a key yet, so that it does not count among those that are there.
            start = at + is_quoted
            if start <= self._cursor <= end:
                typed = self._text[start : self._cursor]
                self.place = Place(path, True, False, start, typed)
            return max(end, at + 1)
        if not raw:
            return colon.end()
        child = self._key(path, at, raw)
        gap = _FLOW_GAP.match(self._text, colon.end(), limit)
        assert gap is not None  # which may be empty
        if colon.end() < self._cursor <= gap.end() and not self._in_comment(colon.end()):
            self.place = Place(child, False, True, self._cursor, "")
        if gap.end() >= limit or self._text[gap.end()] in ",}]":
            return gap.end()
        return self._inner(gap.end(), child, limit)

    def _inner(self, at: int, path: Path, limit: int) -> int:
        if self._text[at] in "{[" and not self._text.startswith(OPEN, at):
            return self._collection(at, path, limit)
        if self._text[at] in _QUOTED:
            return self._quoted(at, path, limit)
        end = self._plain_end(at, _FLOW_PLAIN_END, limit)
        self._scalar(at, end, path)
        return end

    def _quoted(self, at: int, path: Path, limit: int, *, is_alone: bool = False) -> int:
        closed = _QUOTED[self._text[at]].match(self._text, at, limit)
        end = closed.end() if closed else min(self._line_end(at), limit)
        self._scalar(at + 1, end - 1 if closed else end, path, is_alone=is_alone)
        return end

    def _plain_end(self, at: int, ends: re.Pattern[str], limit: int) -> int:
        """Where a text without quotes ends; ``{{ }}`` may hold anything."""
        while at < limit:
            found = ends.search(self._text, at, limit)
            end = found.start() if found else limit
            template = self._text.find(OPEN, at, min(end + len(OPEN), limit))
            if template < 0:
                return end
            try:
                at = expression_end(self._text[:limit], template + len(OPEN)) + len(CLOSE)
            except TemplateSyntaxError:
                return min(self._line_end(at), limit)
        return min(at, limit)

    def _scalar(self, start: int, end: int, path: Path, *, is_alone: bool = False) -> None:
        if start <= self._cursor <= end:
            typed = self._text[start : self._cursor]
            self.place = Place(path, is_alone, True, start, typed)
            if is_alone:
                return  # what it will be is not known yet
        if path not in self.children:
            earlier = f"{self.texts[path]}\n" if path in self.texts else ""
            self.texts[path] = earlier + self._text[start:end].rstrip()
