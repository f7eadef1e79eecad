"""Masks a credential's plaintext in what a server answers."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from ....models.secret import MASK, Secret
from ..base import BoundCredential

if TYPE_CHECKING:
    from ....models.request import RequestParts
    from .messages import Outgoing

# Masking what is shorter would garble answers and protect nothing.
_SHORTEST = 6


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
        cls, credential: BoundCredential | None, before: Outgoing, after: RequestParts
    ) -> Redactor:
        """For what a credential added to a request, and for its own secret fields."""
        if credential is None:
            return cls()
        plain = set(_revealed(credential)) | set(_added(before, after))
        forms = {form for text in plain for form in _spellings(text) if len(form) >= _SHORTEST}
        return cls(tuple(Secret(form) for form in sorted(forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """The text with the secrets masked."""
        for form in self.forms:
            text = text.replace(form.reveal(), MASK)
        return text

    def content(self, content: bytes) -> bytes:
        """The bytes with the secrets masked, taking them for UTF-8."""
        for form in self.forms:
            content = content.replace(form.reveal().encode(), MASK.encode())
        return content


def _revealed(credential: BoundCredential) -> Iterator[str]:
    for value in dict(credential.credential).values():
        if isinstance(value, Secret):
            yield value.reveal()


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
