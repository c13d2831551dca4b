from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.quality.resize import resize
from paragon_core.training.moving_clips import FRAMES, join_in_grid, moving_clip, split_grid

if TYPE_CHECKING:
    import numpy.typing as npt

    Images = list[npt.NDArray[np.uint8]]


@given(kept=st.integers(0, FRAMES - 1), seed=st.integers(0, 2**32))
def test_the_kept_frame_shows_the_image_itself(images: Images, kept: int, seed: int) -> None:
    clip = moving_clip(images[0], 2, kept, np.random.default_rng(seed))
    assert len(clip) == FRAMES
    assert {frame.shape for frame in clip} == {(48, 48, 3)}
    assert np.array_equal(clip[kept], resize(images[0], 48, 48))


def test_most_clips_move_and_slowly(images: Images) -> None:
    moving = 0
    for seed in range(20):
        before, kept = moving_clip(images[0], 2, 3, np.random.default_rng(seed))[2:4]
        best = min(
            np.abs(np.roll(before, (down, right), (0, 1)) - kept)[4:-4, 4:-4].mean()
            for down in range(-2, 3)
            for right in range(-2, 3)
        )
        assert best < 12  # half a pixel is left; two places of the image that have nothing in common differ by 60
        moving += not np.array_equal(before, kept)
    assert 8 < moving < 20


@given(height=st.integers(1, 40), width=st.integers(1, 40), count=st.integers(1, 9), seed=st.integers(0, 99))
def test_what_lies_side_by_side_comes_apart_again(height: int, width: int, count: int, seed: int) -> None:
    clips = np.random.default_rng(seed).integers(0, 256, (count, 2, height, width, 3), np.uint8)
    video = join_in_grid(list(clips))
    assert len(video) == 2
    assert all(side % 16 == 0 for frame in video for side in frame.shape[:2])
    for time, frame in enumerate(video):
        assert np.array_equal(split_grid(frame, height, width, count), clips[:, time])
