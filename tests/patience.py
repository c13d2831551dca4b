"""How long tests wait for what must happen."""

from __future__ import annotations

from typing import Final

#: Seconds after which silence counts as a hang. No test measures speed by it: a busy machine is no failure.
PATIENCE: Final = 600.0
