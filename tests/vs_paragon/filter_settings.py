"""Settings as the filter makes them from its arguments."""

from __future__ import annotations

from typing import Any

from paragon_core.models.model import load
from vs_paragon.frames import Settings


def settings(**changes: Any) -> Settings:
    """Return the defaults for a clip of 8 bits, but for what changes."""
    fields: dict[str, Any] = {
        "model": load("realtime-2x"),
        "backend": "auto",
        "precision": "auto",
        "tile": "auto",
        "streams": None,
        "reuse": False,
        "device": "auto",
        "padding": "auto",
        "bits": 8,
    }
    return Settings(**(fields | changes))
