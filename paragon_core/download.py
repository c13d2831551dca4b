"""Download a file of which size and digest are known beforehand, so that it does not matter who delivers it."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import string
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, responses
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from filelock import FileLock, Timeout

from paragon_core import __version__
from paragon_core.atomic_files import PART, unwritable
from paragon_core.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Seconds without a byte after which a connection is given up.
PATIENCE: Final = 30.0

_CHUNK: Final = 2**16
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_OK: Final = 200
_PARTIAL_CONTENT: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416

_GO_ON: Final = "start it again: what has arrived is kept, and it goes on from there"
_NETWORK: Final = "check the address, the network, and the proxy if you need one (HTTPS_PROXY, NO_PROXY)"
_HINTS: Final = {
    401: "the server wants a password: choose another address",
    403: "the server does not give this file away: choose another address",
    404: "check the address: the file has to be there",
    407: "the proxy wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@PROXY:PORT",
}


def download(
    url: str,
    target: Path,
    *,
    size: int,
    sha256: str,
    insecure: bool = False,
    patience: float = PATIENCE,
    report: Callable[[int], None] = lambda _: None,
    waiting: Callable[[], None] = lambda: None,
) -> bool:
    """Download a file; it gets its name only when it is whole and its digest is right.

    What has arrived grows in a file beside it, ending in ``.part``. That one stays when the connection is cut or the
    process is stopped, and the next call goes on from there. If the digest is wrong, it is removed, and if some of it
    was from an earlier call, all is fetched once more. Other downloads into the same folder are waited for; a hidden
    file for that remains there.

    The proxies of the environment are used (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``). Never more than ``size``
    bytes are taken.

    Args:
        url: ``https``, or ``http`` on this machine.
        target: where to; its folder is made if it is missing.
        size: bytes of the file.
        sha256: hex digest of the file.
        insecure: allow ``http`` to other machines; the digest still protects the content.
        patience: seconds without a byte after which the connection is given up.
        report: called with the number of bytes that are there, at the start and whenever some arrived.
        waiting: called if another download has to be waited for.

    Returns:
        False if the file was there already.

    Raises:
        DownloadError: the server cannot be reached, does not deliver, or delivers something else; or another file has
            that name.
        MediaError: the file cannot be written.

    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(target.parent, waiting):
            if target.exists():
                _check_present(target, sha256)
                return False
            part = target.with_name(target.name + PART)
            older_bytes = True
            while older_bytes:
                older_bytes = _complete(url, part, size=size, insecure=insecure, patience=patience, report=report)
                if _digest(part) == sha256:
                    part.replace(target)
                    return True
                part.unlink()
    except OSError as error:
        raise unwritable(target, error) from error
    msg = f"{url} is another file than {target.name}: its digest is wrong"
    raise DownloadError(msg, hint="it was removed; choose another address, or tell who runs this server")


@contextmanager
def _alone_in(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep other downloads out of a folder; the system releases the lock of a process that dies."""
    lock = FileLock(folder / ".paragon-download.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_present(target: Path, sha256: str) -> None:
    if not target.is_file() or _digest(target) != sha256:
        msg = f"{target} is there already and something else"
        raise DownloadError(msg, hint="rename or remove it, or choose another folder")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _complete(
    url: str, part: Path, *, size: int, insecure: bool, patience: float, report: Callable[[int], None]
) -> bool:
    """Fetch what is missing of a file, and return whether it still holds bytes that were there before."""
    start = part.stat().st_size if part.exists() else 0
    if start >= size:
        return True
    with _open(url, start=start, insecure=insecure, patience=patience) as response:
        if start and _adds_nothing(response, start):
            return True  # the digest will be wrong, and the next round asks for all
        if response.status == _OK:  # it knows no ranges
            start = 0
        elif not start or response.status != _PARTIAL_CONTENT:
            msg = f"cannot download {url}: the server answers {response.status} {responses.get(response.status, '')}"
            raise DownloadError(msg, hint=_HINTS.get(response.status, "try again later, or choose another address"))
        if response.length not in {None, size - start}:
            msg = f"{url} is another file than {part.stem}: {start + response.length} bytes instead of {size}"
            raise DownloadError(msg, hint="choose another address, or tell who runs this server")
        report(start)
        with part.open("ab" if start else "wb") as stream:
            for chunk in _chunks(response, url, size - start):
                stream.write(chunk)
                report(stream.tell())
            stream.flush()
            os.fsync(stream.fileno())
    return bool(start)


def _adds_nothing(response: HTTPResponse, start: int) -> bool:
    """Tell whether the server has less than is here already, or sends another range than the one asked for."""
    sent = response.headers.get("Content-Range", "").lower()
    wrong = response.status == _PARTIAL_CONTENT and not sent.startswith(f"bytes {start}-")
    return wrong or response.status == _RANGE_NOT_SATISFIABLE


def _chunks(response: HTTPResponse, url: str, count: int) -> Iterator[bytes]:
    """Yield exactly so many bytes of the body, however many there are."""
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


def _open(url: str, *, start: int, insecure: bool, patience: float) -> HTTPResponse:
    """Ask for a file from this byte on, follow redirects, and return the answer, whatever its status."""
    opener = OpenerDirector()  # with no more than is needed: no file:, ftp: or data:, no redirects of its own
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    headers = {"User-Agent": f"paragon/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    for _ in range(_MOST_REDIRECTS + 1):
        _check_address(url, insecure=insecure)
        try:
            response: HTTPResponse = opener.open(Request(url, headers=headers), timeout=patience)  # noqa: S310  (checked)
        except (OSError, HTTPException, ValueError) as error:  # ValueError: no host can have that name
            msg = f"cannot download {url}: {_reason(error)}"
            raise DownloadError(msg, hint=_NETWORK) from error
        if response.status not in _REDIRECTS:
            return response
        response.close()
        following = _led_to(url, response)
        if url.lower().startswith("https:") and not following.lower().startswith("https:"):
            msg = f"cannot download {url}: the server leads from https to {following}"
            raise DownloadError(msg, hint="choose another address, or tell who runs this server")
        url = following
    msg = f"cannot download {url}: the server leads from one address to the next without end"
    raise DownloadError(msg, hint="choose another address, or tell who runs this server")


def _led_to(url: str, response: HTTPResponse) -> str:
    location = quote(response.headers.get("Location", ""), safe=string.punctuation, encoding="latin-1")
    try:
        return urljoin(url, location)
    except ValueError:
        return location  # which is no address, as is told for every other one


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
