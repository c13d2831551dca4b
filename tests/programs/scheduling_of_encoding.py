"""Print as JSON which scheduling policies the threads have before, during and after encoding a video.

Arguments: a folder, and the codec.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from paragon_core.upscaling.upscaler import Upscaler
from tests.media.video import videos

if TYPE_CHECKING:
    from paragon_core.media.video.encoding import VideoCodec


def policies() -> list[int]:
    return sorted({os.sched_getscheduler(int(job.name)) for job in Path("/proc/self/task").iterdir()})


folder, codec = Path(sys.argv[1]), cast("VideoCodec", sys.argv[2])
videos.make(folder / "a.mkv", times=range(4), size=(64, 64))
seen = [policies()]
with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32", streams=1, clip=False) as upscaler:
    upscale_video(
        folder / "a.mkv",
        folder / "b.mkv",
        upscaler,
        encoding=VideoEncoding(codec=codec),
        progress=lambda _done, _total: seen.append(policies()),
    )
seen.append(policies())
print(json.dumps(seen))
