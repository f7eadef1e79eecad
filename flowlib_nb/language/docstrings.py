"""Reads numpydoc docstrings, so that help and schemas say what the code says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from inspect import cleandoc

_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}[ ]*$", re.MULTILINE)
_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_ROLE = re.compile(r":\w+:`~?\.?([^`]+)`")
# The name that a field has in Python only.
_OWN_NAME = re.compile(r" \(``\w+`` in the text\)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says.

    Parameters
    ----------
    text : str
        All before its first section, with a blank line between paragraphs.
    parameters : dict
        The texts of its section ``Parameters`` by name.
    """

    text: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def read_docstring(docstring: str | None) -> Docstring:
    """Read a docstring.

    Parameters
    ----------
    docstring : str or None
        In numpydoc form, or any text.

    Returns
    -------
    Docstring
        With literals in single back quotes, as Markdown has them.
    """
    parts = _HEADING.split(cleandoc(docstring or ""))
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    parameters: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", sections.get("Parameters", "").strip("\n")):
        names, _, text = block.partition("\n")
        for name in names.partition(" : ")[0].split(","):
            if name.strip():
                parameters[name.strip().lstrip("*")] = _plain(text)
    return Docstring(_plain(parts[0]), parameters)


def _plain(text: str) -> str:
    text = _ROLE.sub(r"`\1`", _OWN_NAME.sub("", cleandoc(text)))
    text = _LITERAL.sub(r"`\1`", text)
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))
