"""The network over the frames of a video: several at once, the detail smoothed over time where that is wanted."""

from __future__ import annotations

from collections import defaultdict, deque
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from paragon_core.media.prefetch import completed
from paragon_core.media.video.colour import FLOAT
from paragon_core.media.video.conversion import new_planes
from paragon_core.media.video.frames import colour_of, fill, planes_of
from paragon_core.media.video.stage_times import NOT_MEASURED
from paragon_core.upscaling.precision import FLOAT_BITS
from paragon_core.upscaling.resize import resize_plane
from paragon_core.upscaling.temporal import (
    blend,
    frames_since_cut,
    is_scene_cut,
    mean_luma,
    smoothing_weights,
    window_length,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from av import VideoFrame

    from paragon_core.media.video.chroma import MakePlanes, Plane
    from paragon_core.media.video.colour import VideoColour
    from paragon_core.media.video.rotation import Rotation
    from paragon_core.media.video.source import Step
    from paragon_core.media.video.stage_times import StageTimes
    from paragon_core.upscaling.output_size import Size
    from paragon_core.upscaling.upscaler import Upscaler


class PlanePool:
    """Planes that are lent again and again: memory that is new to a process takes as long as writing to it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._free: defaultdict[tuple[int, ...], list[list[Plane]]] = defaultdict(list)

    @contextmanager
    def lend(self, count: int, shape: tuple[int, int]) -> Iterator[list[Plane]]:
        """Lend ``count`` planes of a shape for the time of a block; what is in them is arbitrary."""
        free = self._free[count, *shape]
        try:
            planes = free.pop()  # not a test before it: another thread may take the last
        except IndexError:
            planes = new_planes(count, shape)
        yield planes
        free.append(planes)  # not after an error, which ends the video


class FrameUpscaler:
    """Upscales the frames of one video, given in their order, on other threads; after its block, no more."""

    def __init__(
        self,
        upscaler: Upscaler,
        executor: Executor,
        *,
        temporal: float,
        rotation: Rotation,
        runs: int,
        size: Size,
        blank: Callable[[], VideoFrame],
        colour: VideoColour,
        times: StageTimes = NOT_MEASURED,
    ) -> None:
        """Begin with a video's first frame.

        Args:
            upscaler: the network.
            executor: threads; tasks must start in the order in which they are given.
            temporal: strength of the smoothing, 0 to 0.9.
            rotation: what makes frames upright.
            runs: number of times that the network runs over a frame.
            size: width and height that upright frames are resized to afterwards.
            blank: makes a frame to be filled with the result.
            colour: how its samples are to be written.
            times: where the time of each stage is added up.

        """
        self._upscaler = upscaler
        self._executor = executor
        self._temporal = temporal
        self._rotation = rotation
        self._runs = runs
        self._size = size
        self._blank = blank
        self._colour = colour
        self._times = times
        self._window: deque[Future[tuple[list[Plane], float]]] = deque(maxlen=window_length(temporal))
        self._pool = PlanePool()
        self._count = 0
        self._over = False

    def __enter__(self) -> Self:
        """Return the frame_upscaler itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End what is under way: with a larger network, a frame can take minutes that nobody waits for any more."""
        self._over = True

    def begin(self, step: Step) -> Future[Step]:
        """Have the next frame upscaled; a step without a frame comes back as it is."""
        if step.frame is None:
            return completed(step)
        if not self._temporal:
            return self._executor.submit(self._upscaled, step, step.frame)
        self._window.appendleft(self._executor.submit(self._measured, step.frame))
        self._count += 1
        whole = self._count == len(self._window)
        return self._executor.submit(self._smoothed, step, step.frame, list(self._window), whole=whole)

    def skip(self, frame: VideoFrame) -> None:
        """Pass over a frame that no later one is smoothed with."""
        del frame
        self._count += 1

    def prime(self, frame: VideoFrame) -> None:
        """Pass over a frame that later ones may be smoothed with."""
        self._count += 1
        if self._temporal:
            self._window.appendleft(self._executor.submit(self._measured, frame))

    def _upright_planes(self, frame: VideoFrame, make_planes: MakePlanes) -> list[Plane]:
        with self._times.spent("colour in"):
            return [self._rotation.apply(plane) for plane in planes_of(frame, colour_of(frame), make_planes)]

    def _measured(self, frame: VideoFrame) -> tuple[list[Plane], float]:
        planes = self._upright_planes(frame, new_planes)  # others look at them later
        with self._times.spent("smoothing"):
            return planes, mean_luma(planes)

    def _smoothed(
        self, step: Step, frame: VideoFrame, window: Sequence[Future[tuple[list[Plane], float]]], *, whole: bool
    ) -> Step:
        """Upscale a frame with the details of it and those before; ``whole``: the oldest is the first of the video."""
        # Asked for before this one, so they are under way and waiting for them comes to an end.
        measured = [each.result() for each in window]
        starts = [is_scene_cut(now[1], before[1]) for now, before in pairwise(measured)]
        weights = smoothing_weights(self._temporal, frames_since_cut([*starts, whole]))
        with self._times.spent("smoothing"):
            detail = blend([planes for planes, _ in measured], weights)
        return self._result(step, frame, measured[0][0], detail)

    def _upscaled(self, step: Step, frame: VideoFrame) -> Step:
        with ExitStack() as lent:
            planes = self._upright_planes(frame, partial(self._lend, lent))
            return self._result(step, frame, planes, None)

    def _result(self, step: Step, frame: VideoFrame, planes: Sequence[Plane], detail: Sequence[Plane] | None) -> Step:
        result = self._blank()
        finite = colour_of(frame).bits != FLOAT
        with ExitStack() as lent:
            for _ in range(self._runs):
                height, width = (side * self._upscaler.scale for side in planes[0].shape)
                out = self._lend(lent, len(planes), (height, width))
                with self._times.spent("network"):
                    self._upscaler.upscale_planes(
                        planes,
                        out,
                        detail=detail,
                        bits=min(self._colour.bits, FLOAT_BITS),
                        finite=finite,
                        progress=self._end_if_over,
                    )
                planes, detail, finite = out, None, True  # it is smooth now, and looked at by the upscaler
            with self._times.spent("colour out"):
                fill(result, [resize_plane(plane, self._size) for plane in planes], self._colour)
        result.pts, result.time_base = frame.pts, frame.time_base
        return replace(step, frame=result)

    def _lend(self, lent: ExitStack, count: int, shape: tuple[int, int]) -> list[Plane]:
        """Return planes until ``lent`` closes."""
        return lent.enter_context(self._pool.lend(count, shape))

    def _end_if_over(self, _done: int, _total: int) -> None:
        if self._over:
            raise CancelledError
