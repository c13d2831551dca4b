"""No frame is black because the network left the range of its numbers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
import vapoursynth as vs

import vs_paragon
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.upscaling.trial_images import trial_images
from tests.models.checkpoint_files import safetensors_file
from tests.random_models import overflowing_arrays, random_model, spec
from tests.vs_paragon.clips import clip_of, natural_clip, planes_of

if TYPE_CHECKING:
    from pathlib import Path

REDUCED = OpenVinoBackend().reduced_precisions("cpu")


@pytest.mark.parametrize("backend", ["ov", "ort", "openvino", "onnxruntime"])
def test_a_frame_that_overflows_in_fp32_is_an_error(backend: str, tmp_path: Path) -> None:
    arrays = dict(random_model(spec("realtime", upsampler_alpha=0.0)).arrays)
    arrays["conv_in.weight"] = np.full_like(arrays["conv_in.weight"], 3e38)
    path = tmp_path / "huge.safetensors"
    path.write_bytes(safetensors_file(arrays))
    source = natural_clip().resize.Bicubic(format=vs.RGB24)
    clip = vs_paragon.upscale(source, str(path), backend=backend, upsampler_alpha=0.0)
    with pytest.raises(vs.Error, match=r"paragon\.Upscale: .*not numbers"):
        clip.get_frame(0)


@pytest.mark.skipif("fp16" not in REDUCED, reason="needs a processor with half-precision instructions")
@pytest.mark.parametrize("backend", ["ov", "openvino"])
def test_fp32_takes_over_for_frames_that_overflow(
    backend: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "overflowing.safetensors"
    path.write_bytes(safetensors_file(overflowing_arrays()))
    hard = list(trial_images()["checkers"].transpose(2, 0, 1))
    dark = [plane // 8 for plane in hard]
    clip = clip_of([dark, hard, dark], vs.RGB24)
    reduced, exact = (
        vs_paragon.upscale(clip, str(path), backend=backend, precision=precision, upsampler_alpha=0.0)
        for precision in ("fp16", "fp32")
    )
    with caplog.at_level(logging.WARNING):
        results = [np.stack(planes_of(reduced, n)).astype(int) for n in range(3)]
    assert np.abs(results[1] - np.stack(planes_of(exact, 1))).max() <= (0 if backend == "ov" else 1)
    assert np.array_equal(results[0], results[2])
    assert sum("takes over" in record.getMessage() for record in caplog.records) == 1
