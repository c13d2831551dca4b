"""Disks that fail under a real process: which call fails how, and what must then be so.

``python -m tests.faults.disk_faults`` runs every case, some three minutes; `tests.cli.test_disk_faults` a few of them.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Final, Literal

import numpy as np
from PIL import Image

ROOT: Final = Path(__file__).parents[2]
OLDER: Final = b"the older file"
#: Part of the path of files in which new content grows, and of engines'.
PART: Final = ".paragon-"
ENGINE: Final = "cache/engines"

Call = Literal["open", "write", "fsync", "close", "rename", "unlink", "mkdir", "flock"]

_FAST: Final = ("--backend", "onnxruntime", "--precision", "fp32")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A disk that fails while a command writes, and what becomes of it."""

    command: str
    """``FORMAT`` of an image or a video (``png``, ``mp4``), or ``onnx``, ``engine``."""
    call: Call
    """The call that fails."""
    error: int
    """How: an errno."""
    first: int = 1
    """Which of the calls fails first; the others after it fail as well."""
    count: int = 0
    """How many fail; 0 for all."""
    path: str = PART
    """Part of the path of the files that are affected."""
    code: int = 2
    """The exit code."""

    def __str__(self) -> str:
        """Return a short name."""
        return f"{self.command}-{self.call}{self.first}-{errno.errorcode[self.error]}"


IMAGES: Final = ("png", "jpg", "webp", "tif", "bmp", "avif")
VIDEOS: Final = ("mp4", "mkv")

#: What the tests run each time: every call, every kind of file.
CHOSEN: Final = (
    Fault(command="png", call="open", error=errno.EROFS, first=2),
    Fault(command="tif", call="write", error=errno.ENOSPC),
    Fault(command="jpg", call="fsync", error=errno.EIO),
    Fault(command="webp", call="fsync", error=errno.EINVAL, code=0),
    Fault(command="png", call="close", error=errno.EDQUOT, first=2),
    Fault(command="bmp", call="rename", error=errno.EIO),
    Fault(command="png", call="flock", error=errno.ENOLCK, code=0),
    Fault(command="mp4", call="write", error=errno.ENOSPC),
    Fault(command="mkv", call="rename", error=errno.EROFS),
    Fault(command="onnx", call="write", error=errno.EDQUOT),
    Fault(command="engine", call="write", error=errno.ENOSPC, path=ENGINE),
)

ALL: Final = (
    *CHOSEN,
    Fault(command="png", call="open", error=errno.ENOSPC),
    *(Fault(command=name, call="write", error=errno.EDQUOT) for name in IMAGES),
    *(Fault(command=name, call="close", error=errno.EIO, first=2) for name in IMAGES),
    *(Fault(command=name, call="rename", error=errno.ENOSPC) for name in IMAGES),
    *(Fault(command="png", call="open", error=error, first=2) for error in (errno.EMFILE, errno.EACCES, errno.EIO)),
    Fault(command="png", call="open", error=errno.EIO, first=3, count=1, code=0),  # that of the lock
    Fault(command="png", call="close", error=errno.EIO, first=3, code=0),  # likewise, after the move
    Fault(command="png", call="close", error=errno.EIO),
    Fault(command="png", call="unlink", error=errno.EIO),
    Fault(command="png", call="unlink", error=errno.EIO, first=2, code=0),
    Fault(command="png", call="mkdir", error=errno.ENOSPC, path="new/folder"),
    *(Fault(command=name, call="open", error=errno.ENOSPC, first=first) for name in VIDEOS for first in (1, 2, 4)),
    *(Fault(command=name, call="write", error=errno.EIO) for name in VIDEOS),
    *(Fault(command="mp4", call="write", error=errno.EIO, first=first, count=1) for first in (2, 3)),
    *(Fault(command=name, call="fsync", error=errno.EIO) for name in VIDEOS),
    *(Fault(command=name, call="close", error=errno.EIO, first=first) for name in VIDEOS for first in (2, 3)),
    *(Fault(command="onnx", call=call, error=errno.EIO) for call in ("open", "write", "fsync", "close", "rename")),
    *(
        Fault(command="engine", call=call, error=error, path=ENGINE)
        for call in ("open", "fsync", "rename", "mkdir")
        for error in (errno.ENOSPC, errno.EIO)
    ),
    *(Fault(command=name, call="fsync", error=errno.ENOSYS, code=0) for name in ("mp4", "onnx")),
)


