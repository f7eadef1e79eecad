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
    stream.write(_LENGTHS.pack(len(header), len(frame.body)))
    stream.write(header)
    if frame.body:
        stream.write(frame.body)
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
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_length, body_length = _LENGTHS.unpack(lengths)
    if header_length > MAX_HEADER or (max_body is not None and body_length > max_body):
        raise FrameTooLargeError
    header = stream.read(header_length)
    body = stream.read(body_length) if body_length else b""
    if len(header) < header_length or len(body) < body_length:
        return None
    return Frame(json.loads(header), body)
