"""Core's own loader, "Load Upscale Model", which knows what spandrel knows."""

from __future__ import annotations

import logging
from typing import Final

from paragon_nodes import checkpoints
from paragon_nodes.upscale_model import UpscaleModel

_LOG: Final = logging.getLogger(__name__)


def register_architecture() -> None:
    """Have spandrel open ParagonSR2 files, and take our models for its descriptors; without it, say so in the log."""
    try:
        from paragon_core.interop.spandrel import register  # noqa: PLC0415 - imports it
        from spandrel import ImageModelDescriptor  # noqa: PLC0415 - ComfyUI has it; if not, our nodes work all the same

        register(files=checkpoints.files)
        ImageModelDescriptor.register(UpscaleModel)
    except Exception as error:  # noqa: BLE001 - whatever keeps another library from working must not cost our nodes
        _LOG.warning("Load Upscale Model will not open ParagonSR2 files (%s: %s)", type(error).__name__, error)
