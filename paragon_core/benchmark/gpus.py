"""Ask NVIDIA's own program about its GPUs: for figures that depend on them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE: Final = 10
_MIB: Final = 2**20


def describe() -> list[str]:
    """Return each GPU with its driver and memory; empty where there is none."""
    return describe_rows(_ask("--query-gpu=name,driver_version,memory.total"))


def memory_of(process: int) -> int | None:
    """Return the bytes that a process has on all GPUs; None where that is unknown (Windows does not report it)."""
    return memory_in_rows(_ask("--query-compute-apps=pid,used_memory"), process)


def describe_rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the words for rows of name, driver and MiB."""
    return [f"{name}, driver {driver}, {memory} MiB" for name, driver, memory in rows]


def memory_in_rows(rows: Sequence[Sequence[str]], process: int) -> int | None:
    """Return the bytes of a process, given rows of process and MiB."""
    sizes = [size for number, size in rows if number == str(process) and size.isdecimal()]
    return sum(map(int, sizes)) * _MIB if sizes else None


def _ask(query: str) -> list[list[str]]:
    """Return the cells of the answer; no rows where there is no such program, or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        result = subprocess.run(  # noqa: S603 - the program that the system finds under that name
            [program, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    columns = query.count(",") + 1
    rows = [[cell.strip() for cell in line.split(",")] for line in result.stdout.splitlines()]
    return [row for row in rows if len(row) == columns]
