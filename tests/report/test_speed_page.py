from __future__ import annotations

from dataclasses import replace

import pytest

from paragon_core.backends import BackendInfo
from paragon_core.benchmark.bench import Timing
from paragon_core.benchmark.speed import Candidate, Measurement, Skipped
from paragon_core.benchmark.speed_report import Report, table
from paragon_core.models.model import load
from paragon_core.report.speed_page import render_speed
from tests.report.examples import HOSTILE
from tests.report.outline import Outline

NETWORK = Candidate(backend="onnxruntime", precision="fp32", span="network")


def measured(seconds: float, candidate: Candidate = NETWORK, workload: str = "64x48") -> Measurement:
    timing = Timing(wall=(seconds, seconds), cpu=(seconds, seconds))
    return Measurement(candidate=candidate, workload=workload, timings=(timing,))


@pytest.fixture(scope="module")
def report() -> Report:
    """Return a report on two inputs."""
    slower = replace(NETWORK, span="end to end")
    return Report(
        model=load("realtime-2x"),
        machine={"cpu": "a processor", "cores": 4, "usable_cores": 2, "load": None, "gpus": []},
        rounds=2,
        measurements=(measured(0.01), measured(0.04, slower), measured(0.5, workload="640x480")),
        skipped=(Skipped(candidate=replace(NETWORK, precision="bf16"), workload="64x48", reason="it has no bf16"),),
        missing=(),
    )


def test_bars_are_as_long_as_images_a_second(report: Report) -> None:
    outline = Outline(render_speed(report))
    widths = [float(attributes["width"] or 0) for tag, attributes in outline.tags if tag == "rect"]
    assert widths[0] == pytest.approx(4 * widths[1])
    assert widths[2] == widths[0]  # the fastest of its own chart
    assert "The fastest is onnxruntime fp32, network: 100.0." in outline.text


def test_all_that_bench_prints_is_there(report: Report) -> None:
    outline = Outline(render_speed(report))
    cells = [cell for row in table(report) for cell in row]
    assert len([tag for tag, _ in outline.tags if tag in {"th", "td"}]) == len(cells)
    assert all(cell in outline.text for cell in cells)
    assert "onnxruntime bf16: it has no bf16" in outline.text
    assert report.model.sha256 in outline.text
    assert "a processor" in outline.text
    assert "load" not in [tag for tag, _ in outline.tags]


def test_no_text_becomes_part_of_the_page(report: Report) -> None:
    missing = BackendInfo(name="x", available=False, reason="r", hint="")
    expected = Outline(render_speed(replace(report, missing=(missing,))))
    hostile = replace(
        report,
        measurements=tuple(
            replace(each, workload=each.workload.replace("64x48", HOSTILE)) for each in report.measurements
        ),
        machine={**report.machine, "cpu": HOSTILE},
        missing=(replace(missing, reason=HOSTILE),),
    )
    outline = Outline(render_speed(hostile))
    assert outline.shape == expected.shape
    assert "script" not in {tag for tag, _ in outline.tags}
    assert outline.text.count(HOSTILE) >= 4


def test_nothing_measured(report: Report) -> None:
    assert "Nothing could be measured." in render_speed(replace(report, measurements=()))
