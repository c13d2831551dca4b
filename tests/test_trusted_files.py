"""Only regular files of the user's own are opened, and nothing that is there instead blocks."""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from paragon_core.trusted_files import (
    UntrustedFileError,
    check_closed,
    check_way,
    open_ours,
    read_bounded,
    remove_impostor,
)
from tests.models.impostors import IMPOSTORS, NOBODY, as_nobody, is_root

if TYPE_CHECKING:
    from collections.abc import Callable

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither such owners nor such files")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_a_file_is_read_up_to_its_limit(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bounded(path, 10)
    for content in (b"", b"\r\n\x1a", bytes(10)):
        path.write_bytes(content)
        assert read_bounded(path, 10) == content
    path.write_bytes(bytes(11))
    with pytest.raises(UntrustedFileError, match="too long: 11 bytes"):
        read_bounded(path, 10)


@posix
def test_what_everybody_may_write_to_is_not_closed(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_closed(path)
    path.write_bytes(b"content")
    link = tmp_path / "folder" / "link"
    link.parent.mkdir()
    link.symlink_to(path)
    for place, closed in ((path, 0o644), (tmp_path, 0o700)):
        check_closed(path)
        check_closed(link)
        place.chmod(0o777)
        for name in (path, link):
            with pytest.raises(UntrustedFileError, match="everybody may write to") as caught:
                check_closed(name)
            assert caught.value.filename == str(name)
        place.chmod(closed)


def test_a_long_file_takes_no_memory(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**28)
    with pytest.raises(UntrustedFileError, match="too long"):
        read_bounded(path, 10)


def test_what_is_opened_keeps_its_content_until_it_is_written(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_ours(path, write=True)
    with open_ours(path, create=True) as stream:
        stream.write(b"123456")
    with open_ours(path, create=True) as stream:
        assert stream.read(2) == b"12"
        stream.write(b"x\n")
    assert path.read_bytes() == b"12x\n56"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("put", IMPOSTORS.values(), ids=IMPOSTORS)
def test_impostors_are_refused_and_can_be_removed(path: Path, tmp_path: Path, put: Callable[[Path], object]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    put(path)
    for mode in ({}, {"write": True}, {"create": True}):
        with pytest.raises(UntrustedFileError, match=r"it is (a|an) ") as caught:
            open_ours(path, **mode)
        assert caught.value.filename == str(path)
    assert elsewhere.read_bytes() == b"precious"
    remove_impostor(path)
    assert not os.path.lexists(path)
    assert elsewhere.read_bytes() == b"precious"


def test_files_and_full_folders_are_no_impostors(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"x")
    remove_impostor(path)
    assert path.read_bytes() == b"x"
    remove_impostor(tmp_path)
    assert path.read_bytes() == b"x"
    remove_impostor(tmp_path / "nothing")


def test_a_file_with_two_names_is_read_but_not_written(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"x")
    os.link(path, tmp_path / "other")
    assert read_bounded(path, 1) == b"x"
    for mode in ({"write": True}, {"create": True}):
        with pytest.raises(UntrustedFileError, match="hard link"):
            open_ours(path, **mode)


@posix
@pytest.mark.skipif(not is_root(), reason="only the administrator can give files away")
def test_a_file_of_another_user_is_not_opened(path: Path) -> None:
    assert sys.platform != "win32"  # for the type checker
    path.write_bytes(b"x")
    os.chown(path, NOBODY, -1)
    for mode in ({}, {"write": True}, {"create": True}):
        with pytest.raises(UntrustedFileError, match="another user"):
            open_ours(path, **mode)


@posix
@pytest.mark.skipif(not is_root(), reason="needs a second user")
def test_what_the_administrator_wrote_is_read_but_not_written() -> None:
    with tempfile.TemporaryDirectory() as folder:  # unlike pytest's, one that others can be let into
        path = Path(folder, "file")
        path.write_bytes(b"x")
        path.chmod(0o666)
        path.parent.chmod(0o755)
        with as_nobody():
            assert read_bounded(path, 1) == b"x"
            with pytest.raises(UntrustedFileError, match="another user"):
                open_ours(path, write=True)


@posix
def test_sockets_are_named(path: Path) -> None:
    assert sys.platform != "win32"  # for the type checker
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))
        with pytest.raises(UntrustedFileError, match="a socket"):
            open_ours(path)


@posix
@pytest.mark.skipif(not is_root(), reason="needs a second user")
@pytest.mark.parametrize(("mode", "safe"), [(0o1777, False), (0o777, False), (0o755, True), (0o775, True)])
def test_links_of_others_are_no_way_where_all_may_make_them(tmp_path: Path, mode: int, safe: bool) -> None:
    assert sys.platform != "win32"  # for the type checker
    place = tmp_path / "place"
    place.mkdir()
    for name in ("mine", "theirs"):
        (place / name).symlink_to(tmp_path)
    os.chown(place / "theirs", NOBODY, -1, follow_symlinks=False)
    place.chmod(mode)
    check_way(place / "missing" / "folder")
    check_way(place / "mine" / "folder")
    for path in (place / "theirs", place / "theirs" / "new" / "folder"):
        with nullcontext() if safe else pytest.raises(UntrustedFileError, match="theirs is a link"):
            check_way(path)
