"""Masks a connection string's secrets in what drivers and databases say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from ....models.secret import MASK, Secret

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

# Names of options that hold secrets: sslpassword, token, PWD in an ODBC string.
_SECRET_OPTION = re.compile(r"pass|pwd|secret|token|key|auth|cred|odbc", re.IGNORECASE)
# Options whose values help whoever reads a message.
_PLAIN_OPTIONS = frozenset(
    "host hostaddr port server unix_socket sslmode charset driver mode uri".split()
)
# Shorter ones are masked only where they stand as a word: "a" is in every message.
_SHORT = 6


@dataclass(frozen=True, slots=True, repr=False)
class Mask:
    """Texts that no message may hold.

    Parameters
    ----------
    forms : tuple of Secret
        Longest first.
    """

    forms: tuple[Secret, ...] = field(default=())

    @classmethod
    def of(cls, text: Secret, url: URL | None = None) -> Mask:
        """For a connection string.

        Parameters
        ----------
        text : Secret
            The string.
        url : sqlalchemy.engine.URL, optional
            What it says, where it could be read.
        """
        plain = {text.reveal(), *(_secrets(url) if url is not None else ())}
        forms = {form for one in plain for form in _spellings(one) if form}
        return cls(tuple(Secret(form) for form in sorted(forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """The text with the secrets masked."""
        for form in self.forms:
            plain = form.reveal()
            if len(plain) >= _SHORT:
                text = text.replace(plain, MASK)
            else:
                text = re.sub(rf"(?<!\w){re.escape(plain)}(?!\w)", MASK, text)
        return text


def _secrets(url: URL) -> Iterator[str]:
    if url.password:
        yield str(url.password)
    yield url.render_as_string(hide_password=False)
    query: Mapping[str, str | tuple[str, ...]] = url.query
    for name, value in query.items():
        values = (value,) if isinstance(value, str) else value
        if _SECRET_OPTION.search(name):
            yield from values
        elif name not in _PLAIN_OPTIONS:
            yield from (one for one in values if len(one) >= _SHORT)


def _spellings(text: str) -> Iterator[str]:
    yield text
    yield quote(text, safe="")
    yield quote(text, safe=" +")  # as SQLAlchemy writes it
    yield quote_plus(text)
    yield repr(text)[1:-1]
    yield text.replace("'", "\\'").replace('"', '\\"')
