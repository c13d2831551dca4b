"""A forked process that was given an upscaler gets an error for it, and never waits for threads that it has not."""

from __future__ import annotations

import sys

import pytest

from tests.fresh_python import PROGRAMS, run


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, libraries of the system do not survive a fork")
@pytest.mark.parametrize(
    ("backend", "can"),
    # Whoever loads ONNX Runtime, forks, and ends the child other than multiprocessing does, waits for ever.
    # The native kernel has no threads of its own.
    [("openvino", "leave"), ("onnxruntime", "another"), ("native", "another leave")],
)
def test_a_parents_upscaler(backend: str, can: str) -> None:
    result = run(PROGRAMS / "forked_upscaler.py", backend, *can.split())
    statuses = result.stdout.split()
    assert len(statuses) >= 5
    assert set(statuses) == {"0"}, result.stderr
