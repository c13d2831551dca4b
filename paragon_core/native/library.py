"""Find the compiled kernel and load it."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paragon_core.errors import BackendUnavailableError
from paragon_core.low_memory import HINT as LOW_MEMORY_HINT
from paragon_core.low_memory import is_low_memory
from paragon_core.native.interface import VERSION, declare
from paragon_core.trusted_files import UntrustedFileError, check_closed

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Environment variable with the path of the library: for developers and tests.
VARIABLE: Final = "PARAGON_NATIVE_LIBRARY"

#: Environment variable with the best instruction set to use, one of `_X86` or "neon".
MAX_ISA: Final = "PARAGON_NATIVE_MAX_ISA"

#: Instruction sets of x86-64, each with those before it. The kernel needs the second at least.
_X86: Final = ("sse4", "avx2", "avx512")

_SUFFIX: Final = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_FILE: Final = f"paragon_native{_SUFFIX}"
_DISTRIBUTION: Final = "paragon-sr"
_HINT: Final = (
    "with it, realtime and stream run about twice as fast on processors: install a prebuilt wheel of paragon-sr, or a "
    "C++ compiler (gcc or clang) and then: pip install --force-reinstall --no-deps --no-binary paragon-sr paragon-sr"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class NativeLibrary:
    """The loaded kernel."""

    path: Path
    """Its file."""
    functions: ctypes.CDLL
    """Its functions, with their types declared."""
    best: str
    """Best instruction set that this processor and the library have: "avx512", "avx2", "neon", empty if none."""

    @property
    def instructions(self) -> str:
        """The instruction set to use: the best, unless `MAX_ISA` allows only an older one; empty if there is none."""
        limit = os.environ.get(MAX_ISA, "")
        if self.best not in _X86 or limit not in _X86:
            return self.best
        allowed = min(self.best, limit, key=_X86.index)
        return "" if allowed == _X86[0] else allowed


def candidates() -> Iterator[Path]:
    """Yield the paths where the library may be, in the order in which they are tried.

    The path in the environment variable, and then no other; next to this file, where wheels have it; and where an
    editable install of this distribution has its compiled files.
    """
    if named := os.environ.get(VARIABLE, "").strip():
        yield Path(named).absolute()
        return
    folder = Path(__file__).parent
    yield folder / _FILE
    try:
        distribution = importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return
    yield Path(str(distribution.locate_file(f"paragon_core/native/{_FILE}"))).absolute()


def load() -> NativeLibrary:
    """Load the library, once in a process.

    Raises:
        BackendUnavailableError: it is not there, does not load, has another interface, or knows no instructions of this
            processor.

    """
    path = next((path for path in candidates() if path.exists()), None)
    if path is None:
        named = os.environ.get(VARIABLE, "").strip()
        if named:
            raise BackendUnavailableError(f"there is no native kernel at {named}", hint=f"correct or unset {VARIABLE}")
        raise BackendUnavailableError(f"the native kernel was not built: there is no {_FILE}", hint=_HINT)
    library = _load(path)
    if not library.instructions:
        raise BackendUnavailableError(
            "this processor has neither the AVX2 and FMA nor the NEON instructions that the native kernel needs",
            hint="use another backend; auto does",
        )
    return library


@functools.cache  # an error is not kept: its cause may be fixed
def _load(path: Path) -> NativeLibrary:
    try:
        check_closed(path)
        functions = ctypes.CDLL(str(path))
        functions.paragon_version.restype, functions.paragon_version.argtypes = ctypes.c_int32, ()
        version = functions.paragon_version()
        if version == VERSION:
            declare(functions)
    except UntrustedFileError as error:
        raise BackendUnavailableError(
            f"the native kernel is not loaded: {error.strerror}", hint=f"chmod o-w {path.parent} {path}"
        ) from error
    except (OSError, AttributeError) as error:  # AttributeError: another library
        reason = " ".join(str(error).split())
        hint = LOW_MEMORY_HINT if is_low_memory(error) else _HINT
        raise BackendUnavailableError(f"the native kernel does not load ({reason})", hint=hint) from error
    if version != VERSION:
        raise BackendUnavailableError(
            f"the native kernel has version {version} of its interface, not {VERSION}: it is "
            f"{'older' if version < VERSION else 'newer'} than the rest of Paragon",
            hint="install paragon-sr again, or remove the old file: " + str(path),
        )
    return NativeLibrary(path=path, functions=functions, best=functions.paragon_instructions().decode("ascii"))
