"""Read the image that is the argument with more and more memory, and print each time what came of it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import psutil

from paragon_core.errors import OutOfMemoryError
from paragon_core.media.images import read_header, read_image

path = Path(sys.argv[1])
read_header(path)
for megabytes in (8, 30, 50, 70, 90, 120):
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, resource.RLIM_INFINITY))
    try:
        read_image(path)
        print("read")
    except OutOfMemoryError as error:
        print("low" if error.hint else "no hint")
