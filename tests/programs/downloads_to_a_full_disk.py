"""Download a file that does not fit on the disk. Arguments: its address, the target, its size."""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from paragon_core.errors import MediaError
from paragon_core.models.download import download

url, target, size = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
try:
    download(url, Path(target), size=int(size), sha256="")
except MediaError as error:
    print(bool(error.hint))
