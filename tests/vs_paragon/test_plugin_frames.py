"""Frames through a Python function, with the plugin and without."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import vapoursynth as vs

from paragon_core.errors import InputError
from tests.patience import PATIENCE
from tests.vs_paragon.clips import clip_of
from vs_paragon import modify_frames as module
from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LENGTH = 30

WAYS: list[Callable[..., vs.VideoNode]] = [
    modify_frames,
    lambda template, clips, function, *, offsets=(): module._with_standard_filters(template, clips, function, offsets),  # noqa: SLF001
]

way = pytest.mark.parametrize("modify", WAYS, ids=["plugin", "standard filters"])


@pytest.fixture(params=[1, 8])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Number of VapourSynth's threads."""
    before, vs.core.num_threads = vs.core.num_threads, request.param
    yield request.param
    vs.core.num_threads = before


def numbered(length: int = LENGTH) -> vs.VideoNode:
    """Return a clip whose pixels are the numbers of its frames."""
    return clip_of([[np.full((6, 8), n)] for n in range(length)], vs.GRAY8)


def template() -> vs.VideoNode:
    return vs.core.std.BlankClip(format=vs.GRAY16, width=4, height=2, length=LENGTH, fpsnum=30000, fpsden=1001)


def numbers(n: int, frames: list[vs.VideoFrame]) -> vs.VideoFrame:
    """Return a frame that says which frames it was made from."""
    result = vs.core.create_video_frame(vs.GRAY16, 4, 2)
    np.asarray(result[0])[0, : len(frames)] = [np.asarray(frame[0])[0, 0] for frame in frames]
    result.props["Number"] = n
    return result


@way
@pytest.mark.usefixtures("threads")
def test_frames_come_from_where_they_were_asked_for(modify: Callable[..., vs.VideoNode]) -> None:
    source = numbered()
    result = modify(template(), [source, source, source, numbered(10)], numbers, offsets=[0, 2, -3, 1])
    assert (result.format.id, result.width, result.height) == (vs.GRAY16, 4, 2)
    assert (result.num_frames, result.fps) == (LENGTH, template().fps)
    for n, frame in enumerate(result.frames()):
        wanted = [n, max(0, n - 2), min(LENGTH - 1, n + 3), min(max(0, n - 1), 9)]
        assert np.asarray(frame[0])[0].tolist() == wanted
        assert frame.props["Number"] == n


@way
def test_far_offsets_stop_at_the_ends(modify: Callable[..., vs.VideoNode]) -> None:
    result = modify(template(), [numbered(), numbered()], numbers, offsets=[99, -99])
    assert np.asarray(result.get_frame(7)[0])[0, :2].tolist() == [0, LENGTH - 1]


@way
def test_it_runs_on_all_threads_at_once(modify: Callable[..., vs.VideoNode], threads: int) -> None:
    together = threading.Barrier(min(threads, 4))

    def wait(n: int, frames: list[vs.VideoFrame]) -> vs.VideoFrame:
        together.wait(timeout=PATIENCE)
        return numbers(n, frames)

    assert sum(1 for _ in modify(template()[:16], [numbered()], wait).frames()) == 16


@way
def test_what_it_raises_is_the_error(modify: Callable[..., vs.VideoNode]) -> None:
    def fail(n: int, _frames: list[vs.VideoFrame]) -> vs.VideoFrame:
        raise InputError(f"frame {n} is odd", hint="make it even")

    with pytest.raises(vs.Error) as caught:
        modify(template(), [numbered()], fail).get_frame(3)
    text = str(caught.value).rstrip()
    assert text.endswith("paragon.Upscale: frame 3 is odd (make it even)")
    assert modify is not modify_frames or "Traceback" not in text


@way
def test_it_says_what_it_cannot_take(modify: Callable[..., vs.VideoNode]) -> None:
    with pytest.raises(vs.Error, match="offsets must be as many as clips"):
        modify(template(), [numbered()], numbers, offsets=[1, 2])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda n, f: f[0], "the function returned a frame of 8x6 Gray8 instead of 4x2 Gray16"),  # noqa: ARG005
        (lambda n, f: vs.core.create_video_frame(vs.GRAY16, 4, 4), "a frame of 4x4 Gray16 instead"),  # noqa: ARG005
        (lambda n, f: vs.core.create_video_frame(vs.GRAY14, 4, 2), "4x2 Gray14 instead of 4x2 Gray16"),  # noqa: ARG005
        (lambda n, f: vs.core.std.BlankAudio().get_frame(0), "the function returned audio"),  # noqa: ARG005
        (lambda n, f: n, "the function returned no frame"),  # noqa: ARG005
    ],
)
def test_a_frame_that_does_not_fit_is_an_error(answer: Callable[..., Any], text: str) -> None:
    with pytest.raises(vs.Error, match=text):
        modify_frames(template(), [numbered()], answer).get_frame(0)


def test_an_error_does_not_stop_the_other_frames() -> None:
    def fail(n: int, frames: list[vs.VideoFrame]) -> vs.VideoFrame:
        if n % 2:
            raise InputError("odd")
        return numbers(n, frames)

    clip = modify_frames(template(), [numbered()], fail)
    outcomes = [clip.get_frame_async(n).exception(timeout=PATIENCE) is None for n in range(LENGTH)]
    assert outcomes == [n % 2 == 0 for n in range(LENGTH)]


def test_errors_of_its_sources_come_through() -> None:
    def fail(n: int, frames: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001
        raise InputError("the source is odd")

    broken = modify_frames(template(), [numbered()], fail)
    with pytest.raises(vs.Error, match="the source is odd"):
        modify_frames(template(), [broken, numbered()], numbers).get_frame(0)


@pytest.mark.usefixtures("threads")
def test_python_may_be_busy_meanwhile() -> None:
    clip = modify_frames(template(), [numbered()], numbers)
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            time.sleep(0)

    spinning = [threading.Thread(target=spin) for _ in range(3)]
    for thread in spinning:
        thread.start()
    frames = [clip.get_frame_async(n) for n in range(LENGTH)]
    assert [frame.result(timeout=PATIENCE).props["Number"] for frame in frames] == list(range(LENGTH))
    stop.set()
    for thread in spinning:
        thread.join()
