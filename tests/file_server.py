"""A server on this machine that delivers one file, well or badly, and notes what it was asked for."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.patience import PATIENCE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


class Request(BaseHTTPRequestHandler):
    """One request; what is done about it is the server's ``answer``."""

    server: FileServer

    def do_GET(self) -> None:
        """Note the request and answer it."""
        self.server.asked.append((self.path, self.headers.get("Range")))
        with suppress(ConnectionError):  # whoever asked has heard enough
            self.server.answer(self)

    do_CONNECT = do_GET  # noqa: N815  (the name is given)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def head(self, status: int, **headers: object) -> None:
        """Send status and headers; an underscore in a name stands for a hyphen."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def range(self) -> int:
        """Return the byte from which on the file was asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))
        assert match
        return int(match[1])


class FileServer(ThreadingHTTPServer):
    """Delivers ``content`` under any path."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.content = content
        self.asked: list[tuple[str, str | None]] = []
        self.answer: Callable[[Request], None] = in_ranges
        self.scheme = "http"

    @property
    def url(self) -> str:
        """Address of a folder on this server."""
        return f"{self.scheme}://127.0.0.1:{self.server_port}/models"

    def handle_error(self, *_: object) -> None:
        """Keep quiet about connections that the other side gave up."""


@contextmanager
def serving(content: bytes, context: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Run a server, with TLS if a context is given."""
    with FileServer(content) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def in_ranges(request: Request) -> None:
    """Deliver the range that was asked for."""
    content, start = request.server.content, request.range()
    if start >= len(content):
        request.head(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
    elif start:
        total = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.head(206, Content_Range=total, Content_Length=len(content) - start)
        request.wfile.write(content[start:])
    else:
        whole(request)


def whole(request: Request) -> None:
    """Deliver all, whatever was asked for."""
    request.head(200, Content_Length=len(request.server.content))
    request.wfile.write(request.server.content)


def cut_after(count: int) -> Callable[[Request], None]:
    """Promise all and end the connection before."""

    def answer(request: Request) -> None:
        request.head(200, Content_Length=len(request.server.content))
        request.wfile.write(request.server.content[:count])

    return answer


def stall_after(count: int, release: threading.Event) -> Callable[[Request], None]:
    """Promise all and say nothing more, until released."""

    def answer(request: Request) -> None:
        cut_after(count)(request)
        request.wfile.flush()
        release.wait(PATIENCE)

    return answer


def endless(request: Request) -> None:
    """Deliver all and never stop."""
    request.head(200)
    request.wfile.write(request.server.content)
    while True:
        request.wfile.write(bytes(2**16))


def status(code: int, **headers: object) -> Callable[[Request], None]:
    """Answer with a status alone."""
    return lambda request: request.head(code, **headers)


def as_proxy(request: Request) -> None:
    """Fetch what was asked for from elsewhere, or connect with it."""
    if request.command == "CONNECT":
        host, _, port = request.path.rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            request.head(200)
            back = threading.Thread(target=pump, args=(other, request.connection))
            back.start()
            pump(request.connection, other)
            back.join()
        return
    parts = urlsplit(request.path)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", parts.path, headers=dict(request.headers))
    answer = connection.getresponse()
    request.head(answer.status, Content_Length=answer.headers["Content-Length"])
    request.wfile.write(answer.read())
    connection.close()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand on all bytes."""
    with suppress(OSError):
        while data := source.recv(2**16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
