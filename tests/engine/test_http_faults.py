"""``http.request`` and servers that misbehave."""

from __future__ import annotations

import gzip
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import flowlib_nb as fl
from flowlib_nb.engine.actions.base import RetryableError

from .http_servers import raw_server, request, server


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def says(*parts: bytes, then: Callable[[socket.socket], None] = socket.socket.close) -> Callable:
    def talk(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
        then(connection)

    return talk


def drip(connection: socket.socket) -> None:
    """Send a byte now and then, for as long as anybody listens."""
    pause = threading.Event()
    while True:
        connection.sendall(b"x")
        pause.wait(0.02)


@pytest.mark.parametrize(
    "talk",
    [
        says(b""),
        says(b"HTTP/1.1 200 OK\r\nContent-"),
        says(b"HTTP/1.1 200 OK\r\nContent-Len", then=reset),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123", then=reset),
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000),
    ],
    ids=["nothing", "closed in headers", "reset in headers", "closed in body", "reset in body",
         "chunks without an end", "wrong chunks", "not http", "endless headers"],
)  # fmt: skip
def test_broken_answers_are_one_clear_message_and_tried_again(talk: Callable) -> None:
    tried = []

    def counted(connection: socket.socket) -> None:
        tried.append(1)
        talk(connection)

    with raw_server(counted) as url:
        run = request(
            f"    retry: {{attempts: 2, backoff: 0}}\n    with: {{url: '{url}/x?secret=1'}}"
        )
    assert f"GET {url}/x?…: could not reach {url}: " in str(run.error)
    assert "Unexpected" not in str(run.error)
    assert "secret" not in str(run.error)
    assert len(tried) == 2


def test_what_breaks_once_is_fetched_the_second_time() -> None:
    tried = []

    def talk(connection: socket.socket) -> None:
        tried.append(1)
        if len(tried) == 1:
            reset(connection)
        else:
            says(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")(
                connection
            )

    with raw_server(talk) as url:
        run = request(f"    retry: {{attempts: 2, backoff: 0}}\n    with: {{url: {url}}}")
    assert run.output["body"] == "ok"


