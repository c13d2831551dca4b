"""Ask a cache, in the folder that is the argument, for an engine that does not fit on the disk."""

from __future__ import annotations

import logging
import resource
import signal
import sys
from pathlib import Path

from paragon_core.engines import EngineCache
from tests.engines.engine_files import FULL_HD, HD, Builder, content, key, loading

logging.basicConfig(level="WARNING", format="%(message)s")
cache = EngineCache(Path(sys.argv[1]))
cache.get_or_build(key(), HD, Builder(key(), HD), loading)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for _ in range(2):
    builder = Builder(key(), FULL_HD)
    engine = cache.get_or_build(key(), FULL_HD, builder, lambda engine: engine)
    assert (builder.builds, engine.path, engine.data) == (1, None, content(key(), FULL_HD))
print(*(entry.files.name for entry in cache.entries()))
