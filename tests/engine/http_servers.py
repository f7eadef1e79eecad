"""Servers of the tests of ``http.request``, and a way to ask them."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import flowlib_nb as fl

Reply = tuple[int, dict, bytes]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.accepted = 0

    def get_request(self) -> tuple:
        self.accepted += 1
        return super().get_request()

    def handle_error(self, *args: object) -> None:
        pass  # clients that give up are what many tests are about


@contextmanager
def running(
    answer: Callable[[BaseHTTPRequestHandler], Reply],
    *,
    tls: ssl.SSLContext | None = None,
    connect: Callable[[BaseHTTPRequestHandler], None] | None = None,
) -> Iterator[_Server]:
    """A server whose answers ``answer(handler) -> (status, headers, body)`` decides.

    ``seen`` on it are the handlers of its requests; ``connect`` handles CONNECT.
    """
    seen: list = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one packet: two would wait for each other.
        wbufsize = -1
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append(self)
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_any

        def do_CONNECT(self) -> None:
            seen.append(self)
            assert connect is not None
            connect(self)

        def log_message(self, *args: object) -> None:
            pass

    made = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        made.socket = tls.wrap_socket(made.socket, server_side=True)
    made.seen = seen
    made.url = f"{'https' if tls else 'http'}://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.daemon = True
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()


@contextmanager
def server(
    answer: Callable[[BaseHTTPRequestHandler], Reply],
) -> Iterator[tuple[str, list[BaseHTTPRequestHandler]]]:
    """Address and requests of a server."""
    with running(answer) as made:
        yield made.url, made.seen


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what ``talk(connection)`` sends once the request's headers are there."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(65536)
                if not part:
                    return
                request += part
            talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        ended.set()
        listening.close()


def json_answer(value: object) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def request(node: str, inputs: dict | None = None) -> fl.Run:
    """Run a flow of one node, whose text after ``uses:`` is given."""
    text = f"nodes:\n  call:\n    uses: http.request\n{node}"
    return fl.Flow.from_yaml(text).run(inputs or {}, functions={})


def problems(node: str) -> list[fl.Problem]:
    """What is wrong with a flow of one node."""
    return fl.Flow.from_yaml(f"nodes:\n  call:\n    uses: http.request\n{node}").validate()
