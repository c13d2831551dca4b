from __future__ import annotations

from paragon_core.benchmark.footprint import measure
from tests.fresh_python import PROGRAMS, run


def test_a_larger_image_takes_more_memory() -> None:
    small, large = (
        measure("realtime-2x", backend="onnxruntime", precision="fp32", size=size) for size in ((64, 48), (640, 480))
    )
    assert small is not None
    assert large is not None
    assert 20e6 < small.process < large.process
    # Its bytes in and out, and a float for each.
    assert large.process - small.process > 5 * 3 * (640 * 480) * (1 + 4) / 2


def test_what_cannot_run_has_no_footprint() -> None:
    assert measure("realtime-2x", backend="onnxruntime", precision="bf16", size=(8, 8)) is None
    assert measure("nonsense", backend="onnxruntime", precision="fp32", size=(8, 8)) is None


def test_the_peak_counts_what_was_given_back_but_not_what_the_starting_process_had() -> None:
    """On Unix, a new process inherits the peak that getrusage reports from the one that started it."""
    result = run(PROGRAMS / "peak_memory.py")
    assert result.stdout.strip() == "True"
