"""Use a cache, in the folder that is the argument, which cannot be written."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from paragon_core.engines import EngineCache
from tests.engines.engine_files import FULL_HD, HD, Builder, content, key

if os.geteuid() == 0:  # to whom file permissions do not apply
    os.seteuid(65534)
logging.basicConfig(level="WARNING", format="%(message)s")
cache = EngineCache(Path(sys.argv[1]))
for profile, builds in ((FULL_HD, 0), (HD, 1)):
    builder = Builder(key(), profile)
    engine = cache.get_or_build(key(), profile, builder, lambda engine: engine)
    assert (builder.builds, engine.data) == (builds, content(key(), profile))
    assert (engine.path is None) == bool(builds)
found = cache.find(key(), (1920, 1080))
assert found is not None
print(found[1].name, len(cache.prune(max_bytes=0)))
