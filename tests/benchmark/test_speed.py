"""Measuring real backends on tiny images, and the figures made from known times."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.backends.torch import TorchBackend
from paragon_core.benchmark.bench import Timing
from paragon_core.benchmark.footprint import Footprint
from paragon_core.benchmark.speed import (
    ON_PROCESSOR,
    Candidate,
    Measurement,
    Skipped,
    Source,
    Workload,
    measure,
    with_footprints,
)
from paragon_core.benchmark.speed_report import Report, as_json, describe_here, markdown
from tests.quality.odd_backends import Absent, Odd, failing, right
from tests.random_models import MODEL, random_image, random_model, spec
from tests.reference_backend import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.backends import Backend, BackendInfo


class OnCard(Reference):
    """Says that it runs on a card."""

    def probe(self) -> BackendInfo:
        return replace(super().probe(), accelerator="cuda")


CANDIDATE = Candidate(backend="onnxruntime", precision="fp32", span="end to end")
MACHINE = {"cpu": "A | B", "cores": 4, "usable_cores": 2, "load": 0.5, "gpus": ["NVIDIA X, driver 1, 2 MiB"]}


def timing(*wall: float) -> Timing:
    return Timing(cpu=tuple(seconds / 2 for seconds in wall), wall=wall)


def measurement(*timings: Timing, **changes: Any) -> Measurement:
    return replace(Measurement(candidate=CANDIDATE, workload="8x8", timings=timings), **changes)


def report(measurements: Sequence[Measurement], skipped: Sequence[Skipped] = ()) -> Report:
    return Report(
        model=MODEL,
        machine=MACHINE,
        rounds=2,
        measurements=tuple(measurements),
        skipped=tuple(skipped),
        missing=(Absent().probe(),),
    )


def table(text: str) -> list[list[str]]:
    """Return the cells of the only table, in all rows but the one of dashes; every row has as many."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows if not row.startswith("|---")]
    (dashes,) = (row for row in rows if row.startswith("|---"))
    assert {len(row) for row in cells} == {dashes.count("|") - 1}
    return cells


@pytest.mark.openvino
@pytest.mark.parametrize(
    "workload",
    [
        Workload.of_size(24, 16),
        Workload(images=(random_image(9, 14, 3), random_image(16, 11, 3), random_image(9, 14, 3, seed=1))),
    ],
    ids=["a size", "varied sizes"],
)
def test_every_runtime_is_timed_in_both_ways(workload: Workload) -> None:
    backends: list[Backend] = [OpenVinoBackend(), OnnxRuntimeBackend()]
    found, skipped = measure(MODEL, backends, ["fp32", "fp16"], workload, rounds=2)
    measured = {(each.candidate.backend, each.candidate.precision, each.candidate.span) for each in found}
    left = {(each.candidate.backend, each.candidate.precision, each.candidate.span) for each in skipped}
    assert measured.isdisjoint(left)
    everything = {
        (backend.name, precision, span)
        for backend in backends
        for precision in ("fp32", "fp16")
        for span in ("network", "end to end")
    }
    assert measured | left == everything
    assert {each for each in everything if each[1] == "fp32"} <= measured
    assert ("onnxruntime", "fp16", "network") in left
    for each in found:
        assert [len(timing.wall) for timing in each.timings] == [2] * len(workload.images)
        assert each.median > 0
        assert min(each.wall) <= each.median <= each.p95 <= max(each.wall)
    assert all(each.reason for each in skipped)


def test_what_fails_when_it_runs_is_left_out_and_the_others_go_on() -> None:
    found, skipped = measure(
        MODEL, [Odd(fp32=failing), OnnxRuntimeBackend()], ["fp32"], Workload.of_size(8, 8), rounds=1
    )
    assert [each.candidate.backend for each in found] == ["onnxruntime"] * 2
    assert [each.candidate.backend for each in skipped] == ["odd"] * 2
    assert "no kernel" in skipped[0].reason


def test_nothing_may_be_left_to_time() -> None:
    found, skipped = measure(MODEL, [Odd(fp32=right)], ["fp16"], Workload.of_size(8, 8), rounds=1)
    assert found == []
    assert len(skipped) == 2
    assert "Not measured" in markdown(report([], skipped))


def test_kinds_of_attention_are_timed_in_torch() -> None:
    pytest.importorskip("torch")
    photo = random_model(spec("photo"))
    found, skipped = measure(photo, [TorchBackend()], ["fp32"], Workload.of_size(12, 9), rounds=1)
    modes = {each.candidate.attention for each in found} | {each.candidate.attention for each in skipped}
    assert modes == {"", "none", "sdpa", "flex"}
    assert {each.candidate.attention for each in found} >= {"", "none", "sdpa"}
    found, _ = measure(MODEL, [TorchBackend()], ["fp32"], Workload.of_size(12, 9), rounds=1)
    assert {each.candidate.attention for each in found} == {""}


def test_what_runs_on_a_device_that_tells_has_its_time_next_to_the_clocks() -> None:
    """The stand-in for TensorRT tells what each run took, warm-up included."""
    workload = Workload(images=(random_image(9, 14, 3), random_image(16, 11, 3)))
    backends: list[Backend] = [EngineBackend(OnCard()), OnnxRuntimeBackend()]
    found, skipped = measure(MODEL, backends, ["fp32"], workload, rounds=3)
    assert skipped == []
    for each in found:
        if each.candidate.backend == "reference" and each.candidate.span == "network":
            assert [len(timing.device) for timing in each.timings] == [3, 3]
            assert each.device is not None
            assert all(
                0 < inside <= outside
                for timing in each.timings
                for inside, outside in zip(timing.device, timing.wall, strict=True)
            )
            assert each.no_device_time == ""
        else:
            assert each.device is None
            assert each.no_device_time
    reasons = {(each.candidate.backend, each.candidate.span): each.no_device_time for each in found}
    assert reasons["reference", "end to end"] == "it is taken of the network alone"
    assert reasons["onnxruntime", "network"] == ON_PROCESSOR
    heading, *rows = table(markdown(report(found)))
    column = heading.index("device ms")
    assert [bool(row[column]) for row in rows] == [True, False, False, False]


