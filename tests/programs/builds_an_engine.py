"""Get an engine from a cache that others use as well; print the builds, whether it waited, and the engine's digest.

Arguments: the cache's folder, a pickle of graph, key and profile, the time at which to start.
"""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.backends import tensorrt_build
from paragon_core.engines import EngineCache

if TYPE_CHECKING:
    from paragon_core.engines import BuildProgress

folder, asked = Path(sys.argv[1]), pickle.loads(Path(sys.argv[2]).read_bytes())  # noqa: S301 - of the test
graph, key, profile = asked
while time.time() < float(sys.argv[3]):
    time.sleep(0.001)
builds: list[str] = []
waits: list[str] = []


def build(progress: BuildProgress) -> bytes:
    builds.append("built")
    return tensorrt_build.build(graph, profile, target=key.target, progress=progress)


def progress(_share: float, doing: str) -> None:
    if "another process" in doing:
        waits.append(doing)


engine = EngineCache(folder).get_or_build(key, profile, build, lambda engine: engine, progress=progress)
print(len(builds), bool(waits), engine.manifest.sha256)
