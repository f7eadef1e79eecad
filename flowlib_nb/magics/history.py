"""Keeps secrets typed on a ``%flowlib_secret set`` line out of IPython's history.

Such a line is refused, but by then IPython has it in ``In`` and, in plaintext, in its database.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_ORIGINAL = "_flowlib_store_inputs"
_COMMAND = re.compile(
    r"^(?P<indent>\s*).*\bflowlib_secret\b[\"',\s]*\bset\b(?P<rest>.*)$", re.MULTILINE
)
_NAME_ONLY = re.compile(r"""\s+["']?[\w.-]*["']?\s*\)?\s*(#.*)?""")
_OPTION = re.compile(r"\s+--(type|hosts)(=|\s+)\S+")
_NOTE = "# a `%flowlib_secret set` line that held a value was kept out of the history"


def keep_values_out(shell: InteractiveShell) -> None:
    """Wrap the history's way in."""
    history = shell.history_manager
    if history is None or hasattr(history, _ORIGINAL):
        return
    original = history.store_inputs

    def store_inputs(line_num: int, source: str, source_raw: str | None = None) -> Any:
        raw = source if source_raw is None else source_raw
        if without_values(raw) != raw:
            raw = source = without_values(raw)
        return original(line_num, source, raw)

    setattr(history, _ORIGINAL, original)
    history.store_inputs = store_inputs


def restore(shell: InteractiveShell) -> None:
    """Give the history its own way in back."""
    history = shell.history_manager
    if history is not None and hasattr(history, _ORIGINAL):
        del history.store_inputs
        delattr(history, _ORIGINAL)


def without_values(source: str) -> str:
    """A cell in which each line that gives a secret its value is a comment.

    Parameters
    ----------
    source : str
        The cell as it was typed.
    """

    def replacement(match: re.Match[str]) -> str:
        harmless = _NAME_ONLY.fullmatch(_OPTION.sub("", match["rest"]))
        return match[0] if harmless else match["indent"] + _NOTE

    return _COMMAND.sub(replacement, source)
