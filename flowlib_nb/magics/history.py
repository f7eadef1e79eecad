"""Keeps secrets that were typed on a ``%flowlib_secret`` line out of IPython's history.

Such a line is refused, but by then IPython has it in ``In`` and, in plaintext, in its database. Two
nets: a cell that mentions the magic in any way but its plain ones is not stored; and when the magic
refuses a line, however it was called (an alias, in the cell that loads the extension), the cell is
taken out again.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..models.hosts import parse_hosts, split_hosts
from ..models.names import CREDENTIAL_TYPES, is_name

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_MAGIC = "flowlib_secret"
_NOTE = "# a cell that may have given a secret's value was kept out of the history"
_PLAIN = re.compile(r"[ \t]*(?:\w+[ \t]*=[ \t]*)?%?flowlib_secret(?P<rest>(?:[ \t][^#\\]*)?)")
_WRAPPED = ("history_manager", "store_inputs"), ("logger", "log")
_ORIGINAL = "_flowlib_original"


def keep_values_out(shell: InteractiveShell) -> None:
    """Wrap the ways into the history and into the log of ``%logstart``."""
    for place, name in _WRAPPED:
        owner = getattr(shell, place)
        if owner is not None and not hasattr(owner, _ORIGINAL):
            setattr(owner, _ORIGINAL, getattr(owner, name))
            setattr(owner, name, _store_inputs(owner) if name == "store_inputs" else _log(owner))


def restore(shell: InteractiveShell) -> None:
    """Give the history and the log their own ways in back."""
    for place, name in _WRAPPED:
        owner = getattr(shell, place)
        if owner is not None and hasattr(owner, _ORIGINAL):
            delattr(owner, name)
            delattr(owner, _ORIGINAL)


def _store_inputs(history: Any) -> Any:
    def store_inputs(line_num: int, source: str, source_raw: str | None = None) -> Any:
        raw = source if source_raw is None else source_raw
        if without_values(raw) != raw:
            raw = source = _NOTE
        return getattr(history, _ORIGINAL)(line_num, source, raw)

    return store_inputs


def _log(logger: Any) -> Any:
    def log(line_mod: str, line_ori: str) -> Any:
        if without_values(line_ori) != line_ori:
            line_mod = line_ori = _NOTE
        return getattr(logger, _ORIGINAL)(line_mod, line_ori)

    return log


def without_values(source: str) -> str:
    """A cell, or a note in its place where it may give a secret its value.

    Parameters
    ----------
    source : str
        The cell as it was typed.

    Returns
    -------
    str
        The same, unless some line has the magic's name in other than one of its plain forms.
    """
    mentions = [line for line in source.splitlines() if _MAGIC in line]
    return source if all(_is_plain(line) for line in mentions) else _NOTE


def forget_current_cell(shell: InteractiveShell, line: str) -> None:
    """Take the cell that is being run out of the history again.

    Parameters
    ----------
    shell : InteractiveShell
        Which is running it.
    line : str
        What the magic was given. The last cell of the history counts as the one that is being run
        if it holds a word of this; a cell that is run without being kept is not among them.
    """
    history = shell.history_manager
    if history is None or not history.input_hist_raw:
        return
    raw = history.input_hist_raw[-1]
    if not any(word in raw for word in line.split()):
        return
    history.input_hist_parsed[-1] = history.input_hist_raw[-1] = _NOTE
    history._i00 = _NOTE
    for name, value in list(shell.user_ns.items()):
        if name.startswith("_i") and value == raw:
            shell.user_ns[name] = _NOTE
    with history.db_input_cache_lock:
        history.db_input_cache = [
            (number, _NOTE, _NOTE) if entry[-1] == raw else (number, *entry)
            for number, *entry in history.db_input_cache
        ]
    if history.enabled:
        with history.db as database:
            # Else the old text would stay in the file's free pages.
            database.execute("PRAGMA secure_delete = ON")
            database.execute(
                "UPDATE history SET source = :note, source_raw = :note "
                "WHERE session = :session AND source_raw = :raw",
                {"note": _NOTE, "session": history.session_number, "raw": raw},
            )


def _is_plain(line: str) -> bool:
    match = _PLAIN.fullmatch(line)
    if match is None:
        return False
    try:
        words = shlex.split(match["rest"])
    except ValueError:
        return False
    command, rest = (words[0], words[1:]) if words else ("", [])
    if command == "set":
        return _is_plain_set(rest)
    if command in ("", "init", "list", "rotate", "-h", "--help"):
        return all(word in ("--keyring", "-h", "--help") for word in rest)
    if command in ("show", "rm", "test", "rename"):
        most = {"show": 1, "rm": 1}.get(command, 2)
        return len(rest) <= most and all(is_name(name) for name in rest[:1])
    return command in ("export", "import")


def _is_plain_set(words: list[str]) -> bool:
    names = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option not in ("--type", "--hosts"):
            names.append(word)
            continue
        value = value if equals else next(rest, "")
        if option == "--type" and value not in CREDENTIAL_TYPES:
            return False
        if option == "--hosts" and not _are_hosts(value):
            return False
    return len(names) <= 1 and all(is_name(name) for name in names)


def _are_hosts(text: str) -> bool:
    hosts = split_hosts(text)
    try:
        parse_hosts(hosts)
    except InputError:
        return False
    # Many secrets would do as a host's name of one word.
    return all(any(char in host for char in ".:") or host == "localhost" for host in hosts)
