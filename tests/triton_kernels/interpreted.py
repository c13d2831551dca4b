"""Run all cases in Triton's interpreter: in a process of its own, as it has to be chosen before Triton is imported.

TRITON_INTERPRET=1 python -m tests.triton_kernels.interpreted RESULTS.npz
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from tests.triton_kernels.cases import CASES, run

if __name__ == "__main__":
    torch.set_num_threads(1)
    results = {name: run(case, "cpu") for name, case in CASES.items()}
    arrays = {f"{name} {part}": value for name, result in results.items() for part, value in result._asdict().items()}
    np.savez(sys.argv[1], **arrays)
