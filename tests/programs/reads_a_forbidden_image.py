"""Read the image that is the argument, as a user who may not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from paragon_core.errors import MediaError
from paragon_core.media.images import read_image

if os.geteuid() == 0:  # to whom file permissions do not apply
    os.seteuid(65534)
try:
    read_image(Path(sys.argv[1]))
except MediaError as error:
    print(error, error.hint, sep="|")
