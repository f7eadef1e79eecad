"""YAML text to plain data that knows where each value stands."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ..errors import FlowValidationError, Position, Problem
from .scanner import TemplateScanner

Path = tuple[str | int, ...]

# A chain of aliases can stand for more values than any memory holds ("billion laughs").
MAX_VALUES = 200_000
MAX_DEPTH = 100

_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_QUOTE_HINT = (
    "A value that holds `: ` or ` #`, or begins with one of {[&*!|>'\"%@`, needs quotes; longer "
    "code goes under `|` on lines of its own."
)


@dataclass(frozen=True, slots=True)
class _Scalar:
    """Where a text stands: offsets of its raw form in the source, and whether it is indented."""

    start: int
    end: int
    is_block: bool


@dataclass(frozen=True)
class Source:
    """A text read as YAML.

    Parameters
    ----------
    text : str
        What was read.
    data : object
        Dicts with string keys, lists and scalars.
    first_line : int
        The line, in the cell or file, on which ``text`` begins.
    """

    text: str
    data: Any
    first_line: int = 1
    _keys: dict[Path, int] = field(default_factory=dict, repr=False)
    _values: dict[Path, _Scalar] = field(default_factory=dict, repr=False)

    def position(self, path: Path, offset: int | None = None) -> Position:
        """Where a value stands.

        Parameters
        ----------
        path : tuple
            Keys and indexes; where there is no such value, the nearest one above it counts.
        offset : int, optional
            A character in the value's text. Without it, the key tells the place.
        """
        for length in range(len(path), -1, -1):
            known = path[:length]
            if offset is not None and length == len(path) and known in self._values:
                return self._at(self._raw_offset(known, offset))
            if known in self._keys:
                return self._at(self._keys[known])
            if known in self._values:
                return self._at(self._values[known].start)
        return Position(self.first_line, 1)

    def value_position(self, path: Path) -> Position:
        """Where a value itself begins, rather than its key."""
        if path in self._values:
            return self._at(self._values[path].start)
        return self.position(path)

    def _at(self, index: int) -> Position:
        before = self.text[:index]
        column = index - (before.rfind("\n") + 1) + 1
        return Position(self.first_line + before.count("\n"), column)

    def _raw_offset(self, path: Path, offset: int) -> int:
        """The offset in the source of a character of a scalar's value.

        Quotes, escapes, folding and indentation make the two differ. They agree again at each
        ``{{``; from the last one before the character both are walked in step.
        """
        value = _get(self.data, path)
        place = self._values[path]
        raw = self.text[place.start : place.end]
        if not isinstance(value, str):
            return place.start
        at_value = max(value.rfind("{{", 0, offset), 0)
        at_raw = raw.find("\n") + 1 if place.is_block else 0
        if value.startswith("{{", at_value):
            for _ in range(value.count("{{", 0, at_value) + 1):
                at_raw = raw.find("{{", at_raw) + 2
            at_value += 2
        elif raw[:1] in "\"'":
            at_raw = 1
        while at_value < offset and at_raw < len(raw):
            wanted, found = value[at_value], raw[at_raw]
            if wanted == found or not (found.isspace() or found in "\\'"):
                at_value += 1
                at_raw += 1
            elif wanted.isspace() and found == "\\":
                at_value += 1
                at_raw += 2
            elif wanted.isspace() and found.isspace():
                at_value += 1
                at_raw += 1
            else:
                at_raw += 1
        while place.is_block and at_raw < len(raw) and raw[at_raw] in " \n":
            at_raw += 1
        return place.start + at_raw


def read(text: str, *, first_line: int = 1) -> Source:
    """Read YAML 1.2 (core schema) in which templates need no quotes.

    Parameters
    ----------
    text : str
        One document.
    first_line : int, optional
        The line of the cell or file on which ``text`` begins.

    Returns
    -------
    Source
        Its data holds only dicts with text keys, lists, text, numbers, booleans and None.

    Raises
    ------
    FlowValidationError
        The text is not YAML, has duplicate keys, or uses what JSON cannot hold. All problems but
        the first syntax error are found in one go.

    Sources
    -------
    YAML 1.2.2, sections 7.3.3 and 10.3.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    source = Source(text, None, first_line)
    root = _compose(text, source)
    if root is None:
        return source
    builder = _Builder(source)
    data = builder.build(root, ())
    if builder.problems:
        raise FlowValidationError(builder.problems)
    return Source(text, data, first_line, source._keys, source._values)


def _compose(text: str, source: Source) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = TemplateScanner
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = Position(source.first_line + mark.line, mark.column + 1) if mark else None
        raise FlowValidationError([_syntax_problem(error, position)]) from None
    except YAMLError as error:
        message = f"This is not YAML: {str(error).splitlines()[0]}."
        raise FlowValidationError([Problem("yaml_syntax", message)]) from None
    except RecursionError:
        raise FlowValidationError([_too_deep(None)]) from None
    return node


def _syntax_problem(error: MarkedYAMLError, position: Position | None) -> Problem:
    reason = str(error.problem or error.context or "cannot be read").strip().rstrip(".")
    context = f" {error.context}" if error.context and error.problem else ""
    if "template" in reason or "is not closed" in reason:
        return Problem("template_syntax", f"{reason[:1].upper()}{reason[1:]}.", (), position)
    hint = _QUOTE_HINT
    if "\\t" in reason or "'\\t'" in reason:
        hint = "YAML is indented with spaces, never with tabs."
    return Problem("yaml_syntax", f"This is not YAML: {reason}{context}.", (), position, hint)


def _too_deep(position: Position | None) -> Problem:
    return Problem("yaml_depth", f"Values are nested deeper than {MAX_DEPTH}.", (), position)


class _Builder:
    """Turns YAML nodes into data and notes where everything stands."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._count = 0
        self.problems: list[Problem] = []

    def build(self, node: Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            if not self.problems or self.problems[-1].code not in ("yaml_depth", "yaml_size"):
                self.problems.append(
                    _too_deep(self._position(node))
                    if len(path) > MAX_DEPTH
                    else Problem("yaml_size", f"The flow has more than {MAX_VALUES:,} values.")
                )
            return None
        self._source._values[path] = _Scalar(
            node.start_mark.index, node.end_mark.index, getattr(node, "style", None) in ("|", ">")
        )
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)  # the only other kind that there is
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in result:
                first = self._source.position((*path, key))
                self._problem(
                    "duplicate_key", f"The key {key!r} is there twice (first on {first}).",
                    (*path, key), key_node,
                )  # fmt: skip
                continue
            self._source._keys[(*path, key)] = key_node.start_mark.index
            result[key] = self.build(value_node, (*path, key))
        return result

    def _key(self, node: Node, path: Path) -> str | None:
        if not isinstance(node, ScalarNode):
            self._problem("yaml_key", "A key must be text.", path, node)
            return None
        if node.style is None and node.value == "<<":
            self._problem("yaml_merge", "Merge keys (<<) are not YAML 1.2.", path, node)
            return None
        if node.style is None and "{{" in node.value:
            self._problem("yaml_key", "A key cannot hold a template.", path, node)
            return None
        return self._text(node, path)

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        text = self._text(node, path)
        tag = str(node.tag or "")
        if not _is_standard(tag):
            self._problem("yaml_tag", f"The tag {tag} is not supported.", path, node)
            return None
        if node.style is not None:
            return text
        return _resolve(text)

    def _text(self, node: ScalarNode, path: Path) -> str:
        """The text, in which JSON's escapes of half a character each are one character again."""
        text: str = node.value
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._problem("yaml_text", "A text holds half of a surrogate pair.", path, node)
            return ""

    def _problem(self, code: str, message: str, path: Path, node: Node) -> None:
        self.problems.append(Problem(code, message, path, self._position(node)))

    def _position(self, node: Node) -> Position:
        return self._source._at(node.start_mark.index)


def _is_standard(tag: str) -> bool:
    name = tag.rpartition(":")[2]
    return tag.startswith("tag:yaml.org,2002:") and name not in ("binary", "set", "omap", "pairs")


def _resolve(text: str) -> Any:
    """A plain scalar's value in YAML 1.2's core schema (§10.3.2); dates stay text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if infinity := _INFINITY.fullmatch(text):
        return -math.inf if infinity[1] == "-" else math.inf
    return math.nan if text in (".nan", ".NaN", ".NAN") else text


def scalar(text: str) -> Any:
    """A value given as text, on a command line say, typed as in YAML: ``3``, ``true``, ``[1]``.

    Parameters
    ----------
    text : str
        What is not a scalar, a list in brackets or a mapping in braces stays text.
    """
    try:
        value = read(text).data
    except FlowValidationError:
        return text
    if isinstance(value, (dict, list)) and not text.lstrip().startswith(("{", "[")):
        return text
    return value


def _get(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data
