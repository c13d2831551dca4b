from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.backends import BACKENDS
from paragon_core.cli.main import main
from paragon_core.upscaling.precision import min_psnr
from tests.quality.odd_backends import Absent, Odd, not_numbers, off, right

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHELSEA = str(Path(__file__).parents[2] / "examples/chelsea.png")
FIELDS = {"backend", "precision", "status", "used_by_auto", "why", "max_error", "psnr", "seconds", "speed"}


def answered(capsys: pytest.CaptureFixture[str], arguments: Sequence[str], code: int = 0) -> Any:
    assert main(["verify", "realtime-2x", "--rounds", "1", "--json", *arguments]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.openvino
def test_a_photo(capsys: pytest.CaptureFixture[str]) -> None:
    facts = answered(capsys, ["--backends", "onnxruntime,openvino", "--input", CHELSEA])
    assert facts["ok"]
    assert facts["picture"] == {"path": CHELSEA, "width": 451, "height": 300}
    assert facts["allowed"] == {"max_error": 1 / 255, "psnr": min_psnr(8)}
    assert facts["model"]["name"] == "realtime-2x"
    assert [each["backend"] for each in facts["results"]] == ["onnxruntime"] * 3 + ["openvino"] * 3
    for each in facts["results"]:
        assert set(each) == FIELDS
        assert (each["max_error"] is None) == (each["status"] == "not here")
    exact = [each for each in facts["results"] if each["precision"] == "fp32"]
    assert all(each["max_error"] < 1e-4 and each["psnr"] > 100 for each in exact)


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "realtime-2x", "--rounds", "1", "--backends", "onnxruntime"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.isascii()
    assert "onnxruntime  fp32       right" in output.out
    assert "onnxruntime: fp32; nothing is faster than fp32 here" in output.out
    assert "onnxruntime fp16: ONNX Runtime on the CPU does not run fp16" in output.out


@pytest.mark.parametrize("fault", [off, not_numbers])
def test_wrong_pixels_end_with_code_1(
    fault: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(BACKENDS, "odd", Odd(fp32=fault))
    facts = answered(capsys, ["--backends", "odd,onnxruntime"], code=1)
    assert not facts["ok"]
    assert {each["backend"]: each["status"] for each in facts["results"] if each["precision"] == "fp32"} == {
        "odd": "wrong",
        "onnxruntime": "right",
    }
    assert main(["verify", "realtime-2x", "--rounds", "1", "--backends", "odd"]) == 1
    assert "paragon: error: odd fp32: " in capsys.readouterr().err


def test_a_precision_that_is_not_trusted_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(BACKENDS, "odd", Odd(fast="bf16", fp32=right, bf16=off))
    facts = answered(capsys, ["--backends", "odd"])
    used = {each["precision"]: each["used_by_auto"] for each in facts["results"]}
    assert used == {"fp32": True, "fp16": False, "bf16": False}
    assert "off by up to 2 levels of 8 bits" in facts["results"][-1]["why"]
    assert "1 level, 54.2 dB are allowed" in facts["results"][-1]["why"]


def test_what_does_not_work_here(offer: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    offer(BACKENDS["onnxruntime"], Absent())
    assert answered(capsys, [])["missing"] == [
        {"backend": "absent", "reason": "nobody has it", "hint": "pip install it"}
    ]
    assert main(["verify", "realtime-2x", "--rounds", "1"]) == 0
    assert "absent: nobody has it" in capsys.readouterr().out
    assert main(["verify", "realtime-2x", "--backends", "absent"]) == 3  # whoever names one wants just that
    assert "pip install it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["realtime-2x", "--backends", "abacus"],
        ["realtime-2x", "--backends", "auto"],
        ["realtime-2x", "--backends", "openvino,"],
        ["realtime-2x", "--input", "missing.png"],
        ["realtime-2x", "--rounds", "0"],
    ],
)
def test_mistakes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *arguments]) == 2
    assert capsys.readouterr().out == ""