def compiler() -> str | None:
    """Return a C compiler, if there is one."""
    return which("cc") or which("gcc")


def library(folder: Path) -> Path:
    """Compile the library into a folder."""
    path = folder / "disk_faults.so"
    compile_ = [compiler() or "cc", "-shared", "-fPIC", "-O1", "-o", str(path)]
    subprocess.run([*compile_, str(Path(__file__).with_suffix(".c")), "-ldl"], check=True)
    return path


def missing(fault: Fault) -> str:
    """Return what a command needs that is not installed, if anything."""
    package = "av" if fault.command in VIDEOS else "tensorrt_rtx" if fault.command == "engine" else "numpy"
    return "" if find_spec(package) else f"needs {package}"


def check(fault: Fault, library_: Path | None, folder: Path, *, out: Path | None = None) -> list[str]:
    """Run a command on a disk that fails, in an empty folder; return what is wrong afterwards.

    Without the library the fault only says what the command writes, and the disk of the folder ``out`` has to fail.
    """
    out = out or folder / "out"
    out.mkdir(exist_ok=True)
    arguments, target = prepare(fault, folder, out)
    before = target.exists()
    environment = {
        **os.environ,
        **({"LD_PRELOAD": str(library_)} if library_ else {}),
        "FAULT_PATH": fault.path,
        "FAULT_CALL": fault.call,
        "FAULT_ERRNO": str(fault.error),
        "FAULT_FROM": str(fault.first),
        "FAULT_COUNT": str(fault.count),
        "PARAGON_CACHE": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "paragon_core", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wrong = [] if result.returncode == fault.code else [f"exit code {result.returncode}"]
    no_hint = fault.code and "hint:" not in result.stderr
    if no_hint or "Traceback" in result.stderr or "internal error" in result.stderr:
        wrong.append("no proper error")
    if fault.code and before and target.read_bytes() != OLDER:
        wrong.append("the older file is lost")
    if fault.code and not before and target.exists():
        wrong.append("there is a target")
    if not fault.code and (not target.exists() or target.read_bytes() == OLDER):
        wrong.append("there is no new file")
    if fault.call != "unlink":
        wrong += [f"left: {path.name}" for path in folder.rglob("*.part")]
    return [*wrong, result.stderr] if wrong else []


def prepare(fault: Fault, folder: Path, out: Path) -> tuple[list[str], Path]:
    """Make the source and the older target; return the command's arguments and the target."""
    if fault.command == "engine":
        return ["engine", "build", "realtime-2x", "--size", "64x64"], folder / "cache" / "none"
    target = out / f"result.{fault.command}"
    if fault.call == "mkdir":
        target = out / fault.path / target.name
    else:
        target.write_bytes(OLDER)
    if fault.command == "onnx":
        return ["export", "realtime-2x", "-o", str(target)], target
    if fault.command in VIDEOS:
        from tests.media.video import videos  # noqa: PLC0415 - needs PyAV

        source = videos.make(folder / "in.mkv", size=(96, 64), times=range(6))
    else:
        source = folder / "in.png"
        noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(noise).save(source)
    return ["upscale", str(source), "-o", str(target), "--overwrite", *_FAST], target


def main() -> int:
    """Run all cases and tell which went wrong."""
    failed = 0
    with TemporaryDirectory() as base:
        library_ = library(Path(base))
        for number, fault in enumerate(ALL):
            folder = Path(base, str(number))
            folder.mkdir()
            wrong = check(fault, library_, folder)
            failed += bool(wrong)
            print(fault, *(wrong or ["as it should be"]), sep="; ", flush=True)  # noqa: T201
    print(f"{len(ALL)} faults, {failed} went wrong")  # noqa: T201
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
