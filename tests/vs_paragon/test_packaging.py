"""What pip installs, with a compiler and without."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "vapoursynth/plugins/paragon/"
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
LIBRARY = "paragon" + SUFFIX
KERNEL = "paragon_core/native/paragon_native" + SUFFIX
PROCESSORS = {"x86_64", "amd64", "aarch64", "arm64"}
PIP_WHEEL = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir")

pytestmark = pytest.mark.slow


def wheel_of(source: Path, folder: Path, **variables: str) -> Path:
    """Build a wheel as pip does."""
    subprocess.run([*PIP_WHEEL, str(folder), str(source)], check=True, env=os.environ | variables)
    (wheel,) = folder.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked archive of sources, from which pip builds where there is no wheel."""
    folder = tmp_path_factory.mktemp("sdist")
    code = f"import scikit_build_core.build as build; build.build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def unpacked(wheel: Path, name: str, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(name, folder))


def libraries_behind(library: Path) -> set[str]:
    """Return the names of the libraries that a library of Linux loads; an empty set where none can be found out."""
    if sys.platform != "linux" or not shutil.which("readelf"):
        return set()
    shown = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout  # noqa: S607
    return {line.partition("[")[2].partition(".so")[0] for line in shown.splitlines() if "(NEEDED)" in line}


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel with all that this machine can compile."""
    if not any(shutil.which(compiler) for compiler in ("cc", "gcc", "clang", "cl")):
        pytest.skip("needs a C compiler")
    return wheel_of(sdist, tmp_path_factory.mktemp("wheel"))


def test_a_wheel_brings_the_plugin(wheel: Path, tmp_path: Path) -> None:
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    names = names_in(wheel)
    assert {name for name in names if name.startswith("vapoursynth/")} == {PLUGIN + "manifest.vs", PLUGIN + LIBRARY}
    assert not [name for name in names if name.startswith("vs_paragon/plugin/")]
    library = unpacked(wheel, PLUGIN + LIBRARY, tmp_path)
    assert library.stat().st_size < 64_000
    assert not [name for name in libraries_behind(library) if "python" in name or "vapoursynth" in name]


@pytest.mark.skipif(platform.machine().lower() not in PROCESSORS, reason="there is no native kernel for this processor")
@pytest.mark.skipif(os.name == "nt", reason="clang-cl is asked for by a variable (CONTRIBUTING.md)")
def test_a_wheel_brings_the_kernel(wheel: Path, tmp_path: Path) -> None:
    names = names_in(wheel)
    assert KERNEL in names
    assert not [name for name in names if name.startswith("paragon_core/native/source/")]
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo(KERNEL).compress_size < 1_500_000  # 0.1 MB
    library = unpacked(wheel, KERNEL, tmp_path)
    assert libraries_behind(library) <= {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64"}
    best = ctypes.CDLL(str(library)).paragon_instructions
    best.restype = ctypes.c_char_p
    assert best() in {b"avx512", b"avx2", b"neon", b""}


def test_without_a_compiler_the_wheel_is_pure(sdist: Path, tmp_path: Path) -> None:
    wheel = wheel_of(sdist, tmp_path, CC=str(tmp_path / "no-compiler"))
    assert wheel.name.endswith("-py3-none-any.whl")
    names = names_in(wheel)
    assert not [name for name in names if name.startswith("vapoursynth/") or name == KERNEL]
    assert {"vs_paragon/fallback.py", "paragon_core/upscaling/upscaler.py"} <= names


@pytest.mark.skipif(os.name == "nt", reason="Visual Studio's compilers are not chosen by variables")
def test_without_a_compiler_of_cpp_the_wheel_brings_the_plugin(sdist: Path, tmp_path: Path) -> None:
    names = names_in(wheel_of(sdist, tmp_path, CXX=str(tmp_path / "no-compiler")))
    assert PLUGIN + LIBRARY in names
    assert KERNEL not in names
