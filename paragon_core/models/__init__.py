"""Models: what is in a checkpoint, where checkpoints lie, and where they come from.

A file is read without running code (`checkpoint`), recognised by its tensors (`detect`), and becomes a `model.Model`:
a `spec.ModelSpec` with arrays.
"""

from __future__ import annotations

TYPE_CHECKING = False  # without typing, as in paragon_core
if TYPE_CHECKING:
    from typing import Final

#: The bundled model that is used where nothing else is asked for.
DEFAULT_MODEL: Final = "realtime-2x"
