"""Run a backend in all its ways while everything is logged: a library that prints is heard on the standard output."""

from __future__ import annotations

import logging
import sys

import numpy as np

from paragon_core import Upscaler, available_backends
from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.errors import ParagonError
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import random_image, random_model, spec

runtime = sys.argv[1]
logging.basicConfig(level=logging.DEBUG)
available_backends()
model = random_model(spec("realtime"))
for fused in (True,) if runtime == "native" else (True, False):
    with Upscaler(model, backend=runtime, fused=fused) as upscaler:
        upscaler(random_image(9, 7, 3))
        upscaler(random_image(9, 7, 4, dtype="float32"))
session = BACKENDS[runtime].open(model, GraphSpec(), SessionOptions())
try:
    session.run(np.zeros((1, 5, 4, 4), np.float32))
except ParagonError:
    session.close()
