"""The kernels' pixels without a card: Triton's interpreter runs them on the CPU, one operation after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("triton", reason="needs Triton")

from tests.patience import PATIENCE
from tests.triton_kernels.cases import CASES, Result, check

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    file = tmp_path_factory.mktemp("interpreted") / "results.npz"
    command = [sys.executable, "-m", "tests.triton_kernels.interpreted", str(file)]
    variables = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr[-4000:]
    with np.load(file) as arrays:
        return {name: Result(arrays[f"{name} pixels"], int(arrays[f"{name} finite"])) for name in CASES}


@pytest.mark.parametrize("name", list(CASES))
def test_pixels(results: dict[str, Result], name: str) -> None:
    check(CASES[name], results[name])
