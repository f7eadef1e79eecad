"""Plain data as YAML text: what :mod:`.source` reads back as the same data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from .source import MAX_DEPTH, Path, _resolve

_WIDTH = 100
# The flow, its nodes and each node stand on lines of their own, however short.
_ALWAYS_BLOCK = 3
# Plain in any context: nothing in it can end a scalar, begin another kind of value or a comment.
_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_./$-]*( [A-Za-z0-9_./$-]+)*", re.ASCII)
# What YAML 1.1 takes for booleans; other readers than ours still do.
_OLD_BOOLEAN = re.compile(r"y|yes|n|no|on|off", re.IGNORECASE)
_LONGEST_SIMPLE_KEY = 1000
# YAML 1.2.2 §5.1: not printable, a line break of its own, or invisible.
_ESCAPED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_HALF = re.compile("[\ud800-\udfff]")


def write(data: Mapping[str, Any], *, comments: Mapping[Path, str] | None = None) -> str:
    """Write a flow's definition as YAML 1.2.

    Parameters
    ----------
    data : mapping
        Of mappings with text keys, lists, tuples, text, numbers, booleans and None.
    comments : mapping of tuple to str, optional
        For a path, such as ``("nodes", "fetch")``, what to say above it; for ``()``, at the top.

    Returns
    -------
    str
        Read again, it gives the same data. Texts of several lines are block scalars; what a reader
        could take for something else than text is in quotes.

    Raises
    ------
    InputError
        Something in it has no place in YAML; the message names where, never what it held.
    """
    check(data)
    writer = _Writer(comments or {})
    writer.comment((), 0)
    if data:
        writer.mapping(data, (), 0)
    else:
        writer.lines.append("{}")
    return "\n".join(writer.lines) + "\n"


def check(data: Any, path: Path = ()) -> None:
    """Refuse what YAML cannot hold.

    Parameters
    ----------
    data : object
        A definition, or part of one.
    path : tuple, optional
        Where it stands.

    Raises
    ------
    InputError
        A value is of another type, a key is no text, or values are nested too deeply.
    """
    if len(path) > MAX_DEPTH:
        raise InputError(f"Values are nested deeper than {MAX_DEPTH}: {shown(path[:6])}…")
    if isinstance(data, Mapping):
        for key, value in data.items():
            if type(key) is not str:
                kind = type(key).__name__
                raise InputError(f"A key in {shown(path)} is of type {kind}; it must be text.")
            _check_text(key, (*path, key))
            check(value, (*path, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            check(value, (*path, index))
    elif type(data) is str:
        _check_text(data, path)
    elif data is not None and type(data) not in (bool, int, float):
        raise InputError(
            f"{shown(path)} is of type {type(data).__name__}, which a flow's text cannot hold.",
            hint="Write text, numbers, booleans, lists and mappings; give other values as inputs: "
            "inputs: {orders: $df_orders}, or flow.run({'orders': df}).",
        )


def shown(path: Path) -> str:
    """A path as people write it: ``nodes.fetch.with.items[3]``."""
    if not path:
        return "the definition"
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def scalar_text(value: Any) -> str:
    """A scalar as it stands in YAML on a single line, quoted where that is needed."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float_text(value)
    return _string_text(value)


def _check_text(text: str, path: Path) -> None:
    if _HALF.search(text):
        raise InputError(f"{shown(path)} holds half of a surrogate pair, which is no text.")


def _float_text(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return repr(value)


def _string_text(text: str) -> str:
    is_text = isinstance(_resolve(text), str) and not _OLD_BOOLEAN.fullmatch(text)
    if is_text and _PLAIN.fullmatch(text):
        return text
    if '"' in text and "'" not in text and "\n" not in text and not _ESCAPED.search(text):
        return f"'{text}'"
    # JSON's escapes are YAML's (§5.7); YAML needs some more of them.
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        members = [f"{_string_text(key)}: {_inline(member)}" for key, member in value.items()]
        return "{" + ", ".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return scalar_text(value)


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, (list, tuple)):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _has_lines(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_lines(member) for member in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_lines(item) for item in value)
    return isinstance(value, str) and _as_block(value)


def _as_block(text: str) -> bool:
    """Whether a text can be a literal block scalar (§8.1) that gives back exactly it."""
    body = text.removesuffix("\n")
    if "\n" not in text or not body or _ESCAPED.search(text):
        return False
    lines = body.split("\n")
    # Where the first or last line is empty or indented, the block would need more indicators.
    if not lines[0].strip() or not lines[-1].strip() or lines[0][0] in " \t":
        return False
    return all(line.strip() or not line for line in lines)


class _Writer:
    def __init__(self, comments: Mapping[Path, str]) -> None:
        self.lines: list[str] = []
        self._comments = comments

    def comment(self, path: Path, indent: int) -> None:
        for line in self._comments.get(path, "").splitlines():
            self.lines.append(f"{' ' * indent}# {_ESCAPED.sub(' ', line)}".rstrip())

    def mapping(self, data: Mapping[str, Any], path: Path, indent: int) -> None:
        for key, value in data.items():
            inner = (*path, key)
            self.comment(inner, indent)
            name = _string_text(key)
            if len(name) > _LONGEST_SIMPLE_KEY:
                self.lines.append(f"{' ' * indent}? {name}")
                self._value(" " * indent + ":", value, inner, indent)
            else:
                self._value(f"{' ' * indent}{name}:", value, inner, indent)

    def sequence(self, data: list[Any] | tuple[Any, ...], path: Path, indent: int) -> None:
        for index, value in enumerate(data):
            self._value(f"{' ' * indent}-", value, (*path, index), indent)

    def _value(self, head: str, value: Any, path: Path, indent: int) -> None:
        if isinstance(value, str) and _as_block(value):
            self.lines.append(f"{head} |" if value.endswith("\n") else f"{head} |-")
            pad = " " * (indent + 2)
            body = value.removesuffix("\n").split("\n")
            self.lines += [f"{pad}{line}" if line else "" for line in body]
        elif isinstance(value, (Mapping, list, tuple)) and value and not _fits(head, value, path):
            self.lines.append(head)
            if isinstance(value, Mapping):
                self.mapping(value, path, indent + 2)
            else:
                self.sequence(value, path, indent + 2)
        else:
            self.lines.append(f"{head} {_inline(value)}")


def _fits(head: str, value: Any, path: Path) -> bool:
    """Whether a mapping or list is short and simple enough to stand on its key's line."""
    if path[:1] == ("nodes",) and len(path) < _ALWAYS_BLOCK:
        return False
    if _depth(value) > 2 or _has_lines(value):
        return False
    return len(head) + 1 + len(_inline(value)) <= _WIDTH
