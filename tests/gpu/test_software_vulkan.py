"""A few tests of this folder for WebGPU, on a Vulkan that computes on the processor; all of them would take minutes."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests import software_vulkan
from tests.fresh_python import ROOT
from tests.patience import PATIENCE

#: A second or more of computing time each, most of it to compile shaders.
TESTS: Final = (
    "test_frames.py::test_a_whole_video_is_that_of_the_processor[webgpu-(51, 37)]",
    "test_frames.py::test_an_interrupt_leaves_a_session_that_runs_on[webgpu]",
    "test_pixels.py::test_any_size[webgpu-(5, 3)]",
    "test_pixels.py::test_fp32_is_the_reference[webgpu-realtime-True]",
    "test_resources.py::test_the_card_tells_its_own_time[webgpu-one size]",
)


@pytest.mark.slow
def test_webgpu_passes_tests_of_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of their own, since what WebGPU loads stays loaded."""
    pytest.importorskip("onnxruntime_ep_webgpu", reason="pip install 'paragon-sr[webgpu]'")
    pytest.importorskip("av", reason="needs PyAV")
    software_vulkan.use(monkeypatch, *software_vulkan.SWIFTSHADER)  # the plugin refuses lavapipe
    tests = [f"tests/gpu/{test}" for test in TESTS]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        check=False,
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert f"{len(TESTS)} passed" in result.stdout
