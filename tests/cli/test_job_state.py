from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.cli.console import columns_of
from paragon_core.cli.job_state import JobState, rate_text, size_text

VIDEO = JobState(
    files=3,
    done=1,
    source=Path("videos", "holiday.mkv"),
    kind="video",
    share=0.45,
    frame=1234,
    frames=5000,
    video_seconds=41.1,
    video_length=166.6,
    rate=23.42,
    seconds_left=754.0,
    file_seconds_left=160.8,
    written=12_300_000,
)
PHOTOS = JobState(files=340, done=12, source=Path("photo.jpg"), share=0.0353, rate=3.44, seconds_left=95.2)
FULL = "[#########-----------] 1/3  holiday.mkv  frame 1234/5000  0:41/2:47  23.4 frames/s  12:34 left"


def test_the_line() -> None:
    assert VIDEO.line(120) == FULL
    assert PHOTOS.line(120) == "[#-------------------] 12/340  photo.jpg  3.44 images/s  1:35 left"
    alone = replace(VIDEO, files=1, done=0)
    assert alone.line(120) == "[#########-----------] frame 1234/5000  0:41/2:47  23.4 frames/s  12:34 left"
    assert JobState(files=1, done=0, share=0.0).line(80) == "[--------------------]"


def test_what_matters_least_goes_first_where_columns_are_few() -> None:
    assert VIDEO.line(len(FULL) - 1) == FULL.replace("  holiday.mkv", "")
    assert VIDEO.line(70) == "[#########-----------] 1/3  frame 1234/5000  23.4 frames/s  12:34 left"
    assert VIDEO.line(60) == "[#########-----------] 1/3  frame 1234/5000  12:34 left"
    assert VIDEO.line(40) == "1/3  frame 1234/5000  12:34 left"
    assert VIDEO.line(20) == "1/3  12:34 left"
    assert VIDEO.line(12) == "12:34 left"


@given(
    st.builds(
        JobState,
        files=st.integers(1, 10**6),
        done=st.integers(0, 10**6),
        source=st.none() | st.text(min_size=1, max_size=300).map(Path),
        kind=st.sampled_from(["image", "video"]),
        share=st.none() | st.floats(0, 1),
        frame=st.none() | st.integers(0, 10**7),
        frames=st.none() | st.integers(1, 10**7),
        video_seconds=st.none() | st.floats(0, 1e6),
        video_length=st.none() | st.floats(0, 1e6),
        rate=st.none() | st.floats(1e-6, 1e6),
        seconds_left=st.none() | st.floats(0, 1e9),
        file_seconds_left=st.none() | st.floats(0, 1e9),
    ),
    st.integers(40, 300),
)
def test_it_fits_and_is_printable_whatever_it_holds(state: JobState, columns: int) -> None:
    line = state.line(columns)
    assert columns_of(line) <= columns
    assert line.isprintable()
    assert set(state.fields()) == set(VIDEO.fields())


def test_long_names_are_cut_in_the_middle() -> None:
    state = replace(PHOTOS, source=Path("a" * 40 + "_the end.png"))
    assert "  aaaaaaaaaaaa...a_the end.png  " in state.line(120)


def test_the_line_of_a_log() -> None:
    assert VIDEO.log_line() == (
        f"paragon: {VIDEO.source}: file 2 of 3, 45%, frame 1234/5000, 0:41/2:47, 23.4 frames/s, 12:34 left"
    )
    assert PHOTOS.log_line() == "paragon: photo.jpg: file 13 of 340, 4%, 3.44 images/s, 1:35 left"


def test_without_an_estimate_for_all_that_of_the_file_is_shown() -> None:
    assert replace(VIDEO, seconds_left=None).line(120).endswith("2:41 left of this file")


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0344, "0.034"), (0.5, "0.50"), (9.876, "9.88"), (23.42, "23.4"), (480.2, "480")]
)
def test_rates(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 kB"),
        (3, "0.1 kB"),
        (349_900, "349.9 kB"),
        (2_450_000, "2.45 MB"),
        (31_200_000, "31.2 MB"),
        (12 * 10**9, "12.0 GB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text
