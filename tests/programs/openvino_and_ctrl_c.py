"""Press Ctrl-C after sessions of OpenVINO came and went."""

from __future__ import annotations

import signal

from paragon_core.backends import SessionOptions
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import MODEL

sessions = [OpenVinoBackend().open(MODEL, GraphSpec(), SessionOptions()) for _ in range(3)]
OpenVinoBackend().probe()
while sessions:
    sessions.pop(0).close()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("arrived")
