"""Download a file whose size and digest are known beforehand, so that any server can deliver it."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING, BinaryIO, Final

from filelock import FileLock, Timeout

from paragon_core.atomic_files import PART, atomic_write, complete, remove_leftovers, unwritable
from paragon_core.errors import DownloadError, ParagonError
from paragon_core.models.http_client import ask, chunks
from paragon_core.trusted_files import UntrustedFileError, check_ours, check_way, open_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPResponse
    from pathlib import Path

#: Seconds without a byte after which a connection is given up.
PATIENCE: Final = 30.0

#: Bytes a second below which a download is given up in the end: a slow modem's.
SLOWEST: Final = 5_000

_OWNER_ONLY: Final = 0o600
_AS_USUAL: Final = 0o666
_BLOCK: Final = 2**20
_OK: Final = 200
_PARTIAL_CONTENT: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416
_HINTS: Final = {
    401: "the server wants a password: choose another address",
    403: "the server does not give this file away: choose another address",
    404: "check the address: the file has to be there",
    407: "the proxy wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@PROXY:PORT",
}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where a file comes from, and how long that may take; `download` describes it."""

    url: str
    """Its address."""
    size: int
    """Bytes of the file."""
    insecure: bool
    """Whether ``http`` to other machines is allowed."""
    patience: float
    """Seconds without a byte."""
    limit: float
    """Seconds in all."""
    report: Callable[[int], None]
    """Called with the number of bytes that have arrived."""


