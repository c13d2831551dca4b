from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from paragon_core.cli.main import main
from tests.quality.odd_backends import Absent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = ["--rounds", "2", "--no-memory", "--backends", "onnxruntime"]
FIELDS = {
    *("backend", "precision", "span", "fused", "attention", "input", "pictures"),
    *("average", "median", "p95", "spread", "fps", "cpu_median", "process_memory", "device_memory", "wall", "cpu"),
    *("device_median", "no_device_time", "device"),
}


def test_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--size", "16x12", "--size", "20x8"]
    assert main(["bench", "realtime-4x", *sizes, "--json", *QUICK]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    facts = json.loads(output.out)
    assert facts["model"]["name"] == "realtime-4x"
    assert facts["model"]["scale"] == 4
    assert (facts["warm_up"], facts["rounds"]) == (2, 2)
    assert [(each["input"], each["span"]) for each in facts["results"]] == [
        (size, span) for size in ("16x12", "20x8") for span in ("network", "end to end")
    ]
    assert all(set(each) == FIELDS for each in facts["results"])
    assert {(each["device_median"], each["no_device_time"]) for each in facts["results"]} == {
        (None, "it runs on the processor")
    }
    assert facts["device"] == "auto"
    assert {each["precision"] for each in facts["skipped"]} <= {"fp16", "bf16"}
    assert set(facts["skipped"][0]) == {"backend", "precision", "span", "fused", "attention", "input", "reason"}


def test_a_folder_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, size in enumerate(((12, 9), (16, 16), (9, 12))):
        Image.new("RGB", size, "teal").save(tmp_path / f"{number}.png")
    arguments = ["--input", str(tmp_path), "--rounds", "1", "--backends", "onnxruntime", "--precisions", "fp32"]
    assert main(["bench", *arguments]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert "**realtime-2x** (realtime x2)" in text
    rows = [line for line in text.splitlines() if line.startswith("| 3 images, ")]
    assert len(rows) == 2
    assert rows[1].endswith(" MB |")


def test_a_precision_that_nothing_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--size", "8x8", "--precisions", "bf16", *QUICK]) == 3
    assert "does not run bf16" in capsys.readouterr().out


def test_a_device_that_no_runtime_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--size", "8x8", "--device", "abacus", *QUICK]) == 3
    assert "has no device 'abacus'" in capsys.readouterr().out


def test_what_does_not_work_here(offer: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    offer(Absent())
    assert main(["bench", "--size", "8x8"]) == 3
    assert "pip install" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--backends", "abacus"],
        ["--precisions", "fp8"],
        ["--precisions", ""],
        ["--size", "8"],
        ["--rounds", "0"],
        ["--input", "missing"],
    ],
)
def test_mistakes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert capsys.readouterr().out == ""


def test_a_page_next_to_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "speed.html"
    assert main(["bench", "--size", "16x12", "--report", str(page), *QUICK]) == 0
    assert "**realtime-2x** (realtime x2)" in capsys.readouterr().out
    assert "<h1>Speed of realtime-2x</h1>" in page.read_text(encoding="utf-8")
    assert main(["bench", "--size", "16x12", "--report", "speed.txt", *QUICK]) == 2
    assert "does not end in .html" in capsys.readouterr().err
