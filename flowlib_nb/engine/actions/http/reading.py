"""Makes a value of an answer's body: JSON, text, bytes or a frame."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import msgspec

from ....errors import NodeError
from ....frames import to_frame
from .messages import Answer

if TYPE_CHECKING:
    import pandas as pd

_CSV = {
    "text/csv": ",",
    "application/csv": ",",
    "text/comma-separated-values": ",",
    "text/tab-separated-values": "\t",
}
_JSON_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/json-lines"})
# What servers say of a table when they do not know better.
_VAGUE = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Python knows them as text encodings; no server means them, and some take forever.
_NOT_CHARSETS = frozenset(
    {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"}
)


def body_of(answer: Answer, kind: str) -> Any:
    """Read a body.

    Parameters
    ----------
    answer : Answer
        What came back.
    kind : str
        ``auto`` goes by the content type; ``json``, ``text``, ``bytes`` or ``frame``.

    Returns
    -------
    object
        None for JSON of which there is nothing.

    Raises
    ------
    NodeError
        It is not what it should be.
    """
    if kind == "auto":
        kind = _kind(answer)
    if kind == "bytes":
        return answer.content
    if kind == "text":
        return text_of_body(answer)
    if kind == "frame":
        return frame_of(answer)
    return _json(answer)


def frame_of(answer: Answer) -> pd.DataFrame:
    """Read a body that is JSON (also in lines) or CSV, as a frame.

    Parameters
    ----------
    answer : Answer
        What came back.

    Raises
    ------
    NodeError
        It is neither.
    """
    if not answer.content.strip():
        return to_frame(None)
    if answer.content_type in _JSON_LINES:
        return to_frame(_json_lines(answer))
    if is_csv(answer):
        return _csv(answer)
    if _is_json(answer.content_type) or answer.content_type in _VAGUE:
        return to_frame(_json(answer))
    raise NodeError(
        f"{answer.shown} cannot become a frame: it calls itself {answer.content_type[:80]}.",
        hint="A frame is made of JSON or CSV; read anything else with response: text.",
    )


def is_csv(answer: Answer) -> bool:
    """Whether a body is CSV, by its type or, where that is vague, by not beginning as JSON does."""
    if answer.content_type in _VAGUE:
        return not text_of_body(answer)[:100].lstrip().startswith(("[", "{"))
    return answer.content_type in _CSV


def text_of_body(answer: Answer) -> str:
    """A body as text: by its byte order mark, else its charset, else as UTF-8."""
    for mark, name in _BYTE_ORDER_MARKS:
        if answer.content.startswith(mark):
            return answer.content[len(mark) :].decode(name, "replace")
    try:
        return answer.content.decode(_charset(answer), "replace")
    except (LookupError, ValueError):
        return answer.content.decode("utf-8", "replace")


def _charset(answer: Answer) -> str:
    for parameter in answer.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip("\"'").lower()
            is_usable = charset and charset.replace("_", "-") not in _NOT_CHARSETS
            return codecs.lookup(charset).name if is_usable else "utf-8"
    return "utf-8"


def _kind(answer: Answer) -> str:
    kind = answer.content_type
    if _is_json(kind):
        return "json"
    if kind.startswith("text/") or kind.endswith(("/xml", "+xml")):
        return "text"
    if not answer.content:
        return "json"  # which gives null
    return "bytes" if kind else "text"


def _is_json(content_type: str) -> bool:
    return content_type in ("application/json", "text/json") or content_type.endswith("+json")


def _json(answer: Answer) -> Any:
    if not answer.content.strip():
        return None
    content = answer.content
    if any(content.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS):
        content = text_of_body(answer).encode()
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _not_json(answer, error) from None


def _json_lines(answer: Answer) -> list[Any]:
    try:
        return msgspec.json.Decoder().decode_lines(text_of_body(answer).encode())
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(answer, error) from None


def _not_json(answer: Answer, error: Exception) -> NodeError:
    return NodeError(
        f"{answer.shown} is not JSON: {error}.",
        hint=f"It calls itself {answer.content_type[:80] or 'nothing'}; "
        "read it with response: text.",
    )


def _csv(answer: Answer) -> pd.DataFrame:
    from ..files.csv_format import read_csv
    from ..files.errors import FormatError

    separator = _CSV.get(answer.content_type, ",")
    try:
        return read_csv(text_of_body(answer), separator=separator, header=True, kinds={})
    except FormatError as error:
        raise NodeError(
            f"{answer.shown} cannot become a frame: {error}.",
            hint="Read it with response: text to see what it is.",
        ) from None
