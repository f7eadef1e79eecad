"""The part of an HTTP request that a credential changes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_plus

from ..errors import InputError
from .secret import MASK

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class RequestParts:
    """Address and headers of a request; its ``repr`` shows no header's value and no query.

    Parameters
    ----------
    url : str
        Absolute.
    headers : tuple of (str, str), optional
        In order; names compare without regard to case.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """Show where the request goes, and nothing that a credential may have added."""
        address, query, _ = self.url.partition("?")
        authority, at, rest = address.rpartition("@")
        shown = f"{authority.partition('://')[0]}://{MASK}@{rest}" if at else address
        names = ", ".join(f"{name}: {MASK}" for name, _ in self.headers)
        return f"RequestParts({shown}{'?' + MASK if query else ''}; {names})"

    def with_header(self, name: str, value: str, *, field: str) -> RequestParts:
        """Set a header, in place of any of that name.

        Parameters
        ----------
        name, value : str
            The header.
        field : str
            The credential's field that ``value`` comes from, to name it in an error.

        Returns
        -------
        RequestParts
            A new request.

        Raises
        ------
        InputError
            The value could break out of the header, or cannot stand in one. Its text is not shown.

        Sources
        -------
        RFC 9110, sections 5.1 and 5.5.
        """
        if reason := header_problem(value):
            del value  # verbose tracebacks show the locals of the frames they pass
            raise InputError(
                f"The credential's field {field!r} cannot be sent in the header {name}: "
                f"it {reason}.",
                hint="Store the credential again; a line break often comes along when pasting.",
            )
        kept = tuple(item for item in self.headers if item[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))

    def with_query(self, name: str, value: str) -> RequestParts:
        """Set a query parameter, in place of any of that name; the rest stays as it is written.

        Parameters
        ----------
        name, value : str
            The parameter, not yet percent-encoded.

        Returns
        -------
        RequestParts
            A new request.
        """
        address, hash_sign, fragment = self.url.partition("#")
        base, _, query = address.partition("?")
        kept = [
            pair
            for pair in query.split("&")
            if pair and unquote_plus(pair.partition("=")[0]) != name
        ]
        added = f"{quote(name, safe='')}={quote(value, safe='')}"
        return replace(self, url=f"{base}?{'&'.join([*kept, added])}{hash_sign}{fragment}")


def header_problem(value: str) -> str | None:
    """Say why a text cannot be a header's value.

    Parameters
    ----------
    value : str
        The value.

    Returns
    -------
    str or None
        A reason that does not repeat the value, or None.
    """
    if any((char < " " and char != "\t") or char == "\x7f" for char in value):
        return "holds a line break or another control character"
    if value != value.strip(" \t"):
        return "begins or ends with a space"
    if any(char > "\xff" for char in value):
        return "holds a character outside Latin-1"
    return None


def is_header_name(name: str) -> bool:
    """Whether a text can be a header's name.

    Parameters
    ----------
    name : str
        The name.

    Returns
    -------
    bool
        It is a token of RFC 9110.
    """
    return _TOKEN.fullmatch(name) is not None
