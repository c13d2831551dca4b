"""Upscale a video into several files, and print what came of each. Arguments: source, seconds or all, targets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from paragon_core.errors import ParagonError
from paragon_core.media.video.upscale import upscale_video
from tests.upscalers import shared_upscaler

source, seconds, *targets = sys.argv[1:]
upscaler = shared_upscaler(clip=False)
duration = None if seconds == "all" else float(seconds)
for target in targets:
    try:
        result = upscale_video(Path(source), Path(target), upscaler, keep_damaged=True, duration=duration)
        print(json.dumps({"notes": result.notes, "frames": result.frames}), flush=True)
    except ParagonError as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error} | {error.hint}"}), flush=True)
