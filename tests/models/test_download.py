"""Downloads: whatever servers, networks and disks do, a file is whole and right or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import DownloadError, MediaError
from paragon_core.models.download import download
from tests.file_server import (
    FileServer,
    Request,
    as_proxy,
    cut_after,
    endless,
    in_ranges,
    serving,
    stall_after,
    status,
    whole,
)
from tests.fresh_python import PROGRAMS, start
from tests.fresh_python import run as run_python
from tests.models.impostors import IMPOSTORS
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT = bytes(range(256)) * 800
OTHER = bytes(reversed(CONTENT))

get = partial(download, size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), patience=10)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "net.safetensors"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server with TLS that this machine trusts."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(CONTENT, context) as running:
        yield running


def part_of(target: Path) -> Path:
    return target.with_name("net.safetensors.part")


def keep(target: Path, content: bytes) -> None:
    """Leave what an earlier download may have left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part_of(target).write_bytes(content)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def refused(url: str, target: Path, match: str, **options: Any) -> DownloadError:
    """Try a download that must fail and leave no file of that name."""
    with pytest.raises(DownloadError, match=match) as caught:
        get(url, target, **options)
    assert caught.value.hint
    assert not target.exists()
    return caught.value


def test_a_download(server: FileServer, target: Path) -> None:
    seen: list[int] = []
    assert get(server.url, target, report=seen.append)
    assert target.read_bytes() == CONTENT
    assert visible(target.parent) == [target.name]
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, len(CONTENT))
    assert server.asked == [("/models", None)]
    assert not get(server.url, target)
    assert len(server.asked) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs permissions of POSIX")
def test_permissions_are_those_of_any_new_file(server: FileServer, target: Path) -> None:
    assert get(server.url, target)
    usual = target.with_name("usual")
    usual.touch()
    assert target.stat().st_mode == usual.stat().st_mode
    assert target.with_name(".paragon-download.lock").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("there", [OTHER, b"", None])
def test_another_file_of_that_name_stays(server: FileServer, target: Path, there: bytes | None) -> None:
    target.parent.mkdir()
    if there is None:
        target.mkdir()
    else:
        target.write_bytes(there)
    with pytest.raises(DownloadError, match="is there already and something else"):
        get(server.url, target)
    assert target.is_dir() if there is None else target.read_bytes() == there
    assert server.asked == []


@pytest.mark.parametrize("count", [1, 100_000, len(CONTENT) - 1])
def test_a_cut_connection_is_continued(server: FileServer, target: Path, count: int) -> None:
    server.answer = cut_after(count)
    assert "start it again" in refused(server.url, target, f"{len(CONTENT) - count} bytes are missing").hint
    assert part_of(target).read_bytes() == CONTENT[:count]
    server.answer = in_ranges
    seen: list[int] = []
    assert get(server.url, target, report=seen.append)
    assert target.read_bytes() == CONTENT
    assert seen[0] == count
    assert server.asked[1:] == [("/models", f"bytes={count}-")]


