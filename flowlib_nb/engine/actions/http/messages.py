"""A request as the flow describes it, and what came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import httpx2

from ....errors import InputError, NodeError
from ....models.hosts import Origin
from .egress import parse_address

# Headers that the flow's author wrote for one server, not for wherever that one points to.
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_PRIVATE_WORDS = ("auth", "token", "secret", "api-key", "apikey", "password", "session", "cookie")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as the flow describes it, without the credential.

    Parameters
    ----------
    method : str
        Upper case.
    url : str
        Absolute.
    headers : tuple of (str, str)
        In order.
    content : bytes
        The body.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    content: bytes = field(default=b"", repr=False)

    @property
    def shown(self) -> str:
        """The request for messages; a query may hold anything, so it is left out."""
        address, query, _ = self.url.partition("#")[0].partition("?")
        return f"{self.method} {address}{'?…' if query else ''}"

    def moved(self, location: str, *, what: str) -> Outgoing:
        """The same request to where the server points.

        Parameters
        ----------
        location : str
            Absolute, or relative to this one's address.
        what : str
            What points there, for the message: ``"redirects"``, say.

        Returns
        -------
        Outgoing
            On its way to another origin, without the headers meant for this one.

        Raises
        ------
        NodeError
            There is no such address.
        """
        try:
            url = urljoin(self.url, location)
            reason = address_problem(url)
        except ValueError:
            reason = "The address is malformed."
        if reason is not None:
            raise NodeError(f"{self.shown} {what} to an address that cannot be used. {reason}")
        headers = self.headers
        if Origin.of(url) != Origin.of(self.url):
            headers = tuple(item for item in headers if not is_private_header(item[0]))
        return replace(self, url=url, headers=headers)

    def with_query(self, query: Mapping[str, Any]) -> Outgoing:
        """The same request with query parameters, in place of any of the same names."""
        added = pairs(query)
        if not added:
            return self
        parts = urlsplit(self.url)
        names = {name for name, _ in added}
        given = parse_qsl(parts.query, keep_blank_values=True)
        kept = [pair for pair in given if pair[0] not in names]
        return replace(self, url=urlunsplit(parts._replace(query=urlencode([*kept, *added]))))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Parameters
    ----------
    status : int
        The status code.
    headers : dict
        Lower-case names.
    url : str
        The address that answered, without what the credential put on it.
    content : bytes
        The body, decompressed, with the credential's plaintext masked.
    """

    status: int
    headers: dict[str, str]
    url: str
    content: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The media type, lower case and without parameters; empty where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def shown(self) -> str:
        """The answer for messages."""
        return f"The answer of {self.url.partition('#')[0].partition('?')[0]}"


def address_problem(url: str) -> str | None:
    """Say why an address cannot be used, as a sentence that does not repeat it.

    Parameters
    ----------
    url : str
        The address.

    Returns
    -------
    str or None
        The reason, or None.
    """
    try:
        origin = Origin.of(url)
        host = httpx2.URL(url).raw_host.decode("ascii").strip("[]").lower()
    except InputError as error:
        return f"{error.message} {error.hint}" if error.hint else error.message
    except httpx2.InvalidURL:
        return "The address is malformed."
    host = host.removesuffix(".")
    # One address has many spellings, of which the origin has the canonical one.
    if (parse_address(host) or host) != (parse_address(origin.host) or origin.host):
        return "The address's host can be read in two ways."
    return None


def is_private_header(name: str) -> bool:
    """Whether a header is likely to hold what only one server may know."""
    name = name.lower()
    return name in _PRIVATE_HEADERS or any(word in name for word in _PRIVATE_WORDS)


def pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and texts for a query or form; a list gives its name several times, null none."""
    return [
        (name, text_of(item))
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]


def text_of(value: Any) -> str:
    """A scalar as it stands in a query or header."""
    return str(value).lower() if isinstance(value, bool) else str(value)
