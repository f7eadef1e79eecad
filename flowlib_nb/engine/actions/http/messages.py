"""A request as the flow describes it, and what came back."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = field(default=b"", repr=False)

    @property
    def shown(self) -> str:
        """The request for messages; a query may hold anything, so it is left out."""
        address, query, _ = self.url.partition("?")
        return f"{self.method} {address}{'?…' if query else ''}"


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
