"""Read the image that is the argument, and print the bytes that it took at most."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import psutil

from paragon_core.benchmark.footprint import peak
from paragon_core.errors import ParagonError
from paragon_core.media.images import read_image

warnings.simplefilter("ignore")
before = psutil.Process().memory_info().rss
try:
    read_image(Path(sys.argv[1]))
except ParagonError as error:
    assert error.hint
print(peak() - before)
