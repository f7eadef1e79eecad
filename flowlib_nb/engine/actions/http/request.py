"""The action ``http.request``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import httpx2
import msgspec

from ....errors import NodeError
from ....models.request import header_problem, is_header_name
from ..base import Action, ActionContext
from .exchange import exchange
from .messages import Answer, Outgoing
from .parameters import HttpRequestParameters, Pagination

_USER_AGENT = "flowlib-nb"


class HttpRequestAction(Action):
    """Sends a request; the value is ``{status, headers, url, body}``.

    With ``paginate`` the body is the list of all pages' items, the rest is the last page's.
    """

    name = "http.request"
    summary = "An HTTP request, with a credential, pages and a typed response."
    parameters = HttpRequestParameters
    credential = "optional"

    async def run(self, context: ActionContext, parameters: HttpRequestParameters) -> Any:
        """Send the request, or one for each page."""
        outgoing = _outgoing(parameters)
        if parameters.paginate is None:
            answer = await _exchange(context, outgoing, parameters)
            return _value(answer, _body(answer, parameters.response))
        items: list[Any] = []
        last = None
        async for answer, page in _pages(context, outgoing, parameters, parameters.paginate):
            items += page
            last = answer
        assert last is not None  # there is always a first page
        return _value(last, items)


async def _exchange(
    context: ActionContext, outgoing: Outgoing, parameters: HttpRequestParameters
) -> Answer:
    return await exchange(
        context.http(),
        outgoing,
        context.credential,
        max_bytes=parameters.max_response_bytes,
        raise_for_status=parameters.raise_for_status,
    )


async def _pages(
    context: ActionContext,
    outgoing: Outgoing,
    parameters: HttpRequestParameters,
    pagination: Pagination,
) -> AsyncIterator[tuple[Answer, list[Any]]]:
    for number in range(pagination.max_pages):
        if pagination.by == "page":
            query = {pagination.parameter: pagination.first + number}
            outgoing = replace(outgoing, url=_with_query(outgoing.url, query))
        answer = await _exchange(context, outgoing, parameters)
        page = _items(_body(answer, parameters.response), pagination, outgoing)
        yield answer, page
        if pagination.by == "page":
            if not page:
                return
            continue
        following = _next_link(answer)
        if following is None:
            return
        outgoing = replace(outgoing, url=following)
    raise NodeError(
        f"{outgoing.shown}: there are more than {pagination.max_pages} pages.",
        hint="Raise paginate.max_pages, or ask for larger pages.",
    )


def _outgoing(parameters: HttpRequestParameters) -> Outgoing:
    headers = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": _USER_AGENT}
    content = b""
    if "json_" in parameters.model_fields_set:
        content = msgspec.json.encode(parameters.json_)
        headers["content-type"] = "application/json"
    elif parameters.form is not None:
        content = urlencode(_pairs(parameters.form)).encode()
        headers["content-type"] = "application/x-www-form-urlencoded"
    elif parameters.body is not None:
        content = parameters.body.encode()
        headers["content-type"] = "text/plain; charset=utf-8"
    for name, value in parameters.headers.items():
        if value is not None:
            headers[name.lower()] = _header(name, _text(value))
    url = _with_query(parameters.url.strip(), parameters.query)
    return Outgoing(parameters.method, url, tuple(headers.items()), content)


def _header(name: str, value: str) -> str:
    if not is_header_name(name) or name.lower() in ("host", "content-length", "transfer-encoding"):
        raise NodeError(f"The header {name!r} cannot be set.")
    if reason := header_problem(value):
        raise NodeError(f"The value of the header {name!r} {reason}.")
    return value


def _with_query(url: str, query: Mapping[str, Any]) -> str:
    """The URL with parameters put in, in place of any of the same names."""
    added = _pairs(query)
    if not added:
        return url
    parts = urlsplit(url)
    names = {name for name, _ in added}
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in names]
    return urlunsplit(parts._replace(query=urlencode([*kept, *added])))


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, _text(item))
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _next_link(answer: Answer) -> str | None:
    response = httpx2.Response(200, headers={"link": answer.headers.get("link", "")})
    address = response.links.get("next", {}).get("url")
    return urljoin(answer.url, address) if address else None


def _items(body: Any, pagination: Pagination, outgoing: Outgoing) -> list[Any]:
    for step in pagination.items.split(".") if pagination.items else ():
        if not isinstance(body, dict) or step not in body:
            known = f" It has: {', '.join(body)}." if isinstance(body, dict) else ""
            raise NodeError(
                f"{outgoing.shown}: the page has no {pagination.items!r}.{known}",
                hint="Say with paginate.items where the list lies.",
            )
        body = body[step]
    if not isinstance(body, list):
        raise NodeError(
            f"{outgoing.shown}: a page's items must be a list, not {type(body).__name__}.",
            hint="Say with paginate.items where the list lies.",
        )
    return body


def _body(answer: Answer, kind: str) -> Any:
    content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "auto":
        kind = _kind(content_type)
    if kind == "bytes":
        return answer.content
    if kind == "text":
        return _decoded(answer)
    if not answer.content.strip():
        return None
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NodeError(
            f"The answer of {answer.url.partition('?')[0]} is not JSON: {error}.",
            hint=f"It calls itself {content_type or 'nothing'}; read it with response: text.",
        ) from None


def _kind(content_type: str) -> str:
    if content_type == "application/json" or content_type.endswith("+json"):
        return "json"
    if content_type.startswith("text/") or content_type.endswith(("/xml", "+xml")):
        return "text"
    return "bytes" if content_type else "text"


def _decoded(answer: Answer) -> str:
    response = httpx2.Response(
        200, headers={"content-type": answer.headers.get("content-type", "")}
    )
    try:
        return answer.content.decode(response.charset_encoding or "utf-8", "replace")
    except LookupError:
        return answer.content.decode("utf-8", "replace")


def _value(answer: Answer, body: Any) -> dict[str, Any]:
    return {
        "status": answer.status,
        "headers": answer.headers,
        "url": answer.url,
        "body": body,
    }
