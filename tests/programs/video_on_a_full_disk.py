"""Upscale a video into one that does not fit on the disk. Arguments: source and target."""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from paragon_core.errors import ParagonError
from paragon_core.media.video.upscale import upscale_video
from tests.upscalers import shared_upscaler

upscaler = shared_upscaler(clip=False)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))
try:
    upscale_video(Path(sys.argv[1]), Path(sys.argv[2]), upscaler)
except ParagonError as error:
    print(type(error).__name__, error.hint)
