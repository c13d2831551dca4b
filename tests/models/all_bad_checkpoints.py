"""Every kind of file that is no usable checkpoint."""

from __future__ import annotations

from typing import Final

from tests.models.bad_archives import HOSTILE_PICKLES, TORCH_ARCHIVES
from tests.models.bad_networks import NOT_A_CHECKPOINT, OTHER_NETWORKS, SAFETENSORS_STRUCTURE, SETTINGS, WEIGHTS
from tests.models.greedy_checkpoints import GREEDY, NUMBERS

BAD_CHECKPOINTS: Final = [
    *NOT_A_CHECKPOINT,
    *SAFETENSORS_STRUCTURE,
    *WEIGHTS,
    *OTHER_NETWORKS,
    *SETTINGS,
    *TORCH_ARCHIVES,
    *HOSTILE_PICKLES,
    *NUMBERS,
    *GREEDY,
]
