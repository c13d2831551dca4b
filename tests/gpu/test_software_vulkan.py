"""The tests of this folder for WebGPU, on a Vulkan that computes on the processor: without those marked ``slow``."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests import software_vulkan
from tests.fresh_python import ROOT
from tests.patience import PATIENCE


@pytest.mark.slow
def test_webgpu_passes_the_tests_of_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of their own, since what WebGPU loads stays loaded."""
    pytest.importorskip("onnxruntime_ep_webgpu", reason="pip install 'paragon-sr[webgpu]'")
    software_vulkan.use(monkeypatch, *software_vulkan.SWIFTSHADER)  # the plugin refuses lavapipe
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu"]
    result = subprocess.run(
        [*command, "-m", "gpu and not slow", "-k", "webgpu"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    found = re.search(r"(\d+) passed", result.stdout)
    assert found is not None
    assert int(found[1]) >= 20, result.stdout[-8000:]
