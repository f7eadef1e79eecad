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

import httpx2

from ....errors import FlowlibError, InputError, NodeError
from ....models.hosts import Origin, require_allowed
from ....models.request import RequestParts
from ...options.http import http_options, proxy_login
from ..base import BoundCredential, RetryableError
from .content import read_content
from .messages import Answer, Outgoing, address_problem
from .redaction import Redactor

_CONNECT_SECONDS = 10.0
_MAX_RETRY_AFTER = 300.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_SNIPPET = 300


async def exchange(
    transport: httpx2.AsyncBaseTransport,
    outgoing: Outgoing,
    credential: BoundCredential | None,
    *,
    max_bytes: int,
    raise_for_status: bool = True,
    deadline: float | None = None,
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
    deadline : float, optional
        Seconds until the answer must be complete; the application's option if left out.

    Raises
    ------
    HostNotAllowedError
        The credential would have gone to a host that it is not for.
    RetryableError
        The host could not be reached, did not answer in time, or answered with a status that
        may pass.
    NodeError
        Another bad status, a refused address, too many redirects, or too large an answer.
    InputError
        The address cannot be used.

    Sources
    -------
    RFC 9110, section 15.4.
    """
    seconds = http_options().deadline if deadline is None else deadline
    answer = None
    try:
        async with asyncio.timeout(seconds):
            answer = await _follow(transport, outgoing, credential, max_bytes, seconds)
    except TimeoutError:
        pass  # raised below: this one's frames hold the request
    if answer is None:
        raise RetryableError(
            f"{outgoing.shown} gave no complete answer within {seconds:g} s.",
            hint="Give it longer with deadline (seconds), or ask for less.",
        )
    if raise_for_status and answer.status >= 400:
        raise _status_error(outgoing, answer, credential)
    return answer


async def _follow(
    transport: httpx2.AsyncBaseTransport,
    outgoing: Outgoing,
    credential: BoundCredential | None,
    max_bytes: int,
    seconds: float,
) -> Answer:
    most = http_options().max_redirects
    for _ in range(most + 1):
        answer = await _send(transport, outgoing, credential, max_bytes, seconds)
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or not location:
            return answer
        outgoing = _redirected(outgoing, answer.status, location)
    raise NodeError(f"{outgoing.shown}: more than {most} redirects in a row.")


async def _send(
    transport: httpx2.AsyncBaseTransport,
    outgoing: Outgoing,
    credential: BoundCredential | None,
    max_bytes: int,
    seconds: float,
) -> Answer:
    origin = Origin.of(outgoing.url)
    parts = RequestParts(outgoing.url, outgoing.headers)
    if credential is not None:
        require_allowed(credential.hosts, outgoing.url, credential=credential.name)
        parts = credential.credential.apply(parts)
    redactor = Redactor.of(credential, outgoing, parts, others=_login_texts())
    request = _request(outgoing, parts, seconds)
    del parts
    failure: FlowlibError | None = None
    try:
        response = await transport.handle_async_request(request)
        try:
            content = await read_content(response, shown=outgoing.shown, max_bytes=max_bytes)
        finally:
            await response.aclose()
    except httpx2.HTTPError as error:
        failure = _unreachable(outgoing, origin, redactor.text(_reason(error)))
    except FlowlibError as error:
        failure = error.with_traceback(None)
    finally:
        del request
    # Outside the handler: an error that carried another would carry that one's frames.
    if failure is not None:
        raise failure
    headers = {name.lower(): redactor.text(value) for name, value in response.headers.items()}
    return Answer(response.status_code, headers, outgoing.url, redactor.content(content))


def _login_texts() -> tuple[str, ...]:
    """What a proxy may echo of the login that it is sent."""
    login = proxy_login() if http_options().proxy else None
    return () if login is None else (login[1], ":".join(login))


def _request(outgoing: Outgoing, parts: RequestParts, seconds: float) -> httpx2.Request:
    if reason := address_problem(parts.url):
        raise InputError(f"{outgoing.shown} cannot be sent. {reason}")
    timeout = httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)).as_dict()
    return httpx2.Request(
        outgoing.method,
        parts.url,
        # Latin-1, as RFC 9110 §5.5 has it; header_problem lets nothing else through.
        headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in parts.headers],
        content=outgoing.content or None,
        extensions={"timeout": timeout},
    )


def _redirected(outgoing: Outgoing, status: int, location: str) -> Outgoing:
    moved = outgoing.moved(location, what="redirects")
    rewritten = status == 303 or (status in (301, 302) and outgoing.method == "POST")
    if not rewritten or outgoing.method == "HEAD":
        return moved
    headers = tuple(item for item in moved.headers if not item[0].lower().startswith("content-"))
    return Outgoing("GET", moved.url, headers)


def _unreachable(outgoing: Outgoing, origin: Origin, reason: str) -> NodeError:
    message = f"{outgoing.shown}: could not reach {origin}: {reason}."
    if "CERTIFICATE_VERIFY_FAILED" not in reason:
        return RetryableError(message)
    why = reason.rpartition("verify failed: ")[2].partition(" (_ssl")[0]
    return NodeError(
        f"{outgoing.shown}: the certificate of {origin} cannot be trusted: {why}.",
        hint="If its authority is your own, name that one's certificate: "
        "%config HttpOptions.verify = '/path/to/ca.pem'",
    )


def _reason(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "it did not answer in time"
    if isinstance(error, httpx2.RemoteProtocolError):
        return "it broke off, or does not speak HTTP"
    text = str(error).strip().rstrip(".")
    return text[:200] or type(error).__name__


def _status_error(
    outgoing: Outgoing, answer: Answer, credential: BoundCredential | None
) -> NodeError:
    phrase = httpx2.codes.get_reason_phrase(answer.status)
    body = _snippet(answer.content)
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


def _snippet(content: bytes) -> str:
    text = " ".join(content[: 4 * _SNIPPET].decode("utf-8", "replace").split())[:_SNIPPET]
    # What a server answers must not move the terminal's cursor.
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


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
