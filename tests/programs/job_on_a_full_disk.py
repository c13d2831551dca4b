"""Upscale an image into one that does not fit on the disk. Arguments: source and target."""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

import numpy as np

from paragon_core.media.jobs import Job, run

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
(result,) = run([Job(source=Path(sys.argv[1]), target=Path(sys.argv[2]))], lambda _: noise, scale=80)
print(type(result.error).__name__, result.error, result.error and result.error.hint, sep="|")
