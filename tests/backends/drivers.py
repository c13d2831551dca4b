"""Drivers of graphics cards on this machine."""

from __future__ import annotations

from paragon_core.backends import cuda_driver
from paragon_core.errors import BackendUnavailableError


def has_driver() -> bool:
    """Return whether there is one of NVIDIA."""
    try:
        cuda_driver.find()
    except BackendUnavailableError:
        return False
    return True
