"""How many parameters the networks have."""

from __future__ import annotations

#: Variant, revision, parameters by scale (frozen kernels included, buffers not), and tensors of a checkpoint, as
#: counted on upstream's code (spec §2).
COUNTS = [
    ("realtime", "v9", {2: 16_732, 3: 28_332, 4: 44_572, 8: 155_932}, 33),
    ("realtime", "v11", {2: 16_780, 3: 28_380, 4: 44_620, 8: 155_980}, 36),
    ("stream", "v9", {2: 109_900, 3: 156_140, 4: 220_876, 8: 664_780}, 87),
    ("stream", "v11", {2: 110_092, 3: 156_332, 4: 221_068, 8: 664_972}, 93),
    ("photo", "v9", {2: 745_292, 3: 929_932, 4: 1_188_428, 8: 2_960_972}, 255),
    ("pro", "v11", {2: 1_993_420, 3: 2_178_060, 4: 2_436_556, 8: 4_209_100}, 1131),
]
