"""Which file is loaded as the native kernel, which is refused, and what is said then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paragon_core.backends import BACKENDS
from paragon_core.errors import BackendUnavailableError
from paragon_core.native import library
from paragon_core.native.interface import VERSION
from scripts.processors import PROCESSORS

NOT_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permissions for all")


def compiled(folder: Path, source: str) -> Path:
    """Return a library made of C."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    code, result = folder / "source.c", folder / "compiled.so"
    code.write_text(source, encoding="ascii")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(result), str(code)], check=True)
    return result


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Name a file that does not exist."""
    path = tmp_path / "kernel.so"
    monkeypatch.setenv(library.VARIABLE, str(path))
    return path


def refusal() -> BackendUnavailableError:
    with pytest.raises(BackendUnavailableError) as caught:
        library.load()
    info = BACKENDS["native"].probe()
    assert (info.available, info.reason, info.hint) == (False, str(caught.value), caught.value.hint)
    assert info.hint
    return caught.value


def test_the_variable_names_the_only_candidate(named: Path) -> None:
    assert list(library.candidates()) == [named]
    assert str(named) in str(refusal())
    assert library.VARIABLE in refusal().hint


def test_without_it_the_file_next_to_the_package_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", " "):
        if value is None:
            monkeypatch.delenv(library.VARIABLE, raising=False)
        else:
            monkeypatch.setenv(library.VARIABLE, value)
        first, *others = library.candidates()
        assert first.parent == Path(library.__file__).parent
        assert all(path.parent.parts[-2:] == ("paragon_core", "native") for path in others)
        assert {path.name for path in (first, *others)} == {first.name}
        assert first.suffix == {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


def test_where_it_was_not_built_the_hint_says_what_is_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(library.VARIABLE, raising=False)
    monkeypatch.setattr(library, "_FILE", "no_such_file.so")
    error = refusal()
    assert "not built" in str(error)
    assert "twice as fast" in error.hint
    assert "compiler" in error.hint
    assert "prebuilt wheel" in error.hint


def test_a_file_that_is_no_library_is_reported(named: Path) -> None:
    named.write_bytes(b"\x7fELF, or so")
    assert "does not load" in str(refusal())


def test_another_library_is_reported(named: Path) -> None:
    shutil.copy(compiled(named.parent, "int other(void) { return 1; }"), named)
    assert "paragon_version" in str(refusal())


@pytest.mark.parametrize(("version", "age"), [(VERSION - 1, "older"), (VERSION + 1, "newer")])
def test_another_version_is_reported(named: Path, version: int, age: str) -> None:
    shutil.copy(compiled(named.parent, f"int paragon_version(void) {{ return {version}; }}"), named)
    error = refusal()
    assert f"version {version} of its interface, not {VERSION}: it is {age}" in str(error)
    assert str(named) in error.hint


@NOT_WINDOWS
@pytest.mark.parametrize("open_place", ["file", "folder"])
def test_what_everybody_may_write_to_is_not_loaded(named: Path, open_place: str) -> None:
    shutil.copy(compiled(named.parent, f"int paragon_version(void) {{ return {VERSION}; }}"), named)
    place = named if open_place == "file" else named.parent
    place.chmod(0o777)
    assert "everybody may write" in str(refusal())
    named.parent.chmod(0o700)


@NOT_WINDOWS
def test_a_link_is_followed_before_that_is_asked(named: Path, tmp_path: Path) -> None:
    target = tmp_path / "open" / "kernel.so"
    target.parent.mkdir()
    shutil.copy(compiled(tmp_path, f"int paragon_version(void) {{ return {VERSION}; }}"), target)
    target.parent.chmod(0o777)
    named.symlink_to(target)
    assert "everybody may write" in str(refusal())


@pytest.mark.native
def test_it_is_loaded_once() -> None:
    assert library.load() is library.load()
    assert library.load().instructions in {"avx512", "avx2", "neon"}
    info = BACKENDS["native"].probe()
    assert info.available
    assert info.version == f"{VERSION}+{library.load().instructions}"


@pytest.mark.native
def test_older_instructions_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(library.MAX_ISA, raising=False)
    best = library.load().instructions
    for limit in ("", "avx512", "neon", "unheard of"):
        monkeypatch.setenv(library.MAX_ISA, limit)
        assert library.load().instructions == best
    if best == "neon":
        return
    monkeypatch.setenv(library.MAX_ISA, "avx2")
    assert library.load().instructions == "avx2"
    monkeypatch.setenv(library.MAX_ISA, "sse4")
    assert "AVX2" in str(refusal())


def test_the_old_processors_of_the_tests_limit_it_too() -> None:
    limits = {name: variables[library.MAX_ISA] for name, variables in PROCESSORS.items()}
    assert limits == {"sse4": "sse4", "avx2": "avx2", "avx512": "avx512", "bf16": "avx512"}
    assert os.environ.get(library.MAX_ISA, "sse4") in set(limits.values()) | {"neon"}
