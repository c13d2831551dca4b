"""Priority of a program that encodes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fresh_python import PROGRAMS, run

if TYPE_CHECKING:
    from pathlib import Path

av = pytest.importorskip("av")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these priorities")
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_no_codec_makes_the_program_a_real_time_one(tmp_path: Path, codec: str) -> None:
    """It would stand in everybody's way; SVT-AV1 tries to, where it is run by root."""
    if codec == "av1" and "libsvtav1" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder for it")
    before, *later = json.loads(run(PROGRAMS / "scheduling_of_encoding.py", tmp_path, codec).stdout.splitlines()[-1])
    assert all(each == before for each in later), later
