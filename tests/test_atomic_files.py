from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from paragon_core.atomic_files import PART, atomic_write, prepare_folder, remove_leftovers
from paragon_core.errors import MediaError, OutOfMemoryError, UnreadableCheckpointError
from tests.fresh_python import PROGRAMS, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

#: Windows tells a file that is written from a dead one by its age as well.
LONG_AGO = time.time() - 3600


@contextmanager
def writer(target: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a process that writes a file; yield it and its part file; in the end it is killed."""
    process = start(PROGRAMS / "writes_until_it_is_killed.py", target)
    try:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


def leftover(folder: Path) -> Path:
    """Return what a killed process left."""
    with writer(folder / "a") as (_, part):
        pass
    assert part.exists()
    os.utime(part, (LONG_AGO, LONG_AGO))
    return part


def test_a_file_keeps_its_older_content_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with suppress(RuntimeError), atomic_write(path) as stream:
        stream.write(b"half")
        assert path.read_text() == "old"
        assert Path(stream.name).parent == tmp_path
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as stream:
        stream.write(b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), MediaError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OutOfMemoryError("too large"), OutOfMemoryError),
        (UnreadableCheckpointError("damaged"), UnreadableCheckpointError),
    ],
)
def test_errors_of_the_body(tmp_path: Path, error: BaseException, expected: type[BaseException]) -> None:
    def write() -> None:
        with atomic_write(tmp_path / "a") as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(expected):
        write()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows moves no folder in which a file is open")
def test_a_folder_that_goes_away(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def write() -> None:
        with atomic_write(folder / "a") as stream:
            stream.write(b"half")
            folder.rename(tmp_path / "elsewhere")

    with pytest.raises(MediaError, match="cannot write") as caught:
        write()
    assert "folder" in caught.value.hint
    assert not folder.exists()


def test_a_dead_process_is_told_from_one_that_writes(tmp_path: Path) -> None:
    dead = leftover(tmp_path)
    with writer(tmp_path / "b") as (process, part):
        os.utime(part, (LONG_AGO, LONG_AGO))
        remove_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == [part]
        process.communicate()  # ends its standard input
        assert process.returncode == 0
        assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert not dead.exists()


def test_files_of_others_stay(tmp_path: Path) -> None:
    dead = leftover(tmp_path)
    name = dead.name
    dead.unlink()
    seal = name.removesuffix(PART).rpartition("-")[2]
    other_seal = f"{int(seal, 16) ^ 1:08x}"
    others = {
        name.replace(seal, other_seal),
        f".paragon-0123456789ab{PART}",
        f".paragon-{PART}",
        "photo.part",
        f"x{name}",
    }
    for other in others:
        (tmp_path / other).write_text("precious")
        os.utime(tmp_path / other, (LONG_AGO, LONG_AGO))
    (tmp_path / name).mkdir()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*others, name}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "another user's"])
def test_what_only_looks_like_a_leftover_stays(tmp_path: Path, kind: str) -> None:
    part = leftover(tmp_path)
    if kind.startswith("link"):
        part.unlink()
        precious = tmp_path / "precious"
        if kind == "link":
            precious.write_text("precious")
        part.symlink_to(precious)
    elif kind == "pipe":
        part.unlink()
        os.mkfifo(part)
    elif sys.platform != "win32" and os.geteuid() == 0:
        os.chown(part, 65534, 65534)
    else:
        pytest.skip("only root may give files away")
    remove_leftovers(tmp_path)
    assert part.is_symlink() or part.exists()
    assert kind != "link" or (tmp_path / "precious").read_text() == "precious"


def test_folders_that_cannot_be_read_are_left_alone(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "missing")
    (tmp_path / "file").write_text("no folder")
    remove_leftovers(tmp_path / "file")


def test_removing_never_disturbs_those_who_write(tmp_path: Path) -> None:
    """Others look for leftovers at any moment, also between the creation of a file and its lock."""
    done = threading.Event()

    def remove() -> None:
        while not done.is_set():
            remove_leftovers(tmp_path)

    removers = [threading.Thread(target=remove) for _ in range(2)]
    for thread in removers:
        thread.start()
    try:
        for number in range(150):
            prepare_folder(tmp_path / f"{number}")
            with atomic_write(tmp_path / f"{number}") as stream:
                stream.write(b"whole")
    finally:
        done.set()
        for thread in removers:
            thread.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, range(150)))
