"""Gets one page after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from ....errors import NodeError
from .messages import Answer, Outgoing
from .parameters import Pagination

_WHERE = "Say with paginate.items where the list lies."


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Parameters
    ----------
    answer : Answer
        What came back.
    body : object
        It, decoded.
    items : list
        The page's part of the result.
    """

    answer: Answer
    body: Any
    items: list[Any]


async def pages(
    outgoing: Outgoing,
    pagination: Pagination,
    send: Callable[[Outgoing], Awaitable[Answer]],
    read: Callable[[Answer], Awaitable[Any]],
) -> AsyncIterator[Page]:
    """Get all pages, in order.

    Parameters
    ----------
    outgoing : Outgoing
        The request for the first one.
    pagination : Pagination
        How to get from one to the next.
    send : callable
        Sends a request.
    read : callable
        Decodes an answer's body.

    Raises
    ------
    NodeError
        A page does not look as ``paginate`` says, or there are too many.
    """
    way = _WAYS[pagination.by](pagination)
    following: Outgoing | None = way.first(outgoing)
    for _ in range(pagination.max_pages):
        assert following is not None
        outgoing = following
        answer = await send(outgoing)
        body = await read(answer)
        page = Page(answer, body, _items(body, pagination, outgoing))
        yield page
        following = way.following(outgoing, page)
        if following is None:
            return
    raise NodeError(
        f"{outgoing.shown}: there are more than {pagination.max_pages} pages.",
        hint="Raise paginate.max_pages, or ask for larger pages.",
    )


class _Way(Protocol):
    """How one page leads to the next."""

    def first(self, outgoing: Outgoing) -> Outgoing:
        """The request for the first page."""

    def following(self, outgoing: Outgoing, page: Page) -> Outgoing | None:
        """The request for the next page; None after the last."""


class _ByLink:
    """By the ``Link`` header (RFC 8288)."""

    def __init__(self, pagination: Pagination) -> None:
        self._visited: set[str] = set()

    def first(self, outgoing: Outgoing) -> Outgoing:
        return outgoing

    def following(self, outgoing: Outgoing, page: Page) -> Outgoing | None:
        self._visited.add(outgoing.url)
        response = httpx2.Response(200, headers={"link": page.answer.headers.get("link", "")})
        address = response.links.get("next", {}).get("url")
        if not address:
            return None
        # A relative one counts from where the answer came from, which a redirect may have changed.
        following = _from(outgoing, page.answer).moved(address, what="has a next page, linked")
        if following.url in self._visited:
            raise NodeError(f"{outgoing.shown}: its next page is one that came before.")
        return following


class _ByPage:
    """By a number that counts up, until a page is empty."""

    def __init__(self, pagination: Pagination) -> None:
        self._name = pagination.query_name
        self._number = 1 if pagination.first is None else pagination.first

    def first(self, outgoing: Outgoing) -> Outgoing:
        return outgoing.with_query({self._name: self._number})

    def following(self, outgoing: Outgoing, page: Page) -> Outgoing | None:
        self._number += 1
        return outgoing.with_query({self._name: self._number}) if page.items else None


class _ByOffset:
    """By how many items came before, until a page is not full."""

    def __init__(self, pagination: Pagination) -> None:
        assert pagination.page_size is not None  # as the parameters have checked
        self._name, self._limit = pagination.query_name, pagination.limit_parameter
        self._size = pagination.page_size
        self._offset = pagination.first or 0

    def first(self, outgoing: Outgoing) -> Outgoing:
        return outgoing.with_query({self._name: self._offset, self._limit: self._size})

    def following(self, outgoing: Outgoing, page: Page) -> Outgoing | None:
        if len(page.items) > self._size:
            raise NodeError(
                f"{outgoing.shown}: a page has {len(page.items):,} items, "
                f"although {self._size:,} were asked for.",
                hint=f"Does the server know the parameter {self._limit!r}? "
                "Name it with paginate.limit_parameter.",
            )
        self._offset += len(page.items)
        return self.first(outgoing) if len(page.items) == self._size else None


class _ByCursor:
    """By what the body says."""

    def __init__(self, pagination: Pagination) -> None:
        assert pagination.cursor is not None  # as the parameters have checked
        self._name, self._path = pagination.query_name, pagination.cursor
        self._seen: set[str] = set()

    def first(self, outgoing: Outgoing) -> Outgoing:
        return outgoing

    def following(self, outgoing: Outgoing, page: Page) -> Outgoing | None:
        cursor = _at(page.body, self._path, None)
        if cursor in (None, "", "0") or (cursor == 0 and isinstance(cursor, (int, float))):
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, (str, int, float)):
            kind = type(cursor).__name__
            raise NodeError(
                f"{outgoing.shown}: {self._path!r} must be a text or number, not {kind}.",
                hint="Say with paginate.cursor where the next page's cursor lies.",
            )
        text = str(cursor)
        if text in self._seen:
            raise NodeError(
                f"{outgoing.shown}: the cursor in {self._path!r} came twice.",
                hint=f"Does the server know the parameter {self._name!r}? "
                "Name it with paginate.parameter.",
            )
        self._seen.add(text)
        if text.lower().startswith(("http://", "https://")):
            return outgoing.moved(text, what=f"leads with {self._path!r}")
        return outgoing.with_query({self._name: text})


_WAYS: Mapping[str, Callable[[Pagination], _Way]] = {
    "link": _ByLink,
    "page": _ByPage,
    "cursor": _ByCursor,
    "offset": _ByOffset,
}

_MISSING = object()


def _from(outgoing: Outgoing, answer: Answer) -> Outgoing:
    return outgoing.moved(answer.url, what="led")


def _items(body: Any, pagination: Pagination, outgoing: Outgoing) -> list[Any]:
    items = _at(body, pagination.items, _MISSING) if pagination.items else body
    if items is _MISSING:
        known = ", ".join(list(body)[:20]) if isinstance(body, dict) else ""
        has = f" It has: {known}." if known else ""
        raise NodeError(
            f"{outgoing.shown}: the page has no {pagination.items!r}.{has}", hint=_WHERE
        )
    if not isinstance(items, list):
        kind = "null" if items is None else type(items).__name__
        raise NodeError(
            f"{outgoing.shown}: a page's items must be a list, not {kind}.", hint=_WHERE
        )
    return items


def _at(body: Any, path: str, default: Any) -> Any:
    """What lies at a path; a name may hold dots itself, as ``@odata.nextLink`` does."""
    if not isinstance(body, dict):
        return default
    if path in body:
        return body[path]
    steps = path.split(".")
    for count in range(len(steps) - 1, 0, -1):
        name, rest = ".".join(steps[:count]), ".".join(steps[count:])
        if name in body:
            found = _at(body[name], rest, _MISSING)
            if found is not _MISSING:
                return found
    return default
