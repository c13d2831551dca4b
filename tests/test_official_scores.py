"""The published checkpoints score what their author's training logs say, with settings that nobody had to give."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from paragon_core.errors import UnsupportedArchitectureError
from paragon_core.models.model import load
from paragon_core.quality.evaluate import means, read_pairs, score_set
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from pathlib import Path

#: File, revision, PSNR-Y in dB on Set5 and Set14.
FILES = [
    ("v11_2xParagonSR2_Realtime_fidelity", "v11", 36.645, 32.416),
    ("v6_2xParagonSR2_Realtime_fidelity", "v6", 36.690, 32.419),
    ("v9_2xParagonSR2_Stream_fidelity", "v9", 37.417, 32.828),
    ("v11_2xParagonSR2_Stream_fidelity", "v11", 37.233, 32.602),
    ("v9_2xParagonSR2_Photo_fidelity", "v9", 38.034, 33.607),
]


@pytest.mark.parametrize(("file", "revision", "_set5", "_set14"), FILES)
def test_settings_come_from_the_table_of_official_files(
    shared: Path, tmp_path: Path, file: str, revision: str, _set5: float, _set14: float
) -> None:
    """By digest, not by name: people rename files. Nothing is assumed, so nothing is warned about."""
    renamed = shutil.copyfile(shared / "weights" / f"{file}.safetensors", tmp_path / "downloaded.safetensors")
    model = load(renamed)
    assert (model.spec.revision, model.spec.upsampler_alpha, model.spec.scale) == (revision, 0.0, 2)
    assert "official release" in model.settings_from
    if "Photo" in file:
        assert model.spec.window_size == 16
        assert model.settings_from.count("official release") == 2


@pytest.mark.parametrize(
    ("file", "_revision", "set5", "set14"),
    [pytest.param(*case, marks=[pytest.mark.slow] if "Photo" in case[0] else []) for case in FILES],
)
def test_scores_through_onnxruntime(shared: Path, file: str, _revision: str, set5: float, set14: float) -> None:
    """The tests of `evaluate` do the same through the runtime that is chosen by itself, which is OpenVINO.

    For photo they alone score Set14, which takes each runtime half a minute.
    """
    model = load(shared / "weights" / f"{file}.safetensors")
    with Upscaler(model, backend="onnxruntime", precision="fp32", padding="zero") as upscaler:
        for name, psnr_y in [("Set5", set5), ("Set14", set14)][: 1 if "Photo" in file else 2]:
            found = means(score_set(read_pairs(shared / "eval" / name, 2), {"model": upscaler}))
            assert found["model"].psnr_y == pytest.approx(psnr_y, abs=0.01), name


def test_the_network_of_another_family_is_refused_with_its_reason(shared: Path) -> None:
    with pytest.raises(UnsupportedArchitectureError, match="before v5") as caught:
        load(shared / "weights/v2_2xParagonSR2_Nano_Pretrain.safetensors")
    assert "v9 or v11" in caught.value.hint
