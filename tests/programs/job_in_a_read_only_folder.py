"""Upscale an image into a folder that cannot be written. Arguments: source and target."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from paragon_core.media.jobs import Job, run

if os.geteuid() == 0:
    import PIL.PngImagePlugin  # noqa: F401 - here, because others may not be allowed to read it

    os.setegid(65534)
    os.seteuid(65534)
job = Job(source=Path(sys.argv[1]), target=Path(sys.argv[2]))
(result,) = run([job], lambda array: array, scale=1, overwrite=True)
print(type(result.error).__name__, result.error, result.error and result.error.hint, sep="|")
