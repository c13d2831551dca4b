"""Scores on compressed frames."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import UnsupportedSizeError
from paragon_core.quality.evaluate import make_pair, upscale_classically
from paragon_core.quality.metrics import luma, psnr
from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.quality.video import FRAMES, PANS, SCORED, compressed_pairs, main, score_compressed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def waves(height: int, width: int) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    levels = [np.sin(rows / 5) * np.cos(columns / 4), np.cos((rows + columns) / 6), np.sin(columns / 3)]
    return (127.5 + 110 * np.stack(levels, axis=2)).round().astype(np.uint8)


@given(st.sampled_from(PANS))
def test_a_frame_shows_the_same_place_as_its_window(pan: tuple[int, int]) -> None:
    pairs = list(compressed_pairs(make_pair("waves", waves(98, 110), 2), pan=pan, crf=2, blur=0))
    assert len(pairs) == len(SCORED)
    for pair in pairs:
        height, width, _ = pair.low.shape
        assert pair.high.shape == (2 * height, 2 * width, 3)
        assert psnr(luma(round_to_uint8(resize(pair.high, height, width))), luma(pair.low)) > 35


def test_the_window_moves_unless_the_clip_stands_still() -> None:
    pair = make_pair("waves", waves(98, 110), 2)
    moving, still = (list(compressed_pairs(pair, pan=pan, crf=20)) for pan in ((3, 1), (0, 0)))
    assert not np.array_equal(moving[0].high, moving[1].high)
    assert np.array_equal(still[0].high, still[1].high)


def test_stronger_compression_and_more_blur_cost() -> None:
    pairs = [make_pair("waves", waves(98, 110), 2)]
    methods = {"bicubic": partial(upscale_classically, scale=2, kernel="cubic")}
    scores = [score_compressed(pairs, methods, crf=crf, blur=blur)["bicubic"].psnr_y
              for crf, blur in ((20, 0), (40, 0), (40, 2))]  # fmt: skip
    assert scores == sorted(scores, reverse=True)


def test_too_small_a_image_is_refused() -> None:
    with pytest.raises(UnsupportedSizeError, match="too small"):
        list(compressed_pairs(make_pair("small", waves(3 * FRAMES - 6, 40), 2), pan=(3, 0), crf=23))


def test_the_command_prints_every_crf_and_their_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(waves(64, 72)).save(tmp_path / "waves.png")
    command = ["--data", str(tmp_path), "--model", "realtime-2x", "--crf", "24", "30"]
    assert main(command) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split()[-3:] == ["bicubic", "lanczos", "realtime-2x"]
    assert [row.split()[1] for row in rows] == ["CRF", "CRF", "mean"]
    first, second, mean = (float(row.split()[-3]) for row in rows)
    assert mean == pytest.approx((first + second) / 2, abs=1e-3)


def test_models_of_different_scales_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--model", "realtime-2x", "--model", "realtime-4x"]) == 2
    assert "scale" in capsys.readouterr().err