DRIPS = [
    says(b"HTTP/1.1 200 OK\r\nX: ", then=drip),
    says(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", then=drip),
    says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", then=lambda c: c.recv(1)),
]  # fmt: skip


@pytest.mark.parametrize("talk", DRIPS, ids=["headers", "body", "silence"])
class TestDrip:
    def test_ends_at_the_deadline(self, talk: Callable) -> None:
        with raw_server(talk) as url:
            run = request(f"    with: {{url: {url}, deadline: 0.2}}")
        assert f"GET {url} gave no complete answer within 0.2 s." in str(run.error)

    def test_ends_at_the_nodes_timeout(self, talk: Callable) -> None:
        with raw_server(talk) as url:
            run = request(f"    timeout: 0.2\n    with: {{url: {url}, deadline: 86400}}")
        assert "longer than its timeout of 0.2 s" in str(run.error)


@pytest.mark.parametrize("deadline", ["0", "-1", "86401"])
def test_deadlines_have_limits(deadline: str) -> None:
    text = (
        f"nodes: {{a: {{uses: http.request, with: {{url: 'http://a.b', deadline: {deadline}}}}}}}"
    )
    (problem,) = fl.Flow.from_yaml(text).validate()
    assert "deadline" in problem.message


def test_the_deadline_counts_for_redirects_together() -> None:
    released = threading.Event()

    def answer(handler: object) -> tuple[int, dict, bytes]:
        released.wait(0.15)
        return 302, {"Location": f"{handler.path}x"}, b""

    with server(answer) as (url, _):
        run = request(f"    with: {{url: {url}/, deadline: 0.4}}")
    assert "gave no complete answer within 0.4 s" in str(run.error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("999999", 300.0), ("Mon, 01 Jan 2024 00:00:00 GMT", 0.0), ("soon", None), ("-1", None)],
)  # fmt: skip
def test_a_busy_server_says_when_to_come_back(header: str, seconds: float | None) -> None:
    with server(lambda _: (503, {"Retry-After": header}, b"busy")) as (url, _):
        error = request(f"    with: {{url: {url}}}").error
    assert isinstance(error, RetryableError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(("status", "attempts"), [(500, 2), (429, 2), (404, 1), (501, 1)])
def test_only_what_may_pass_is_tried_again(status: int, attempts: int) -> None:
    with server(lambda _: (status, {}, b"\x1b[2Jno")) as (url, seen):
        run = request(f"    retry: {{attempts: 2, backoff: 0}}\n    with: {{url: {url}}}")
    assert len(seen) == attempts
    assert f"answered {status}" in str(run.error)
    assert "\x1b" not in str(run.error)


def test_redirects_in_a_circle_end() -> None:
    with server(lambda _: (302, {"Location": "/"}, b"")) as (url, seen):
        run = request(f"    with: {{url: {url}}}")
    assert "more than 10 redirects" in str(run.error)
    assert len(seen) == 11


@pytest.mark.parametrize("location", ["ftp://a.b/", "http://[x", "http://u:p@a.b/", "http://a b/"])
def test_redirects_to_odd_addresses_are_an_error(location: str) -> None:
    with server(lambda _: (302, {"Location": location}, b"")) as (url, _):
        run = request(f"    with: {{url: {url}}}")
    assert f"GET {url} redirects to an address that cannot be used. The address" in str(run.error)


class TestSize:
    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 99000000000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ],
        ids=["announced", "endless"],
    )
    def test_is_capped(self, head: bytes) -> None:
        def flood(connection: socket.socket) -> None:
            while True:
                connection.sendall(b"0" * 65536)

        with raw_server(says(head, then=flood)) as url:
            run = request(f"    with: {{url: {url}, max_response_bytes: 1000000}}")
        assert "more than 1,000,000 bytes" in str(run.error)
        assert "max_response_bytes" in str(run.error)

    @pytest.mark.parametrize(("size", "status"), [(1000, "success"), (1001, "failed")])
    def test_cap_is_exact(self, size: int, status: str) -> None:
        body = gzip.compress(b"0" * size)
        with server(lambda _: (200, {"Content-Encoding": "gzip"}, body)) as (url, _):
            assert request(f"    with: {{url: {url}, max_response_bytes: 1000}}").status == status

    def test_a_bomb_ends_early_and_takes_no_memory(self) -> None:
        # A process of its own, so that its peak is this request's.
        script = """
            import resource, zlib
            from tests.engine.http_servers import request, server

            packer = zlib.compressobj(9, wbits=31)
            zeros = b"0" * (1 << 20)
            bomb = b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()
            assert len(bomb) < 1.1e6

            def ask():
                return request(f"    with: {{url: {url}, max_response_bytes: 10000000}}")

            with server(lambda _: (200, {"Content-Encoding": "gzip"}, bomb)) as (url, _):
                with server(lambda _: (200, {}, b"warm")) as (warm, _):
                    request(f"    with: {{url: {warm}}}").raise_for_status()
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                error = ask().error
                after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(after - before, error)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        grown, _, error = done.stdout.partition(" ")
        assert "more than 10,000,000 bytes" in error, done.stderr
        kilobytes = int(grown) // (1024 if sys.platform == "darwin" else 1)
        assert kilobytes < 10_000 + 8_000

    def test_bombs_in_bombs_are_refused(self) -> None:
        body = gzip.compress(gzip.compress(b"0" * 1000))
        with server(lambda _: (200, {"Content-Encoding": "gzip, gzip"}, body)) as (url, _):
            assert "2 encodings on top of one another" in str(
                request(f"    with: {{url: {url}}}").error
            )


TEXT = b"hello " * 1000


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "body"),
        [
            ("gzip", gzip.compress(TEXT)),
            ("X-GZip", gzip.compress(TEXT)),
            ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]) + b"\0\0\0"),
            ("deflate", zlib.compress(TEXT)),
            ("deflate", zlib.compress(TEXT)[2:-4]),
            ("identity", TEXT),
        ],
        ids=["gzip", "x-gzip", "members", "zlib", "raw deflate", "identity"],
    )
    @pytest.mark.parametrize("step", [1, 100_000])
    def test_are_unpacked(self, encoding: str, body: bytes, step: int) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Type: text/plain\r\n"
        parts = [body[at : at + step] for at in range(0, len(body), step)]
        if len(parts) > 1000:
            parts = [body]
        chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]
        start = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n"
        with raw_server(says(start, *chunks, b"0\r\n\r\n")) as url:
            assert request(f"    with: {{url: {url}}}").output["body"] == TEXT.decode()

    @pytest.mark.parametrize(
        ("encoding", "body", "word"),
        [
            ("gzip", b"not gzip", "it is damaged"),
            ("deflate", b"not deflate", "it is damaged"),
            ("gzip", gzip.compress(TEXT)[:-9], "its compressed body is cut off"),
            ("deflate", zlib.compress(TEXT)[:-9], "its compressed body is cut off"),
            ("br", b"x", "the encoding 'br', which cannot be read here"),
        ],
    )
    def test_that_are_broken_are_an_error(self, encoding: str, body: bytes, word: str) -> None:
        with server(lambda _: (200, {"Content-Encoding": encoding}, body)) as (url, _):
            assert word in str(request(f"    with: {{url: {url}}}").error)


def test_an_unreachable_host_is_one_clear_message() -> None:
    error = request("    with: {url: 'http://127.0.0.1:9/x'}").error
    assert "could not reach http://127.0.0.1:9" in str(error)
    assert "Traceback" not in str(error)
    assert "could not reach http://nowhere.invalid: there is no such name" in str(
        request("    with: {url: 'http://nowhere.invalid/'}").error
    )
