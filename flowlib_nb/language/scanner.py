"""A YAML scanner to which ``{{ … }}`` is one piece of plain text.

YAML reads an unquoted ``{{`` as a mapping inside a mapping, and ``: `` or `` #`` inside a template
as the end of its text. People write templates unquoted all the same, so here they may.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml import tokens
from ruamel.yaml.scanner import Scanner, ScannerError

from ..templates.tokenizer import CLOSE, OPEN, TemplateSyntaxError, expression_end

_BREAK = "\0\r\n\x85\u2028\u2029"
_BLANK = _BREAK + " \t"


class TemplateScanner(Scanner):
    """Reads plain scalars with templates as atoms; everything else is ruamel.yaml's."""

    def fetch_flow_mapping_start(self) -> None:
        """Read a ``{``, which is a plain scalar's beginning where a second one follows."""
        if self.reader.prefix(2) == OPEN:
            self.fetch_plain()
        else:
            super().fetch_flow_mapping_start()

    def scan_plain(self) -> Any:
        """Read a plain scalar (YAML 1.2.2 §7.3.3), in which a template may hold anything."""
        reader = self.reader
        chunks: list[str] = []
        spaces: list[str] = []
        start = end = reader.get_mark()
        indent = self.indent + 1
        while reader.peek() != "#":
            length = self._plain_length()
            if length == 0:
                break
            self.allow_simple_key = False
            chunks += spaces
            chunks.append(reader.prefix(length))
            reader.forward(length)
            end = reader.get_mark()
            spaces = self.scan_plain_spaces(indent, start)
            outdented = not self.flow_level and reader.column < indent
            if not spaces or reader.peek() == "#" or outdented:
                break
        return tokens.ScalarToken("".join(chunks), True, start, end)

    def _plain_length(self) -> int:
        """How many characters from here on belong to the scalar's current line (or template)."""
        peek = self.reader.peek
        length = 0
        while True:
            char = peek(length)
            if char == "{" and peek(length + 1) == "{":
                length = self._behind_template(length)
                continue
            if char in _BLANK or (self.flow_level and char in ",[]{}"):
                return length
            follows = peek(length + 1)
            if char == ":" and (follows in _BLANK or (self.flow_level and follows in ",[]{}")):
                return length
            length += 1

    def _behind_template(self, length: int) -> int:
        reader = self.reader
        reader.peek(length)  # makes sure that so much of the text is in the buffer
        begin = reader.pointer + length
        try:
            end = expression_end(str(reader.buffer), begin + len(OPEN))
        except TemplateSyntaxError as problem:
            reader.forward(length)
            mark = reader.get_mark()
            raise ScannerError(None, None, problem.message, mark) from None
        return end + len(CLOSE) - int(reader.pointer)
