"""Ask a server for a file, from any byte on, and never wait for it forever."""

from __future__ import annotations

import io
import ipaddress
import ssl
import string
import time
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from paragon_core import __version__
from paragon_core.errors import DownloadError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

_CHUNK: Final = 2**16
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)

#: Seconds before an interrupt is noticed: on Windows, none ends the wait for a server.
_BREATH: Final = 0.5

_GO_ON: Final = "start it again: what has arrived is kept, and it goes on from there"
_NETWORK: Final = "check the address, the network, and the proxy if you need one (HTTPS_PROXY, NO_PROXY)"


def ask(url: str, *, start: int, insecure: bool, patience: float, deadline: float) -> HTTPResponse:
    """Ask for a file from this byte on, follow redirects, and return the answer, whatever its status.

    Args:
        url: ``https``, or ``http`` on this machine.
        start: the first byte.
        insecure: allow ``http`` to other machines.
        patience: seconds without a byte after which the connection is given up, also later, while the body is read.
        deadline: time of `time.monotonic` at which it is given up in any case.

    Raises:
        DownloadError: the address is none, leads over the network in the clear, or gets no answer in time.

    """
    opener = OpenerDirector()  # with no more than is needed: no file:, ftp: or data:, no redirects of its own
    for handler in (ProxyHandler(), _Http(patience, deadline), _Https(patience, deadline)):
        opener.add_handler(handler)
    headers = {"User-Agent": f"paragon/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    for _ in range(_MOST_REDIRECTS + 1):
        _check_address(url, insecure=insecure)
        request = Request(url, headers=headers)  # noqa: S310  (checked)
        to_connect = min(patience, max(deadline - time.monotonic(), _BREATH))
        try:
            response: HTTPResponse = opener.open(request, timeout=to_connect)
        except (OSError, HTTPException, ValueError) as error:  # ValueError: no host can have that name
            msg = f"cannot download {url}: {_reason(error)}"
            raise DownloadError(msg, hint=_NETWORK) from error
        if response.status not in _REDIRECTS:
            return response
        response.close()
        following = _led_to(url, response)
        if url.lower().startswith("https:") and not following.lower().startswith("https:"):
            msg = f"cannot download {url}: the server redirects from https to {following}"
            raise DownloadError(msg, hint="choose another address, or report it to the operator of this server")
        url = following
    msg = f"cannot download {url}: the server redirects without end"
    raise DownloadError(msg, hint="choose another address, or report it to the operator of this server")


def chunks(response: HTTPResponse, url: str, count: int) -> Iterator[bytes]:
    """Yield exactly ``count`` bytes of the body, even if there are more.

    Raises:
        DownloadError: there are fewer, or they do not come in time.

    """
    while count:
        try:
            chunk = response.read1(min(count, _CHUNK))
        except (OSError, HTTPException) as error:
            msg = f"the download of {url} broke off: {_reason(error)}"
            raise DownloadError(msg, hint=_GO_ON) from error
        if not chunk:
            msg = f"the download of {url} broke off: {count} bytes are missing"
            raise DownloadError(msg, hint=_GO_ON)
        count -= len(chunk)
        yield chunk


def _led_to(url: str, response: HTTPResponse) -> str:
    location = quote(response.headers.get("Location", ""), safe=string.punctuation, encoding="latin-1")
    try:
        return urljoin(url, location)
    except ValueError:
        return location  # not an address, which `ask` reports like any other


def _reason(error: Exception) -> str:
    """Return what went wrong; a server may have a part in the text, so without what would confuse a terminal."""
    text = str(getattr(error, "reason", None) or error) or type(error).__name__
    return "".join(filter(str.isprintable, text))


def _check_address(url: str, *, insecure: bool) -> None:
    """Refuse addresses that are none, that hold a password, or that lead over the network in the clear."""
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host = "", None
    if scheme not in {"http", "https"} or not host:
        msg = f"{url!r} is not an address of a file on a server"
        raise DownloadError(msg, hint="give one that begins with https://")
    if parts.username is not None:
        msg = f"the address for {host} holds a user's name or password, which is not supported"
        raise DownloadError(msg, hint="choose an address that needs none")
    if scheme == "http" and not insecure and not _is_this_machine(host):
        msg = f"{url} would be fetched without encryption"
        raise DownloadError(msg, hint="choose an https address, or allow it with --insecure-http")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Patient(io.RawIOBase):
    """What arrives through a socket, until that is silent for too long or the time is up."""

    def __init__(self, sock: socket.socket, patience: float, deadline: float) -> None:
        self._sock = sock
        self._kept = sock.makefile("rb", buffering=0)  # as long as it is open, so is the socket
        self._patience = patience
        self._deadline = deadline

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes; none at the end.

        Raises:
            TimeoutError: they do not come in time.

        """
        silent = time.monotonic() + self._patience
        while (left := min(silent, self._deadline) - time.monotonic()) > 0:
            self._sock.settimeout(min(left, _BREATH))
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue
        msg = "it timed out, because it is too slow" if silent > self._deadline else "it timed out in silence"
        raise TimeoutError(msg)

    def close(self) -> None:
        """Let go of the socket."""
        self._kept.close()
        super().close()


class _PatientResponse(HTTPResponse):
    """An answer that is read with patience, but not without end, from its first byte on."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        *,
        patience: float,
        deadline: float,
    ) -> None:
        super().__init__(sock, debuglevel, method)
        at_once = self.fp
        self.fp = io.BufferedReader(_Patient(sock, patience, deadline))
        at_once.close()


def _connection(
    kind: type[HTTPConnection],
    patience: float,
    deadline: float,
    host: str,
    /,
    **options: Any,  # noqa: ANN401 - those of the kind
) -> HTTPConnection:
    connection = kind(host, **options)
    # It is called with a socket, as the class would be.
    connection.response_class = partial(_PatientResponse, patience=patience, deadline=deadline)  # type: ignore[assignment]
    return connection


class _Http(HTTPHandler):
    def __init__(self, patience: float, deadline: float) -> None:
        super().__init__()
        self._connection = partial(_connection, HTTPConnection, patience, deadline)

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._connection, req)


class _Https(HTTPSHandler):
    def __init__(self, patience: float, deadline: float) -> None:
        super().__init__()
        self._connection = partial(_connection, HTTPSConnection, patience, deadline)

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._connection, req, context=ssl.create_default_context())
