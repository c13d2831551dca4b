"""Upscale the images of a folder slowly, with a line for each. Arguments: the folder and that of the results."""

from __future__ import annotations

import sys
import time
from typing import Any

from paragon_core.media.jobs import plan, run


def upscale(array: Any) -> Any:
    time.sleep(0.1)
    return array.repeat(8, axis=0).repeat(8, axis=1)


try:
    run(plan([sys.argv[1]], sys.argv[2], suffix=""), upscale, scale=8, report=lambda _: print("one", flush=True))
except KeyboardInterrupt:
    sys.exit(130)
