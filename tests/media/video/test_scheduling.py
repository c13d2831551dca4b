"""Priority of a program that encodes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fresh_python import run

if TYPE_CHECKING:
    from pathlib import Path

av = pytest.importorskip("av")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these priorities")
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_no_codec_makes_the_program_a_real_time_one(tmp_path: Path, codec: str) -> None:
    """It would stand in everybody's way; SVT-AV1 tries to, where it is run by root."""
    if codec == "av1" and "libsvtav1" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder for it")
    code = f"""
    import json, os
    from pathlib import Path
    from paragon_core.media.video.upscale import VideoEncoding, upscale_video
    from paragon_core.upscaling.upscaler import Upscaler
    from tests.media.video import videos

    def policies():
        return sorted({{os.sched_getscheduler(int(name)) for name in os.listdir("/proc/self/task")}})

    folder = Path({str(tmp_path)!r})
    videos.make(folder / "a.mkv", times=range(4), size=(64, 64))
    seen = [policies()]
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32", streams=1, clip=False) as upscaler:
        upscale_video(
            folder / "a.mkv",
            folder / "b.mkv",
            upscaler,
            encoding=VideoEncoding(codec={codec!r}),
            progress=lambda done, total: seen.append(policies()),
        )
    seen.append(policies())
    print(json.dumps(seen))
    """
    before, *later = json.loads(run(code).stdout.splitlines()[-1])
    assert all(each == before for each in later), later
