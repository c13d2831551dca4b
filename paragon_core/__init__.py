"""ParagonSR2 super-resolution: a checkpoint becomes a fused graph, the graph a session, the session bigger pictures."""

from __future__ import annotations

__version__ = "0.1.0"