def download(
    url: str,
    target: Path,
    *,
    size: int,
    sha256: str,
    insecure: bool = False,
    patience: float = PATIENCE,
    limit: float | None = None,
    report: Callable[[int], None] = lambda _: None,
    waiting: Callable[[], None] = lambda: None,
) -> bool:
    """Download a file; it gets its name only when it is complete and its digest is right.

    What has arrived grows in a file next to it, with the extension ``.part``. That one stays when the connection is cut
    or the process is stopped, and the next call goes on from there. If the digest is wrong, it is removed, and if some
    of it was from an earlier call, all is fetched once more. A call waits for other downloads into the same folder; a
    hidden file for that remains there. Where another user has put something in the place of one of these two files, it
    is left alone, and the download cannot be continued later.

    The proxies of the environment are used (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``). Never more than ``size``
    bytes are taken.

    Args:
        url: ``https``, or ``http`` on this machine.
        target: where to; its folder is made if it is missing.
        size: bytes of the file.
        sha256: hex digest of the file.
        insecure: allow ``http`` to other machines; the digest still protects the content.
        patience: seconds without a byte after which the connection is given up.
        limit: seconds after which the download is given up, in any case; by default what `SLOWEST` bytes a second
            take, and `PATIENCE` on top.
        report: called with the number of bytes that have arrived, at the start and whenever some arrived.
        waiting: called before waiting for another download, which takes ``limit`` seconds at most.

    Returns:
        False if the file was there already.

    Raises:
        DownloadError: the server cannot be reached, does not deliver, or delivers something else; or another file has
            that name; or another download into the folder does not end.
        MediaError: the file cannot be written.

    """
    source = _Source(
        url=url,
        size=size,
        insecure=insecure,
        patience=patience,
        limit=PATIENCE + size / SLOWEST if limit is None else limit,
        report=report,
    )
    try:
        check_way(target.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(target.parent, waiting, source.limit) as alone:
            if target.exists():
                _check_present(target, size, sha256)
                return False
            remove_leftovers(target.parent)
            part = _part_of(target) if alone else None
            if part is not None:
                _continue(source, part, target, sha256)
            else:
                with atomic_write(target) as stream:
                    _fill(source, stream, sha256)
    except ParagonError:  # some are an OSError as well
        raise
    except OSError as error:
        raise unwritable(target, error) from error
    return True


@contextmanager
def _alone_in(folder: Path, waiting: Callable[[], None], limit: float) -> Iterator[bool]:
    """Keep other downloads out of a folder; the system releases the lock of a process that dies.

    Yields:
        whether that worked: not on disks without locks, nor where another user has put something in the lock's place.

    """
    path = folder / ".paragon-download.lock"
    lock = FileLock(path, mode=_OWNER_ONLY)  # other users cannot open it, so they cannot lock it forever
    try:
        with suppress(FileNotFoundError):
            check_ours(path, path.lstat(), write=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            waiting()
            lock.acquire(timeout=limit)
    except Timeout as error:
        msg = f"another download into {folder} does not end"
        raise DownloadError(msg, hint="end that program, or choose another folder") from error
    except OSError as error:
        _LOG.debug("no lock in %s: %s", folder, error.strerror or error)
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _check_present(target: Path, size: int, sha256: str) -> None:
    if target.is_file() and target.stat().st_size == size:
        with target.open("rb") as stream:
            if _digest(stream) == sha256:
                return
    msg = f"{target} is there already and something else"
    raise DownloadError(msg, hint="rename or remove it, or choose another folder")


def _digest(stream: BinaryIO) -> str:
    stream.seek(0)
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _part_of(target: Path) -> BinaryIO | None:
    """Open the file in which a download grows from call to call; None if something else is in its place."""
    path = target.with_name(target.name + PART)
    try:
        return open_ours(path, create=True, mode=_AS_USUAL)
    except UntrustedFileError as error:
        _LOG.warning("%s is left alone: %s", path, error.strerror)
        return None


def _continue(source: _Source, part: BinaryIO, target: Path, sha256: str) -> None:
    """Complete a download and give it its name; what has arrived is kept if that fails, unless it is wrong."""
    path = target.with_name(target.name + PART)
    try:
        with part:
            _fill(source, part, sha256)
            complete(part, path, target)
    except BaseException:
        with suppress(OSError):
            if path.lstat().st_size == 0:
                path.unlink()
        raise


def _fill(source: _Source, part: BinaryIO, sha256: str) -> None:
    """Complete a file; if what is wrong may be what was there before, start over once. It is empty if it stays wrong.

    Raises:
        DownloadError: it stays wrong, or cannot be had.

    """
    deadline = time.monotonic() + source.limit
    older_bytes = True
    while older_bytes:
        older_bytes = _complete(source, part, deadline)
        if _digest(part) == sha256:
            return
        part.truncate(0)
    msg = f"{source.url} is another file than the one wanted: its digest is wrong"
    raise DownloadError(msg, hint="it was removed; choose another address, or report it to the operator of this server")


def _complete(source: _Source, part: BinaryIO, deadline: float) -> bool:
    """Fetch what is missing of a file, and return whether it still holds bytes that were there before."""
    start = part.seek(0, os.SEEK_END)
    if start >= source.size:
        return True
    url, missing = source.url, source.size - start
    with ask(url, start=start, insecure=source.insecure, patience=source.patience, deadline=deadline) as response:
        if start and _adds_nothing(response, start):
            return True  # the digest will be wrong, and the next round asks for all
        if response.status == _OK:  # it knows no ranges
            start, missing = 0, source.size
            part.truncate(part.seek(0))
        elif not start or response.status != _PARTIAL_CONTENT:
            msg = f"cannot download {url}: the server answers {response.status} {responses.get(response.status, '')}"
            raise DownloadError(msg, hint=_HINTS.get(response.status, "try again later, or choose another address"))
        if response.length not in {None, missing}:
            msg = f"{url} has {start + response.length} bytes instead of {source.size}: it is another file"
            raise DownloadError(msg, hint="choose another address, or report it to the operator of this server")
        source.report(start)
        for chunk in chunks(response, url, missing):
            part.write(chunk)
            source.report(part.tell())
    return bool(start)


def _adds_nothing(response: HTTPResponse, start: int) -> bool:
    """Return whether the server has less than is here already, or sends another range than the one asked for."""
    sent = response.headers.get("Content-Range", "").lower()
    wrong = response.status == _PARTIAL_CONTENT and not sent.startswith(f"bytes {start}-")
    return wrong or response.status == _RANGE_NOT_SATISFIABLE
