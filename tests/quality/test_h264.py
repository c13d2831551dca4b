"""H.264 and back: colours, sizes, signalling, determinism."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import BackendUnavailableError, InputError, UnsupportedSizeError
from paragon_core.quality.h264 import PRESETS, Preset, _encode, compress, to_rgb, to_yuv420
from paragon_core.quality.metrics import psnr

Pixels = npt.NDArray[np.uint8]

colours = st.tuples(*[st.integers(0, 255)] * 3)


def smooth_clip(height: int, width: int, frames: int = 4) -> list[Pixels]:
    """Return soft waves that move."""
    rows, columns = np.mgrid[:height, :width]
    waves = [
        [np.sin((rows + 2 * time) / 9), np.cos((columns - time) / 7), np.sin((rows + columns) / 11)]
        for time in range(frames)
    ]
    return [(127.5 + 100 * np.stack(wave, axis=2)).round().astype(np.uint8) for wave in waves]


@given(colours)
def test_a_colour_survives_the_planes(colour: tuple[int, int, int]) -> None:
    image = np.full((6, 8, 3), colour, np.uint8)
    assert np.abs(to_rgb(to_yuv420(image)).astype(int) - image).max() <= 2


@pytest.mark.parametrize(
    ("colour", "planes"),
    [
        ((255, 255, 255), (235, 128, 128)),
        ((0, 0, 0), (16, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_the_planes_are_those_of_bt709(colour: tuple[int, int, int], planes: tuple[int, int, int]) -> None:
    found = to_yuv420(np.full((2, 2, 3), colour, np.uint8)).ravel()
    assert found.tolist() == [planes[0]] * 4 + list(planes[1:])


def test_chroma_sits_on_the_left() -> None:
    # Red that grows along the columns: interpolation gives it back where it is, not half a pixel off.
    ramp = np.zeros((8, 32, 3), np.uint8)
    ramp[..., 0] = np.arange(32) * 6 + 30
    assert np.abs(to_rgb(to_yuv420(ramp)).astype(int) - ramp)[:, 2:-2].max() <= 2


def test_a_fine_clip_comes_back_nearly_as_it_was_and_a_coarse_one_worse() -> None:
    clip = smooth_clip(48, 64)
    fine, coarse = (np.mean([psnr(*pair) for pair in zip(compress(clip, crf=crf), clip, strict=True)])
                    for crf in (4, 40))  # fmt: skip
    assert fine > 42
    assert coarse < fine - 8


@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_clip_gives_the_same_pixels(preset: Preset) -> None:
    # Long enough for B frames, and noisy: there x264's macroblock tree was never twice the same.
    generator = np.random.default_rng(0)
    clip = [
        np.clip(frame + generator.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)
        for frame in smooth_clip(96, 96, 8)
    ]
    assert len({np.stack(compress(clip, crf=27, preset=preset)).tobytes() for _ in range(6)}) == 1


@settings(max_examples=8)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 5))
def test_every_size_and_length_comes_back(height: int, width: int, frames: int) -> None:
    decoded = compress(smooth_clip(height, width, frames), crf=28, preset="superfast")
    assert [frame.shape for frame in decoded] == [(height, width, 3)] * frames


def test_the_stream_says_what_it_is_and_its_frames_refer_to_one_another() -> None:
    av = pytest.importorskip("av")
    decoder = av.CodecContext.create("h264", "r")
    packets = _encode([to_yuv420(frame) for frame in smooth_clip(64, 64, 10)], crf=23, preset="medium")
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    assert {(int(frame.colorspace), int(frame.color_range)) for frame in frames} == {(1, 1)}
    assert len({frame.pict_type for frame in frames}) == 3  # I, P and B
    assert (decoder.color_primaries, decoder.color_trc) == (1, 1)


@pytest.mark.parametrize(("crf", "preset"), [(0.0, "medium"), (52.0, "medium"), (float("nan"), "medium"), (23, "hard")])
def test_impossible_settings_are_refused(crf: float, preset: str) -> None:
    with pytest.raises(InputError, match="crf"):
        compress(smooth_clip(16, 16), crf=crf, preset=preset)  # type: ignore[arg-type]


def test_a_clip_needs_frames_of_one_size() -> None:
    for clip in ([], [*smooth_clip(16, 16), *smooth_clip(16, 18)]):
        with pytest.raises(UnsupportedSizeError):
            compress(clip, crf=23)


def test_without_pyav_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BackendUnavailableError) as caught:
        compress(smooth_clip(16, 16), crf=23)
    assert "pip install" in caught.value.hint
