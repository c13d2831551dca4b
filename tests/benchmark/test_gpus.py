"""Not tested on a GPU: a program that answers like nvidia-smi replaces it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from paragon_core.benchmark.gpus import describe, describe_rows, memory_in_rows, memory_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a first line for Unix")
@pytest.mark.parametrize("works", [True, False])
def test_the_program_is_asked(works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "assert sys.argv[2] == '--format=csv,noheader,nounits'\n"
        "print({'--query-gpu=name,driver_version,memory.total': 'NVIDIA GeForce RTX 3060, 580.65.06, 12288',\n"
        "       '--query-compute-apps=pid,used_memory': '7, 300\\n8, 20\\n7, 12'}[sys.argv[1]])\n"
        f"sys.exit({0 if works else 9})\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe() == (["NVIDIA GeForce RTX 3060, driver 580.65.06, 12288 MiB"] if works else [])
    assert memory_of(7) == (312 * 2**20 if works else None)
    assert memory_of(9) is None


def test_without_the_program_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe() == []
    assert memory_of(1) is None


def test_what_windows_does_not_tell_is_unknown() -> None:
    assert memory_in_rows([("7", "[N/A]")], 7) is None
    assert describe_rows([]) == []