def test_a_server_without_ranges_starts_over(server: FileServer, target: Path) -> None:
    keep(target, CONTENT[:100_000])
    server.answer = whole
    assert get(server.url, target)
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_file_that_changed_meanwhile_is_fetched_again(server: FileServer, target: Path) -> None:
    keep(target, OTHER[:100_000])
    assert get(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [("/models", "bytes=100000-"), ("/models", None)]


@settings(max_examples=25)
@given(
    part=st.integers(0, len(CONTENT)).map(lambda count: CONTENT[:count])
    | st.binary(max_size=50)
    | st.just(OTHER)
    | st.just(CONTENT + b"more"),
    answer=st.sampled_from([in_ranges, whole]),
)
def test_whatever_was_left_behind_the_file_is_right(part: bytes, answer: Callable[[Request], None]) -> None:
    with serving(CONTENT) as server, tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "net.safetensors"
        keep(target, part)
        server.answer = answer
        assert get(server.url, target)
        assert target.read_bytes() == CONTENT
        assert visible(target.parent) == [target.name]
        assert len(server.asked) <= 2


@pytest.mark.parametrize("part", [b"", OTHER[:100], CONTENT[:100], OTHER])
def test_another_file_is_refused(server: FileServer, target: Path, part: bytes) -> None:
    keep(target, part)
    server.content = OTHER
    refused(server.url, target, "its digest is wrong")
    assert visible(target.parent) == []


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", CONTENT + b"x"])
def test_a_file_of_another_size_is_refused_before_it_is_fetched(
    server: FileServer, target: Path, content: bytes
) -> None:
    server.content, server.answer = content, whole
    refused(server.url, target, f"{len(content)} bytes instead of {len(CONTENT)}")
    assert visible(target.parent) == []


def test_no_more_is_taken_than_there_should_be(server: FileServer, target: Path) -> None:
    server.answer = endless
    assert get(server.url, target)  # it begins rightly
    assert target.read_bytes() == CONTENT
    target.unlink()
    server.content = OTHER
    refused(server.url, target, "its digest is wrong")


def wrong_range(request: Request) -> None:
    """Deliver another range than the one that was asked for, but all if none was."""
    if request.range():
        request.head(206, Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")
        request.wfile.write(CONTENT[7:])
    else:
        whole(request)


def no_such_range(request: Request) -> None:
    """Refuse all ranges."""
    if request.range():
        request.head(416)
    else:
        whole(request)


@pytest.mark.parametrize("answer", [wrong_range, no_such_range])
def test_useless_ranges_start_over(server: FileServer, target: Path, answer: Callable[[Request], None]) -> None:
    keep(target, CONTENT[:1000])
    server.answer = answer
    assert get(server.url, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [204, 206, 304, 400, 401, 403, 404, 407, 416, 500, 503])
def test_other_answers_are_reported(server: FileServer, target: Path, code: int) -> None:
    server.answer = status(code)
    refused(server.url, target, f"the server answers {code}")
    assert visible(target.parent) == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/else where/\xe9", "{}/else"])
def test_redirects_are_followed(server: FileServer, target: Path, code: int, location: str) -> None:
    def answer(request: Request) -> None:
        if request.path == "/models":
            request.head(code, Location=location.format(server.url))
            request.wfile.write(bytes(10**6))  # never read
        else:
            in_ranges(request)

    server.answer = answer
    keep(target, CONTENT[:10])
    assert get(server.url, target)
    assert [asked for _, asked in server.asked] == ["bytes=10-"] * 2


@pytest.mark.parametrize(
    ("location", "match"),
    [
        ("/models", "without end"),
        (None, "without end"),
        ("http://example.org/net", "without encryption"),
        ("ftp://127.0.0.1/net", "not an address"),
        ("file:///etc/passwd", "not an address"),
        ("http://[", "not an address"),
        ("//user:secret@127.0.0.1/net", "name or password"),
    ],
)
def test_redirects_that_lead_nowhere(server: FileServer, target: Path, location: str | None, match: str) -> None:
    server.answer = status(302, **({"Location": location} if location else {}))
    error = refused(server.url, target, match)
    assert "secret" not in f"{error} {error.hint}"
    assert len(server.asked) <= 6


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("", "not an address"),
        ("net.safetensors", "not an address"),
        ("https://", "not an address"),
        ("https://host:port/net", "not an address"),
        ("file:///net", "not an address"),
        ("http://example.org/net", "without encryption"),
        ("http://127.0.0.1.example.org/net", "without encryption"),
        ("https://user:secret@example.org/net", "name or password"),
        (f"http://127.0.0.1/{'a b'}", "cannot download"),
        ("https://" + "a" * 300 + "/net", "cannot download"),
    ],
)
def test_bad_addresses(target: Path, url: str, match: str) -> None:
    error = refused(url, target, match)
    assert "secret" not in f"{error} {error.hint}"


def test_plain_http_to_others_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch, target: Path) -> None:
    with serving(CONTENT) as proxy:  # so that the name need not be known
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        url = "http://models.invalid/net"
        refused(url, target, "without encryption")
        assert proxy.asked == []
        assert get(url, target, insecure=True)
        assert proxy.asked == [(url, None)]


def test_encrypted_connections(secure: FileServer, server: FileServer, target: Path) -> None:
    assert get(secure.url, target)
    target.unlink()
    server.answer = status(302, Location=secure.url)
    assert get(server.url, target)
    assert len(secure.asked) == 2
    target.unlink()
    secure.answer = status(302, Location=server.url)
    with pytest.raises(DownloadError, match="redirects from https to http://"):
        get(secure.url, target, insecure=True)
    assert len(server.asked) == 1


