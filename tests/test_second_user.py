"""In folders that everybody may write to, another user's traps neither block nor lead anything elsewhere.

The traps are set by a real second user, which takes the administrator to start.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from paragon_core.atomic_files import atomic_write, remove_leftovers
from paragon_core.cli.main import main
from paragon_core.engines import EngineCache
from paragon_core.errors import DownloadError, EngineCacheError, MediaError
from paragon_core.models.catalogue import catalogue
from paragon_core.models.download import download
from paragon_core.upscaling.upscaler import Upscaler
from tests.engines.engine_files import get
from tests.file_server import serving
from tests.models.impostors import NOBODY, is_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

pytestmark = pytest.mark.skipif(not is_root(), reason="only the administrator can act as a second user")

CONTENT = bytes(range(256)) * 40
IMAGE = Path(__file__).parents[1] / "examples" / "chelsea.png"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder like ``/tmp``: everybody may write to it, and remove only what is theirs."""
    folder = Path(tempfile.mkdtemp())  # unlike pytest's, one that others can be let into
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's own with files that must stay as they are."""
    folder = tmp_path / "private"
    (folder / "models").mkdir(parents=True)
    for name in ("package.json", "video.part", "models/net.engine"):
        (folder / name).write_bytes(b"precious")
    before = contents(folder)
    yield folder
    assert contents(folder) == before


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Interrupt what blocks."""

    def stop(_: int, __: FrameType | None) -> None:
        pytest.fail("it hangs")

    assert sys.platform != "win32"  # for the type checker
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def another_user(script: str, folder: Path, private: Path) -> None:
    """Run a shell script in a folder as another user."""
    command = ["/bin/sh", "-ec", f"umask 0\n{script}", "sh", str(private)]
    subprocess.run(command, cwd=folder, user=NOBODY, group=NOBODY, extra_groups=[], check=True, timeout=60)


# --- the engine cache ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "where"),
    [
        ("ln -s $1 cache", "cache"),
        ("ln -s $1 way", "way/models/cache"),
        ("ln -s $1/missing cache", "cache"),
        ("mkdir cache; ln -s $1 cache/engines", "cache"),
        ("mkdir -p cache/engines/v1/net; ln -s $1 cache/engines/v1/net/sm", "cache"),
        (
            "mkdir -p cache/engines/v1/net/sm; mkfifo cache/engines/v1/net/sm/a.json cache/engines/v1/net/sm/a.used",
            "cache",
        ),
    ],
)
def test_a_cache_that_another_user_made(shared: Path, private: Path, script: str, where: str) -> None:
    another_user(script, shared, private)
    for use in (get, EngineCache.entries, lambda cache: cache.prune(max_bytes=0)):
        with pytest.raises(EngineCacheError) as caught:
            use(EngineCache(shared / where))
        assert "PARAGON_CACHE" in caught.value.hint


def test_an_upscaler_goes_without_such_a_cache(shared: Path, private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another_user("ln -s $1 cache", shared, private)
    monkeypatch.setenv("PARAGON_CACHE", str(shared / "cache"))
    with Upscaler("realtime-2x") as upscaler:
        assert upscaler.scale == 2


# --- downloads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "ln -s $1 models",
        "ln -s $1/missing models",
        "mkdir models; mkfifo models/net.part models/.paragon-download.lock models/net",
        "mkdir models; ln -s $1/package.json models/net.part; ln -s $1/missing models/.paragon-download.lock",
        "mkdir models; ln -s $1/missing models/net; ln -s $1 models/net.part; mkdir models/.paragon-download.lock",
        "mkdir models; echo 0 > models/net.part; : > models/.paragon-download.lock",
        "mkdir models; chmod 1777 models; echo 0 > models/net.part; : > models/.paragon-download.lock",
    ],
)
def test_a_folder_for_downloads_that_another_user_made(shared: Path, private: Path, script: str) -> None:
    another_user(script, shared, private)
    digest = hashlib.sha256(CONTENT).hexdigest()
    with serving(CONTENT) as server:
        target = shared / "models" / "net"
        try:
            assert download(server.url, target, size=len(CONTENT), sha256=digest)
        except (DownloadError, MediaError) as error:
            assert error.hint  # noqa: PT017 - either is right
        else:
            assert target.read_bytes() == CONTENT
            assert not target.is_symlink()


def test_a_lock_that_another_user_holds(shared: Path, private: Path) -> None:
    another_user("mkdir models; : > models/.paragon-download.lock", shared, private)
    holding = subprocess.Popen(
        [shutil.which("flock") or "flock", ".paragon-download.lock", "sleep", "60"],
        cwd=shared / "models",
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    try:
        with serving(CONTENT) as server:
            digest = hashlib.sha256(CONTENT).hexdigest()
            assert download(server.url, shared / "models" / "net", size=len(CONTENT), sha256=digest)
    finally:
        holding.kill()
        holding.wait()


# --- models and outputs ----------------------------------------------------------------------------------------------


def test_a_folder_of_models_full_of_traps(shared: Path, private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another_user(
        "mkfifo a.safetensors b.pth; mkdir c.pth; ln -s d.pth d.pth; ln -s /dev/zero e.safetensors;"
        "ln -s $1/missing f.pth; ln -s a.safetensors g.pth; : > h.pth; chmod 0 h.pth",
        shared,
        private,
    )
    monkeypatch.setenv("PARAGON_MODELS", str(shared))
    found = catalogue()
    assert found.bundled
    assert not found.found
    for name in "abcdefgh":
        assert main(["info", str(next(shared.glob(f"{name}.*")))]) == 2


def test_an_output_folder_full_of_traps(shared: Path, private: Path) -> None:
    with atomic_write(shared / "probe") as stream:
        name = Path(stream.name).name  # one that the next run would recognise as its own
    another_user(
        f"mkfifo {name}; ln -s $1/package.json .paragon-000000000000.part; ln -s $1/missing chelsea.png;"
        "mkfifo .paragon-download.lock",
        shared,
        private,
    )
    remove_leftovers(shared)
    assert main(["upscale", str(IMAGE), "-o", str(shared), "--overwrite", "-q"]) == 0
    assert {name, ".paragon-000000000000.part"} <= {path.name for path in shared.iterdir()}


@pytest.mark.parametrize("script", ["ln -s $1 out", "mkdir evil; ln -s $1 evil/out; ln -s evil/out out"])
def test_an_output_folder_that_is_a_trap(shared: Path, private: Path, script: str) -> None:
    another_user(script, shared, private)
    for folder in shared.rglob("out"):
        assert main(["upscale", str(IMAGE), "-o", str(folder / "new"), "--overwrite", "-q"]) == 2
