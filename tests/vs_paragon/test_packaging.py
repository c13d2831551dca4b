"""What pip installs, with a compiler and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "vapoursynth/plugins/paragon/"
LIBRARY = {"win32": "paragon.dll", "darwin": "paragon.dylib"}.get(sys.platform, "paragon.so")
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


def test_a_wheel_brings_the_plugin(sdist: Path, tmp_path: Path) -> None:
    if not any(shutil.which(compiler) for compiler in ("cc", "gcc", "clang", "cl")):
        pytest.skip("needs a C compiler")
    wheel = wheel_of(sdist, tmp_path)
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    names = names_in(wheel)
    assert {name for name in names if name.startswith("vapoursynth/")} == {PLUGIN + "manifest.vs", PLUGIN + LIBRARY}
    assert not [name for name in names if name.startswith("vs_paragon/plugin/")]

    with zipfile.ZipFile(wheel) as archive:
        archive.extract(PLUGIN + LIBRARY, tmp_path)
    library = tmp_path / PLUGIN / LIBRARY
    assert library.stat().st_size < 64_000
    if sys.platform == "linux" and shutil.which("readelf"):
        needs = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout  # noqa: S607
        libraries = [line.lower() for line in needs.splitlines() if "(NEEDED)" in line]
        assert not [name for name in libraries if "python" in name or "vapoursynth" in name]


def test_without_a_compiler_the_wheel_is_pure(sdist: Path, tmp_path: Path) -> None:
    wheel = wheel_of(sdist, tmp_path, CC=str(tmp_path / "no-compiler"))
    assert wheel.name.endswith("-py3-none-any.whl")
    names = names_in(wheel)
    assert not [name for name in names if name.startswith("vapoursynth/")]
    assert {"vs_paragon/fallback.py", "paragon_core/upscaling/upscaler.py"} <= names
