"""Read the checkpoint that is the argument where 64 MiB are free."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from paragon_core.errors import OutOfMemoryError
from paragon_core.models.checkpoint import read_checkpoint

used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
try:
    read_checkpoint(sys.argv[1])
except OutOfMemoryError as error:
    print(error, error.hint)