def test_strange_certificates_are_refused(
    secure: FileServer, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "another.pem"))
    refused(secure.url, target, "CERTIFICATE_VERIFY_FAILED")
    assert secure.asked == []


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy"])
def test_proxies_of_the_environment(
    secure: FileServer, server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    chosen = server if variable == "http_proxy" else secure
    with serving(b"") as proxy:
        proxy.answer = as_proxy
        monkeypatch.setenv(variable, proxy.url)
        assert get(chosen.url, target)
        assert target.read_bytes() == CONTENT
        wanted = chosen.url if chosen is server else f"127.0.0.1:{chosen.server_port}"
        assert [path for path, _ in proxy.asked] == [wanted]
        target.unlink()
        proxy.answer = status(407)
        refused(chosen.url, target, "407")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert get(chosen.url, target)
        assert len(proxy.asked) == 2


def test_no_server_answers(target: Path) -> None:
    with serving(CONTENT) as server:
        url = server.url
    assert "HTTPS_PROXY" in refused(url, target, "cannot download").hint


@pytest.mark.parametrize("count", [0, 1000])
def test_silence_ends_in_an_error(server: FileServer, target: Path, count: int) -> None:
    over = threading.Event()
    server.answer = stall_after(count, over)
    with pytest.raises(DownloadError, match="timed out"):
        get(server.url, target, patience=0.2)
    over.set()
    if count:
        assert part_of(target).read_bytes() == CONTENT[:count]
    else:
        assert visible(target.parent) == []


def test_what_is_not_http(target: Path, server: FileServer) -> None:
    def greet(request: Request) -> None:
        request.wfile.write(b"220 \x1b[31mready\r\n")

    server.answer = greet
    error = refused(server.url, target, "cannot download")
    assert str(error).isprintable()


def test_an_interrupt_keeps_what_has_arrived(server: FileServer, target: Path) -> None:
    def interrupt(present: int) -> None:
        if present:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server.url, target, report=interrupt)
    kept = part_of(target).read_bytes()
    assert kept
    assert kept == CONTENT[: len(kept)]
    assert get(server.url, target)
    assert server.asked[-1] == ("/models", f"bytes={len(kept)}-")


def test_downloads_into_one_folder_wait_for_each_other(server: FileServer, target: Path) -> None:
    waiting = threading.Semaphore(0)
    go_on = threading.Event()

    def once_others_wait(request: Request) -> None:
        for _ in range(3):
            assert waiting.acquire(timeout=PATIENCE)
        go_on.set()
        in_ranges(request)

    server.answer = once_others_wait
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: get(server.url, target, waiting=waiting.release), range(4)))
    assert go_on.is_set()
    assert sorted(results) == [False, False, False, True]
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_the_lock_of_a_process_that_died_is_free(server: FileServer, target: Path) -> None:
    run_python(f"""
        import os
        from pathlib import Path
        from paragon_core.models.download import download
        def die(present):
            if present:
                os._exit(0)
        download({server.url!r}, Path({str(target)!r}), size={len(CONTENT)}, sha256="", report=die)
    """)
    assert not target.exists()
    assert get(server.url, target)


def test_a_folder_that_is_none(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(MediaError, match="cannot write") as caught:
        get(server.url, tmp_path / "file" / "net.safetensors")
    assert caught.value.hint
    assert server.asked == []


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be made read-only for their owner on Windows")
def test_a_read_only_folder(server: FileServer, target: Path) -> None:
    target.parent.mkdir(mode=0o555)
    user = os.geteuid()
    if user == 0:  # to whom permissions do not apply
        os.seteuid(65534)
    try:
        with pytest.raises(MediaError, match="cannot write") as caught:
            get(server.url, target)
    finally:
        os.seteuid(user)
    assert "may write to" in caught.value.hint
    assert list(target.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk(server: FileServer, target: Path) -> None:
    """The limit on the size of files stands in for a full disk: the operating system refuses to write on."""
    result = run_python(PROGRAMS / "downloads_to_a_full_disk.py", server.url, target, len(CONTENT))
    assert result.stdout == "True\n"
    assert not target.exists()
    assert get(server.url, target)


# --- time ------------------------------------------------------------------------------------------------------------


def dripping(start: bytes, drop: bytes) -> Callable[[Request], None]:
    """Send a beginning, and then a little again and again, always soon enough not to be silent."""

    def answer(request: Request) -> None:
        request.wfile.write(start)
        while True:
            request.wfile.write(drop)
            time.sleep(0.02)

    return answer


BODY = f"HTTP/1.0 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (BODY, b"x"),
        (b"HTTP/1.0 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.0 200 ", b"x"),
    ],
    ids=["body", "header", "continue", "status"],
)
@pytest.mark.parametrize("kind", ["server", "secure"])
def test_a_server_that_drips_is_given_up(
    request: pytest.FixtureRequest, target: Path, start: bytes, drop: bytes, kind: str
) -> None:
    chosen: FileServer = request.getfixturevalue(kind)
    chosen.answer = dripping(start, drop)
    with pytest.raises(DownloadError, match="too slow"):
        get(chosen.url, target, limit=0.5)
    assert not target.exists()
    assert part_of(target).exists() == (start is BODY)


