"""Reads an answer's body, decompressing it piece by piece up to a limit.

httpx2 would do it, too, but lets several encodings be put on top of one another and does not notice
when a compressed body ends too early.
"""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import Iterator

import httpx2

from ....errors import NodeError
from ..base import RetryableError

# What one step may unpack: a chunk of 64 KiB can hold sixty times as much.
_PIECE = 1 << 20
# zlib's window sizes (zlib.decompressobj): with gzip's header, with zlib's, with none.
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS

ACCEPTED = "gzip, deflate"


async def read_content(response: httpx2.Response, *, shown: str, max_bytes: int) -> bytes:
    """Read a body.

    Parameters
    ----------
    response : httpx2.Response
        Not read yet.
    shown : str
        The request, for messages.
    max_bytes : int
        Of the body, after decompression.

    Raises
    ------
    NodeError
        It is larger, or encoded in a way that was not asked for.
    RetryableError
        It is damaged.
    """
    body = io.BytesIO()
    unpacker: _Unpacker | None = None
    async for chunk in response.aiter_raw():
        if unpacker is None:
            unpacker = _unpacker(response.headers.get("content-encoding", ""), shown)
        try:
            for piece in unpacker.pieces(chunk):
                if body.tell() + len(piece) > max_bytes:
                    raise NodeError(
                        f"{shown} answered with more than {max_bytes:,} bytes.",
                        hint="Ask for less, or raise max_response_bytes.",
                    )
                body.write(piece)
                # Others get their turn, and deadlines count, while a chunk is unpacked.
                await asyncio.sleep(0)
        except zlib.error:
            raise _damaged(shown, "cannot be decompressed: it is damaged") from None
    if unpacker is not None and not unpacker.is_complete:
        raise _damaged(shown, "ends too early: its compressed body is cut off")
    return body.getvalue()


class _Unpacker:
    """Passes a body on as it is."""

    is_complete = True

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Inflater(_Unpacker):
    """Unpacks gzip (also several members in a row, RFC 1952 §2.2) or deflate."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inner = zlib.decompressobj(window)

    @property
    def is_complete(self) -> bool:  # type: ignore[override]
        return self._inner.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._inner.eof:
                if self._window != _GZIP or not data.strip(b"\0"):
                    return  # some servers pad what they send
                self._inner = zlib.decompressobj(self._window)
            piece = self._inner.decompress(data, _PIECE)
            if piece:
                yield piece
            data = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
            if not data and len(piece) < _PIECE:
                return


class _Deflated(_Inflater):
    """Unpacks deflate, which should be zlib's format (RFC 9110 §8.4.1.2) and often has no frame."""

    def __init__(self) -> None:
        super().__init__(_ZLIB)
        self._start = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if len(self._start) < 2:
            self._start += data
            if len(self._start) < 2:
                return
            data = self._start
            # A frame's first two bytes are a multiple of 31, and say deflate (RFC 1950 §2.2).
            if data[0] & 15 != 8 or int.from_bytes(data[:2], "big") % 31:
                self._inner = zlib.decompressobj(_RAW)
        yield from super().pieces(data)


def _unpacker(encodings: str, shown: str) -> _Unpacker:
    names = [name.strip().lower() for name in encodings.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > 1:
        raise NodeError(f"{shown} answered with {len(names)} encodings on top of one another.")
    if not names:
        return _Unpacker()
    if names[0] in ("gzip", "x-gzip"):
        return _Inflater(_GZIP)
    if names[0] == "deflate":
        return _Deflated()
    raise NodeError(
        f"{shown} answered in the encoding {names[0][:40]!r}, which cannot be read here.",
        hint=f"Leave the header Accept-Encoding out: what can be read is {ACCEPTED}.",
    )


def _damaged(shown: str, how: str) -> RetryableError:
    return RetryableError(f"The answer to {shown} {how}.")
