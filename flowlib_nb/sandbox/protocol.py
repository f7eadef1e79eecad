"""How the kernel and a worker talk: length-prefixed frames over two pipes.

A frame is 12 bytes of lengths (header 4, body 8, big-endian), a JSON header, a body of bytes. The
body is JSON text that neither side of the pipe needs to parse: the engine does.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

_LENGTHS = struct.Struct(">IQ")
# A header names an operation and limits; program text travels in it too.
MAX_HEADER = 16 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One message.

    Parameters
    ----------
    header : dict
        JSON-ready.
    body : bytes
        UTF-8 JSON text, or empty.
    """

    header: dict[str, Any]
    body: bytes = b""


class FrameTooLargeError(Exception):
    """The peer announced more bytes than this side is willing to take."""


def write_frame(stream: BinaryIO, frame: Frame) -> None:
    """Write one frame and flush."""
    header = json.dumps(frame.header).encode()
    _write(stream, _LENGTHS.pack(len(header), len(frame.body)) + header)
    _write(stream, frame.body)
    stream.flush()


def read_frame(stream: BinaryIO, max_body: int | None = None) -> Frame | None:
    """Read one frame.

    Parameters
    ----------
    stream : binary file
        A pipe.
    max_body : int, optional
        Bytes; a worker is not trusted to announce a sensible length.

    Returns
    -------
    Frame or None
        None at the end of the stream, also in the middle of a frame: the peer died.

    Raises
    ------
    FrameTooLargeError
        A length is over its limit.
    """
    lengths = _read(stream, _LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_length, body_length = _LENGTHS.unpack(lengths)
    if header_length > MAX_HEADER or (max_body is not None and body_length > max_body):
        raise FrameTooLargeError
    header = _read(stream, header_length)
    body = _read(stream, body_length)
    if len(header) < header_length or len(body) < body_length:
        return None
    return Frame(json.loads(header), body)


def _write(stream: BinaryIO, data: bytes) -> None:
    """Write all of it; a raw pipe takes what it has room for."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def _read(stream: BinaryIO, length: int) -> bytes:
    """Read so many bytes, or up to the end; a raw pipe gives what it has."""
    data = stream.read(length) if length else b""
    if len(data) in (0, length):
        return data
    parts, missing = [data], length - len(data)
    while missing and (data := stream.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
