"""Export a model to the file that is the argument, on a disk that takes 1000 bytes of it."""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from paragon_core import export_onnx
from paragon_core.errors import MediaError
from tests.random_models import random_model, spec

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))
try:
    export_onnx(random_model(spec("realtime")), Path(sys.argv[1]))
except MediaError as error:
    print(bool(error.hint))
