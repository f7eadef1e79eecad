"""One request and its answer: redirects hop by hop, the credential on each hop that may have it.

The credential is put on a request just before it leaves and is kept out of everything that comes
back: messages and results name the address without it, and its plaintext is masked in what the
server answers (some servers echo what they were sent). The transport is used without httpx2's
client, which would log addresses with their query and keep cookies from one node to another.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from dataclasses import replace
from urllib.parse import urljoin

import httpx2

from ....errors import InputError, NodeError
from ....models.hosts import Origin, require_allowed
from ....models.request import RequestParts
from ..base import BoundCredential, RetryableError
from .messages import Answer, Outgoing
from .redaction import Redactor

DEADLINE_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_MAX_REDIRECTS = 10
_MAX_RETRY_AFTER = 300.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
# Headers that the flow's author wrote for one server, not for wherever that one points to.
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_SNIPPET = 300


async def exchange(
    transport: httpx2.AsyncBaseTransport,
    outgoing: Outgoing,
    credential: BoundCredential | None,
    *,
    max_bytes: int,
    raise_for_status: bool = True,
) -> Answer:
    """Send a request and read the answer, through redirects.

    Parameters
    ----------
    transport : httpx2.AsyncBaseTransport
        Pooled connections.
    outgoing : Outgoing
        What to send.
    credential : BoundCredential or None
        Put on each hop; a hop outside its hosts is an error.
    max_bytes : int
        Of the body, after decompression.
    raise_for_status : bool
        Whether a status of 400 and above is an error.

    Raises
    ------
    HostNotAllowedError
        The credential would have gone to a host that it is not for.
    RetryableError
        The host could not be reached, did not answer in time, or answered with a status that
        may pass.
    NodeError
        Another bad status, too many redirects, or too large an answer.
    InputError
        The address cannot be used.

    Sources
    -------
    RFC 9110, section 15.4.
    """
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer = await _follow(transport, outgoing, credential, max_bytes)
    except TimeoutError:
        message = f"{outgoing.shown} gave no complete answer within {DEADLINE_SECONDS:g} s."
        raise RetryableError(message) from None
    if raise_for_status and answer.status >= 400:
        raise _status_error(outgoing, answer, credential)
    return answer


async def _follow(
    transport: httpx2.AsyncBaseTransport,
    outgoing: Outgoing,
    credential: BoundCredential | None,
    max_bytes: int,
) -> Answer:
    for _ in range(_MAX_REDIRECTS + 1):
        answer = await _send(transport, outgoing, credential, max_bytes)
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or not location:
            return answer
        outgoing = _redirected(outgoing, answer.status, location)
    raise NodeError(f"{outgoing.shown}: more than {_MAX_REDIRECTS} redirects.")


async def _send(
    transport: httpx2.AsyncBaseTransport,
    outgoing: Outgoing,
    credential: BoundCredential | None,
    max_bytes: int,
) -> Answer:
    origin = Origin.of(outgoing.url)
    parts = RequestParts(outgoing.url, outgoing.headers)
    if credential is not None:
        require_allowed(credential.hosts, outgoing.url, credential=credential.name)
        parts = credential.credential.apply(parts)
    redactor = Redactor.of(credential, outgoing, parts)
    request = _request(outgoing, parts, origin)
    del parts
    failure: str | None = None
    try:
        response = await transport.handle_async_request(request)
        try:
            content = await _content(response, outgoing, max_bytes)
        finally:
            await response.aclose()
    except httpx2.HTTPError as error:
        failure = redactor.text(_reason(error))
    finally:
        del request
    if failure is not None:
        raise RetryableError(f"{outgoing.shown}: could not reach {origin}: {failure}.")
    headers = {name.lower(): redactor.text(value) for name, value in response.headers.items()}
    return Answer(response.status_code, headers, outgoing.url, redactor.content(content))


def _request(outgoing: Outgoing, parts: RequestParts, origin: Origin) -> httpx2.Request:
    reason = None
    try:
        url = httpx2.URL(parts.url)
        if url.raw_host.decode("ascii").strip("[]").lower() != origin.host:
            reason = "its host can be read in two ways"
    except httpx2.InvalidURL:
        reason = "it is malformed"
    if reason:
        raise InputError(f"The address of {outgoing.shown} cannot be used: {reason}.")
    timeout = httpx2.Timeout(DEADLINE_SECONDS, connect=_CONNECT_SECONDS).as_dict()
    return httpx2.Request(
        outgoing.method,
        url,
        # Latin-1, as RFC 9110 §5.5 has it; header_problem lets nothing else through.
        headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in parts.headers],
        content=outgoing.content or None,
        extensions={"timeout": timeout},
    )


async def _content(response: httpx2.Response, outgoing: Outgoing, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > max_bytes:
            raise NodeError(
                f"{outgoing.shown} answered with more than {max_bytes:,} bytes.",
                hint="Ask for less, or raise max_response_bytes.",
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _redirected(outgoing: Outgoing, status: int, location: str) -> Outgoing:
    url = urljoin(outgoing.url, location)
    headers = outgoing.headers
    if Origin.of(url) != Origin.of(outgoing.url):
        headers = tuple(item for item in headers if item[0].lower() not in _PRIVATE_HEADERS)
    rewritten = status == 303 or (status in (301, 302) and outgoing.method == "POST")
    if not rewritten or outgoing.method == "HEAD":
        return replace(outgoing, url=url, headers=headers)
    headers = tuple(item for item in headers if not item[0].lower().startswith("content-"))
    return Outgoing("GET", url, headers)


def _reason(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "it did not answer in time"
    if isinstance(error, httpx2.DecodingError):
        return "its answer cannot be decompressed"
    if isinstance(error, httpx2.RemoteProtocolError):
        return "it broke off, or does not speak HTTP"
    text = str(error).strip().rstrip(".")
    return text[:200] or type(error).__name__


def _status_error(
    outgoing: Outgoing, answer: Answer, credential: BoundCredential | None
) -> NodeError:
    phrase = httpx2.codes.get_reason_phrase(answer.status)
    body = " ".join(answer.content[: 4 * _SNIPPET].decode("utf-8", "replace").split())[:_SNIPPET]
    text = f"{outgoing.shown} answered {answer.status} {phrase}".rstrip()
    message = f"{text}: {body}" if body else f"{text}."
    hint = None
    if answer.status in (401, 403):
        hint = (
            f"The credential {credential.name!r} was sent; it may be wrong or lack the right."
            if credential
            else "No credential was sent; name one with `credential:`."
        )
    if answer.status in _RETRYABLE:
        wait = _retry_after(answer.headers.get("retry-after"))
        return RetryableError(message, hint=hint, retry_after=wait)
    return NodeError(message, hint=hint)


def _retry_after(text: str | None) -> float | None:
    """Seconds, from a number or a date (RFC 9110 §10.2.3); None where there is nothing usable."""
    if not text:
        return None
    if text.strip().isdecimal():
        seconds = float(text)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)
