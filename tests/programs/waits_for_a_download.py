"""Download from a server that does not answer, until interrupted. Arguments: the address, the target, the size."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from paragon_core.models.download import download

url, target, size = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    download(url, Path(target), size=int(size), sha256="", patience=600)
except KeyboardInterrupt:
    print("interrupted")