def test_the_limit_is_tied_to_the_size(server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paragon_core.models.download.PATIENCE", 0.2)
    monkeypatch.setattr("paragon_core.models.download.SLOWEST", len(CONTENT) * 5)
    server.answer = dripping(BODY, b"x")
    with pytest.raises(DownloadError, match="too slow"):
        get(server.url, target)


def test_a_connection_that_is_never_accepted(target: Path) -> None:
    """The system accepts it, but no program ever answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for scheme in ("http", "https"):
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/net"
            refused(url, target, "timed out", patience=0.2)
            refused(url, target, "timed out", limit=0.2)


def test_a_download_that_does_not_end_is_not_waited_for_without_end(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    with FileLock(target.parent / ".paragon-download.lock"):
        waits: list[bool] = []

        def other() -> None:
            refused(server.url, target, "does not end", limit=0.2, waiting=lambda: waits.append(True))

        with ThreadPoolExecutor(1) as pool:
            pool.submit(other).result()
    assert waits == [True]
    assert get(server.url, target)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal to a single process")
def test_an_interrupt_ends_the_wait_for_a_server(target: Path, server: FileServer) -> None:
    over, asked = threading.Event(), threading.Event()

    def answer(request: Request) -> None:
        asked.set()
        stall_after(1000, over)(request)

    server.answer = answer
    child = start(PROGRAMS / "waits_for_a_download.py", server.url, target, len(CONTENT))
    assert asked.wait(60)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    over.set()
    assert out == "interrupted\n"


# --- folders that are shared -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("put", IMPOSTORS.values(), ids=IMPOSTORS)
@pytest.mark.parametrize("name", ["net.safetensors.part", ".paragon-download.lock"])
def test_impostors_cost_the_continuation_not_the_download(
    server: FileServer, target: Path, put: Callable[[Path], object], name: str
) -> None:
    target.parent.mkdir()
    elsewhere = target.with_name("elsewhere")
    elsewhere.write_bytes(b"precious")
    put(target.with_name(name))
    kind = target.with_name(name).lstat().st_mode
    server.answer = cut_after(1000)
    refused(server.url, target, "are missing")
    server.answer = in_ranges
    assert get(server.url, target)
    assert target.read_bytes() == CONTENT
    assert elsewhere.read_bytes() == b"precious"
    assert target.with_name(name).lstat().st_mode == kind
    assert {path.name for path in target.parent.iterdir()} <= {
        *(target.name, "elsewhere", name, ".paragon-download.lock"),
    }


@pytest.mark.parametrize("put", IMPOSTORS.values(), ids=IMPOSTORS)
def test_impostors_of_the_file_itself(server: FileServer, target: Path, put: Callable[[Path], object]) -> None:
    target.parent.mkdir()
    elsewhere = target.with_name("elsewhere")
    elsewhere.write_bytes(b"precious")
    put(target)
    if target.exists():
        with pytest.raises(DownloadError, match="something else"):
            get(server.url, target)
        assert server.asked == []
    else:  # a link that leads nowhere
        assert get(server.url, target)
        assert target.read_bytes() == CONTENT
        assert not target.is_symlink()
    assert elsewhere.read_bytes() == b"precious"
    assert not target.with_name("nothing").exists()


def test_a_part_file_with_another_name_is_left_alone(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    other = target.with_name("elsewhere")
    other.write_bytes(b"precious")
    os.link(other, part_of(target))
    assert get(server.url, target)
    assert other.read_bytes() == part_of(target).read_bytes() == b"precious"


def test_a_disk_without_locks(server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("paragon_core.models.download.FileLock.acquire", none)
    assert get(server.url, target)
    assert target.read_bytes() == CONTENT
    assert visible(target.parent) == [target.name]
