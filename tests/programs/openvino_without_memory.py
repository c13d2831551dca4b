"""Let OpenVINO run out of memory, print what it is called, and let it go on."""

from __future__ import annotations

import resource

import numpy as np
import psutil

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.errors import OutOfMemoryError
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import random_model, spec

session = BACKENDS["openvino"].open(random_model(spec("realtime")), GraphSpec(io="uint8"), SessionOptions())
session.run(np.zeros((1, 8, 8, 3), np.uint8))
limit = psutil.Process().memory_info().vms + 40 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, -1))
try:
    session.run(np.zeros((1, 1000, 1000, 3), np.uint8))
except OutOfMemoryError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
assert session.run(np.zeros((1, 9, 8, 3), np.uint8)).shape == (1, 18, 16, 3)
