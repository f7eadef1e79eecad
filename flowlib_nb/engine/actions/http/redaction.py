"""Masks a credential's plaintext in what a server answers."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from ....models.secret import MASK, Secret
from ..base import BoundCredential

if TYPE_CHECKING:
    from ....models.request import RequestParts
    from .messages import Outgoing

# Masking what is shorter would garble answers and protect nothing.
_SHORTEST = 6
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")


@dataclass(frozen=True, slots=True, repr=False)
class Redactor:
    """Replaces each way in which a server may echo a secret.

    Parameters
    ----------
    forms : tuple of Secret
        Texts to mask, longest first.
    """

    forms: tuple[Secret, ...] = field(default=())

    @classmethod
    def of(
        cls,
        credential: BoundCredential | None,
        before: Outgoing,
        after: RequestParts,
        *,
        others: Iterable[str] = (),
    ) -> Redactor:
        """For what a credential added to a request, its own secret fields, and other texts."""
        plain = set(others)
        if credential is not None:
            plain |= {*_revealed(credential), *_added(before, after)}
        return cls._masking(plain)

    @classmethod
    def for_credentials(cls, credentials: Iterable[BoundCredential]) -> Redactor:
        """For the secret fields of credentials."""
        return cls._masking({text for one in credentials for text in _revealed(one)})

    @classmethod
    def _masking(cls, plain: set[str]) -> Redactor:
        forms = {form for text in plain for form in _spellings(text) if len(form) >= _SHORTEST}
        return cls(tuple(Secret(form) for form in sorted(forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """The text with the secrets masked."""
        for form in self.forms:
            text = text.replace(form.reveal(), MASK)
        return text

    def content(self, content: bytes) -> bytes:
        """The bytes with the secrets masked, in each encoding that the text may be in."""
        for form in self.forms:
            for encoding in _ENCODINGS:
                try:
                    plain = form.reveal().encode(encoding)
                except UnicodeEncodeError:
                    continue  # so it cannot be in there
                if plain in content:
                    mask = MASK.encode(encoding, "replace")
                    content = content.replace(plain, mask)
        return content


def _revealed(credential: BoundCredential) -> Iterator[str]:
    for value in dict(credential.credential).values():
        if isinstance(value, Secret):
            yield value.reveal()
            # Of a connection string, what is secret by itself.
            if "://" in value.reveal() and (password := urlsplit(value.reveal()).password):
                yield password
                yield unquote(password)


def _added(before: Outgoing, after: RequestParts) -> Iterator[str]:
    known = {value for _, value in before.headers}
    for _, value in after.headers:
        if value not in known:
            yield value
            yield value.partition(" ")[2]  # without its scheme
    known |= {value for _, value in parse_qsl(urlsplit(before.url).query)}
    for _, value in parse_qsl(urlsplit(after.url).query):
        if value not in known:
            yield value


def _spellings(text: str) -> Iterator[str]:
    yield text
    for encoded in (quote(text, safe=""), quote_plus(text)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    yield html.escape(text)
    yield base64.b64encode(text.encode()).decode().rstrip("=")
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(text)[1:-1].replace("/", "\\/")
