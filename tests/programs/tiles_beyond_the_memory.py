"""Upscale an image that does not fit into memory whole, in the runtime that is the argument."""

from __future__ import annotations

import resource
import sys

import numpy as np
import psutil

from paragon_core import Upscaler
from tests.random_models import random_image, random_model, spec

runtime = sys.argv[1]
model = random_model(spec("realtime"))
image = random_image(800, 800, 3)
with Upscaler(model, backend=runtime, precision="fp32", tile=64, streams=1) as small:
    expected = small(image)
upscaler = Upscaler(model, backend=runtime, precision="fp32", tile=800, streams=1)
upscaler(image[:8, :8])
limit = psutil.Process().memory_info().vms + 40 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, -1))
totals: set[int] = set()
result = upscaler(image, progress=lambda _done, total: totals.add(total))
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(max(totals) > 1, np.abs(result.astype(int) - expected).max() <= 1)
