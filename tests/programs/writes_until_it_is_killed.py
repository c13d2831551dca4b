"""Begin to write the file that is the argument, print the name of the part file, and wait."""

from __future__ import annotations

import sys
from pathlib import Path

from paragon_core.atomic_files import atomic_write

with atomic_write(Path(sys.argv[1])) as stream:
    stream.write(bytes(100_000))
    print(stream.name, flush=True)
    sys.stdin.read()
