"""The JSON and the table."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("openvino")

from benchmarks.peers.quality import Quality
from benchmarks.peers.report import as_json, machine_of, rounded, tables
from benchmarks.peers.ways import Skipped, Task
from tests.benchmarks.peers.fakes import comparison, measured, way

pytestmark = pytest.mark.openvino

FOUR = Task(scale=2, width=8, height=6, calls=4)


@pytest.fixture
def report() -> dict[str, Any]:
    ours = way("realtime-2x", "ours", "openvino", count=16_732)
    upstream = way("realtime-2x", "upstream", "openvino", count=16_732)
    fsrcnn = [way("FSRCNN", "network", runtime) for runtime in ("openvino (sub-pixel)", "onnxruntime")]
    lanczos = way("Lanczos", "resampling", "pillow")
    one = comparison(
        measured(ours, 10),
        measured(upstream, 25, slower={"onnxruntime": 0.05}),
        measured(fsrcnn[0], 500),
        measured(lanczos, 0.2),
        skipped=(Skipped(name="realtime-2x, ours, torch", reason="broken"),),
    )
    all_cores = comparison(measured(ours, 40), measured(fsrcnn[1], 2000), measured(lanczos, 4), task=FOUR)
    quality = {
        2: {
            "realtime-2x": Quality(psnr={"Set5": 36.9, "Set14": 32.555}, source="measured"),
            "Lanczos, pillow": Quality(psnr={"Set5": 34.3}, source="measured"),
        }
    }
    return as_json([one, all_cores], quality, {"cpu": "A processor", "cores": 4}, rounds=3)


def test_it_is_json(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert report["rounds"] == 3
    first = report["timings"][0]
    assert (first["scale"], first["width"], first["height"], first["calls"]) == (2, 8, 6, 1)
    assert first["skipped"] == [{"name": "realtime-2x, ours, torch", "reason": "broken"}]


def test_times_are_milliseconds_of_one_image(report: dict[str, Any]) -> None:
    one, four = (timing["ways"][0] for timing in report["timings"])
    assert (one["cpu_ms"], one["wall_ms"], one["fps"]) == pytest.approx((10, 20, 50))
    assert (four["cpu_ms"], four["wall_ms"], four["fps"]) == pytest.approx((10, 20, 50))
    upstream = report["timings"][0]["ways"][1]
    assert upstream["times_the_fastest"] == pytest.approx(2.5)
    assert upstream["slower_cpu_ms"] == pytest.approx({"onnxruntime": 50})


def test_the_table(report: dict[str, Any]) -> None:
    assert tables(report).splitlines() == [
        "| x2, 8x6 | runtime | parameters | one core: fps | CPU ms | 4 cores: fps | CPU ms | Set5 | Set14 |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
        "| realtime-2x | OpenVINO | 16,732 | 50.0 | 10.0 | 50.0 | 10.0 | 36.90 | 32.55 |",
        "| realtime-2x, upstream's export | OpenVINO | 16,732 | 20.0 | 25.0 |  |  | 36.90 | 32.55 |",
        "| FSRCNN | OpenVINO (sub-pixel), ONNX Runtime | 7 | 1.00 | 500 | 1.00 | 500 |  |  |",
        "| Lanczos | Pillow |  | 2500 | 0.20 | 500 | 1.00 | 34.30 |  |",
    ]


def test_the_machine(report: dict[str, Any]) -> None:
    assert machine_of(report) == "A processor; cores 4."


@pytest.mark.parametrize(("value", "text"), [(0.123, "0.12"), (9.87, "9.87"), (56.78, "56.8"), (1234.5, "1234")])
def test_rounding(value: float, text: str) -> None:
    assert rounded(value) == text
