"""The action ``http.request``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from ....errors import InputError, NodeError
from ....frames import to_frame, to_plain
from ....models.hosts import Origin
from ....templates.tokenizer import OPEN
from ...options.http import http_options
from ..base import Action, ActionContext, ParameterProblem
from .content import ACCEPTED
from .egress import Egress
from .exchange import exchange
from .messages import Answer, Outgoing, address_problem, pairs, text_of
from .paging import Page, pages
from .parameters import HttpRequestParameters
from .reading import body_of, frame_of, is_csv

_USER_AGENT = "flowlib-nb"
# Decoding more than this would hold up other nodes.
_LARGE = 1 << 20


class HttpRequestAction(Action):
    """Sends a request; the value is ``{status, headers, url, body}``.

    With ``paginate`` the body is the list of all pages' items, the rest is the last page's.
    """

    name = "http.request"
    summary = "An HTTP request, with a credential, pages and a typed response."
    parameters = HttpRequestParameters
    credential = "optional"

    def check(self, parameters: Mapping[str, Any]) -> Iterator[ParameterProblem]:
        """Find an address that cannot be used, or may not."""
        url = parameters.get("url")
        if isinstance(url, str) and OPEN not in url:
            try:
                _require_usable(url.strip())
            except (InputError, NodeError) as error:
                message = f"{error.message} {error.hint}" if error.hint else error.message
                yield ParameterProblem(("url",), 0, message)

    def is_cacheable(self, parameters: HttpRequestParameters) -> bool:
        """Whether the request only reads; an error's answer is not worth keeping."""
        return parameters.method in ("GET", "HEAD") and parameters.raise_for_status

    async def run(self, context: ActionContext, parameters: HttpRequestParameters) -> Any:
        """Send the request, or one for each page."""
        outgoing = _outgoing(parameters)

        async def send(request: Outgoing) -> Answer:
            return await exchange(
                context.http(),
                request,
                context.credential,
                max_bytes=parameters.max_response_bytes,
                raise_for_status=parameters.raise_for_status,
                deadline=parameters.deadline,
            )

        async def read(answer: Answer, kind: str = parameters.response) -> Any:
            if len(answer.content) < _LARGE:
                return body_of(answer, kind)
            return await context.in_thread(body_of, answer, kind)

        async def read_page(answer: Answer) -> Any:
            if parameters.response == "frame" and is_csv(answer):
                return to_plain(await context.in_thread(frame_of, answer))
            return await read(answer, "json")

        if parameters.paginate is None:
            answer = await send(outgoing)
            return _value(answer, await read(answer))
        items: list[Any] = []
        last: Page | None = None
        async for page in pages(outgoing, parameters.paginate, send, read_page):
            items += page.items
            last = page
        assert last is not None  # there is always a first page
        if parameters.response == "frame":
            return _value(last.answer, await context.in_thread(to_frame, items))
        return _value(last.answer, items)


def _require_usable(url: str) -> None:
    """Refuse an address that is none, or that no request may go to whatever it resolves to.

    Raises
    ------
    InputError
        It is none.
    NodeError
        It is refused.
    """
    if reason := address_problem(url):
        raise InputError(f"'url' cannot be used. {reason}")
    options = http_options()
    Egress(options.allow_link_local, options.allow_private).require_name(Origin.of(url).host)


def _outgoing(parameters: HttpRequestParameters) -> Outgoing:
    url = parameters.url.strip()
    _require_usable(url)
    headers = {"accept": "*/*", "accept-encoding": ACCEPTED, "user-agent": _USER_AGENT}
    content = b""
    if "json_" in parameters.model_fields_set:
        content = msgspec.json.encode(parameters.json_)
        headers["content-type"] = "application/json"
    elif parameters.form is not None:
        content = urlencode(pairs(parameters.form)).encode()
        headers["content-type"] = "application/x-www-form-urlencoded"
    elif parameters.body is not None:
        content = parameters.body.encode()
        headers["content-type"] = "text/plain; charset=utf-8"
    for name, value in parameters.headers.items():
        if value is not None:
            headers[name.lower()] = text_of(value)
    outgoing = Outgoing(parameters.method, url, tuple(headers.items()), content)
    return outgoing.with_query(parameters.query)


def _value(answer: Answer, body: Any) -> dict[str, Any]:
    return {
        "status": answer.status,
        "headers": answer.headers,
        "url": answer.url,
        "body": body,
    }
