"""The native kernel's code without Python: under sanitizers, on emulated processors, and compiled for other systems.

`driver.c` holds the checks. It is compiled with the kernel, with the options of the library, but warnings are errors.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

SOURCE = Path(__file__).parents[2] / "paragon_core" / "native" / "source"
DRIVER = Path(__file__).with_name("driver.c")
#: gcc finds uninitialized values in its own headers; clang has no such warning.
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-warning-option", "-Wno-maybe-uninitialized")

#: What kernel.cpp and colour.cpp are compiled for, for each processor as `platform.machine` names it.
KERNELS = {"x86_64": ("avx512", "avx2"), "aarch64": ("neon",), "arm64": ("neon",)}

#: Results that are about 1, in another order of sums.
ROUNDING = 1e-5

pytestmark = pytest.mark.slow


class Compiler(NamedTuple):
    """Commands that compile C and C++."""

    c: tuple[str, ...]
    cpp: tuple[str, ...]


def options(part: str) -> list[str]:
    """Return the options with which CMakeLists.txt compiles a part."""
    text = (SOURCE / "CMakeLists.txt").read_text("utf-8")
    found: dict[str, str] = dict(re.findall(r"^set\(flags_(\w+)([^)]*)\)", text, re.MULTILINE))
    return found.get(part, "").split()


def run(*command: str | Path) -> str:
    result = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", timeout=PATIENCE)
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


def compile_parts(compiler: Compiler, kernels: Iterable[str], folder: Path, *extra: str) -> list[Path]:
    """Compile the kernel for some instruction sets, and what chooses between them."""

    def compile_part(part: tuple[str, str]) -> Path:
        source, kernel = part
        made = folder / f"{source}-{kernel}.o"
        flags = [f"-DPARAGON_KERNEL={kernel}", *options(kernel), *options("all"), *options(source)]
        flags += ["-std=c++17", "-O2", *WARNINGS, *extra]
        run(*compiler.cpp, *flags, "-c", SOURCE / f"{source}.cpp", "-o", made)
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_part, [*product(("kernel", "colour"), kernels), ("api", "all")]))


def link(compiler: Compiler, parts: list[Path], folder: Path, *extra: str) -> Path:
    """Link with the C compiler, since there must be nothing of the C++ library in it."""
    made = folder / "driver"
    flags = ["-std=gnu11", "-O2", "-pthread", *WARNINGS, f"-I{SOURCE}", *extra]
    run(*compiler.c, *flags, DRIVER, *parts, "-lm", "-o", made)
    return made


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    if os.name == "nt":
        pytest.skip("the driver takes the threads of POSIX")
    if platform.machine() not in KERNELS:
        pytest.skip("there is no kernel for this processor")
    for c, cpp in (("cc", "c++"), ("gcc", "g++"), ("clang", "clang++")):
        if which(c) and which(cpp):
            return Compiler((c,), (cpp,))
    pytest.skip("needs a C++ compiler")


@pytest.fixture(scope="module")
def parts(compiler: Compiler, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return compile_parts(compiler, KERNELS[platform.machine()], tmp_path_factory.mktemp("parts"), "-fPIC", "-O3")


@pytest.fixture(scope="module")
def driver(compiler: Compiler, parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return link(compiler, parts, tmp_path_factory.mktemp("driver"))


def zig(target: str) -> Compiler:
    """Return a compiler for another system."""
    if not find_spec("ziglang"):
        pytest.skip("needs ziglang")
    command = sys.executable, "-m", "ziglang"
    return Compiler((*command, "cc", "-target", target), (*command, "c++", "-target", target))


def emulator(processor: str) -> str:
    """Return a program that runs those of another processor."""
    found = which(f"qemu-{processor}-static") or which(f"qemu-{processor}")
    if not found:
        pytest.skip(f"needs qemu-{processor} (on Debian and Ubuntu: apt install qemu-user-static)")
    return found


def largest_difference(found: str, expected: str) -> float:
    """Return by how much what two drivers wrote differs: lines of numbers, one for each image."""
    pairs = list(zip(found.splitlines(), expected.splitlines(), strict=True))
    assert pairs
    differences = []
    for ours, theirs in pairs:
        a, b = (np.array(line.split(), np.float64) for line in (ours, theirs))
        differences.append(np.abs(a - b).max() / max(1, np.abs(b).max()))
    return float(max(differences))


def test_all_kinds_of_networks_and_images(driver: Path) -> None:
    images = int(run(driver, "check", "3").split()[0])
    kernel = run(driver, "which").strip()
    assert images > 100 if kernel else images == 0


@pytest.mark.parametrize(("sanitizers", "every"), [("address,undefined", 11), ("thread", 37)])
def test_sanitizers_find_nothing(compiler: Compiler, tmp_path: Path, sanitizers: str, every: int) -> None:
    extra = (f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", "-O1", "-g1", "-fno-omit-frame-pointer")
    empty = tmp_path / "empty.c"
    empty.write_text("int main(void) { return 0; }")
    trial: list[str | Path] = [*compiler.c, *extra, empty, "-o", tmp_path / "empty"]
    if subprocess.run(trial, check=False, capture_output=True).returncode:
        pytest.skip(f"the compiler has no sanitizers for {sanitizers}")
    made = link(compiler, compile_parts(compiler, KERNELS[platform.machine()], tmp_path, *extra), tmp_path, *extra)
    assert " images, " in run(made, "check", str(every))


@pytest.mark.skipif(sys.platform != "linux" or not which("nm"), reason="needs nm")
def test_no_function_is_shared_between_instruction_sets(parts: list[Path]) -> None:
    """Of functions with the same name the linker keeps one, which an older processor may not be able to run."""
    for part in parts:
        lines = [line.split() for line in run("nm", "--defined-only", part).splitlines()]
        shown = {name for *_, kind, name in lines if kind.isupper() or kind in "uvw"}
        source, kernel = part.stem.split("-")
        if source == "api":
            assert shown
            assert not [name for name in shown if not name.startswith("paragon_")]
        else:
            assert len(shown) == 1, shown
            assert kernel in shown.pop()


@pytest.mark.parametrize(
    ("target", "processor"),
    [("x86_64-windows-gnu", "x86_64"), ("aarch64-macos", "arm64"), ("aarch64-linux-musl", "aarch64")],
)
def test_it_compiles_for_other_systems(tmp_path: Path, target: str, processor: str) -> None:
    made = compile_parts(zig(target), KERNELS[processor], tmp_path, "-Wpedantic")
    assert all(part.stat().st_size > 1000 for part in made)


def test_arm64_computes_the_same(driver: Path, tmp_path: Path) -> None:
    emulated = emulator("aarch64")
    compiler = zig("aarch64-linux-musl")
    other = link(compiler, compile_parts(compiler, KERNELS["aarch64"], tmp_path), tmp_path, "-static")
    assert run(emulated, other, "which") == "neon\n"
    assert " images, " in run(emulated, other, "check", "41")
    assert largest_difference(run(emulated, other, "write", "13"), run(driver, "write", "13")) < ROUNDING


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86-64")
@pytest.mark.parametrize(("model", "kernel"), [("Nehalem", ""), ("SandyBridge", ""), ("Haswell", "avx2")])
def test_an_older_processor(compiler: Compiler, parts: list[Path], tmp_path: Path, model: str, kernel: str) -> None:
    """It gets what it can run; without AVX2, that is nothing."""
    driver = link(compiler, parts, tmp_path, "-static")
    emulated = (emulator("x86_64"), "-cpu", model, driver)
    assert run(*emulated, "which") == f"{kernel}\n"
    assert " images, " in run(*emulated, "check", "10000")
    if kernel:
        assert largest_difference(run(*emulated, "write", "151"), run(driver, "write", "151")) < ROUNDING
