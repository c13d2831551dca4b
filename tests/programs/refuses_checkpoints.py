"""Print as JSON the seconds that each bad checkpoint took, and the most bytes. Arguments: their folder and number."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from paragon_core.benchmark.footprint import peak
from paragon_core.errors import CheckpointError
from paragon_core.models.catalogue import foreign
from paragon_core.models.model import load

seconds = []
for index in range(int(sys.argv[2])):
    path = Path(sys.argv[1]) / f"{index}.bin"
    start = time.process_time()
    foreign(path)
    try:
        load(path)
    except CheckpointError:
        seconds.append(time.process_time() - start)
print(json.dumps([seconds, peak()]))
