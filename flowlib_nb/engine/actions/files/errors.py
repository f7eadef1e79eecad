"""What can be wrong with a file's content."""

from __future__ import annotations


class FormatError(ValueError):
    """The content cannot be read or written; the text is half a sentence, without the file."""
