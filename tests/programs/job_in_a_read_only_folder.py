"""Upscale an image into a folder that cannot be written. Arguments: source and target."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from paragon_core.media.jobs import Task, run

if os.geteuid() == 0:
    import PIL.PngImagePlugin  # noqa: F401 - here, because others may not be allowed to read it

    os.setegid(65534)
    os.seteuid(65534)
task = Task(source=Path(sys.argv[1]), target=Path(sys.argv[2]))
(outcome,) = run([task], lambda array: array, scale=1, overwrite=True)
print(type(outcome.error).__name__, outcome.error, outcome.error and outcome.error.hint, sep="|")