def test_a_device_that_does_not_tell_its_time_is_named() -> None:
    alone = replace(CANDIDATE, span="network")
    silent = measurement(timing(1.0), candidate=alone, no_device_time="onnxruntime does not tell it on this device")
    text = markdown(report([silent]))
    assert "- device time of onnxruntime fp32: onnxruntime does not tell it on this device" in text
    assert "device ms" not in text
    assert "device time" not in markdown(report([replace(silent, no_device_time=ON_PROCESSOR)]))


def test_a_backend_without_the_device_is_left_out() -> None:
    found, skipped = measure(MODEL, [OnnxRuntimeBackend()], ["fp32"], Workload.of_size(8, 8), rounds=1, device="abacus")
    assert found == []
    assert {each.reason for each in skipped} == {"ONNX Runtime has no device 'abacus'"}


def test_figures_of_known_times() -> None:
    each = measurement(timing(1.0, 2.0, 3.0, 4.0, 5.0))
    assert (each.average, each.median, each.fps, each.cpu) == (3.0, 3.0, 1 / 3, 1.5)
    assert each.p95 == pytest.approx(4.8)
    assert each.spread == pytest.approx(2 / 3)
    assert measurement(timing(7.0)).spread == 0


def test_images_of_different_size_do_not_count_as_spread() -> None:
    each = measurement(timing(1.0, 1.0), timing(9.0, 9.0))
    assert each.spread == 0
    assert each.average == 5


def test_a_workload_is_named_for_its_sizes() -> None:
    assert Workload.of_size(640, 360).name == "640x360"
    small, large = random_image(3, 4, 3), random_image(5, 9, 3)
    assert Workload(images=(large, small)).name == "2 images, 4x3 to 9x5"
    assert Workload(images=(small, small)).name == "2 images, 4x3"
    assert Workload(images=(large, small)).size is None
    assert Workload(images=(large, large)).size == (9, 5)


def test_memory_is_measured_end_to_end() -> None:
    alone = measurement(timing(1.0), candidate=Candidate(backend="onnxruntime", precision="fp32", span="network"))
    (first, second) = with_footprints(
        [measurement(timing(1.0)), alone], Source(name="realtime-2x"), Workload.of_size(8, 8)
    )
    assert first.footprint is not None
    assert first.footprint.process > 20e6
    assert second.footprint is None


def test_the_markdown_is_a_table() -> None:
    here = Footprint(process=123_400_000, device=None)
    skipped = [Skipped(candidate=CANDIDATE, workload="8x8", reason="no | reason")]
    text = markdown(report([measurement(timing(0.01, 0.03), footprint=here)], skipped))
    heading, row = table(text)
    assert dict(zip(heading, row, strict=True)) == {
        "input": "8x8",
        "runtime": "onnxruntime",
        "precision": "fp32",
        "what": "end to end",
        "median ms": "20.0",
        "average": "20.0",
        "p95": "29.0",
        "spread": "50%",
        "fps": "50.0",
        "CPU ms": "10.0",
        "memory": "123 MB",
    }
    assert "cores 4 (2 used), load average 0.5. NVIDIA GPUs: NVIDIA X, driver 1, 2 MiB." in text
    assert "- absent: nobody has it" in text
    assert "- onnxruntime fp32: no | reason" in text
    assert "ran 2 times on each image to warm up, then 2 times" in text


def test_columns_about_memory_are_there_only_if_it_was_measured() -> None:
    assert "memory" not in table(markdown(report([measurement(timing(1.0))])))[0]
    both = Footprint(process=10**8, device=2 * 10**8)
    heading, row = table(markdown(report([measurement(timing(1.0), footprint=both)])))
    assert heading[-2:] == ["memory", "GPU memory"]
    assert row[-2:] == ["100 MB", "200 MB"]


def test_json_holds_everything() -> None:
    candidate = Candidate(backend="torch", precision="fp32", span="network", attention="sdpa")
    facts = as_json(report([measurement(timing(1.0, 3.0)), measurement(timing(2.0), candidate=candidate)]))
    facts = json.loads(json.dumps(facts, allow_nan=False))
    assert facts["machine"] == MACHINE
    first, second = facts["results"]
    assert set(first) == set(second)
    assert (first["average"], first["median"], first["fps"], first["cpu_median"]) == (2.0, 2.0, 0.5, 1.0)
    assert first["wall"] == [[1.0, 3.0]]
    assert (first["device_median"], first["device"]) == (None, [[]])
    assert (first["fused"], first["attention"]) == (True, None)
    assert (second["fused"], second["attention"]) == (False, "sdpa")
    assert facts["missing"] == [{"backend": "absent", "reason": "nobody has it", "hint": "pip install it"}]


def test_this_machine_is_described() -> None:
    machine = describe_here()
    assert {"cpu", "cores", "usable_cores", "system", "python", "onnxruntime", "load", "gpus"} <= set(machine)
    assert 1 <= machine["usable_cores"] <= machine["cores"]
