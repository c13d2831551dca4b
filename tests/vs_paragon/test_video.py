"""The whole way of a video: an mp4, the source filter, the example script, vspipe, and what a player would see."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from paragon_core.upscaling.trial_images import natural_image
from paragon_core.upscaling.upscaler import Upscaler
from tests.patience import PATIENCE
from tests.vs_paragon.vspipe import PROGRAM, settings

SCRIPT = Path(__file__).parents[2] / "examples" / "upscale.vpy"
RATE = Fraction(24000, 1001)
FRAMES = 6
SIZE = (96, 72)

Planes = list[npt.NDArray[Any]]

#: BT.709 in 0..1: rows Y, Cb, Cr of columns R, G, B.
TO_YUV = np.array(
    [
        [0.2126, 0.7152, 0.0722],
        [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5],
        [0.5, -0.7152 / 1.5748, -0.0722 / 1.5748],
    ]
)


def make_video(path: Path) -> None:
    """Write an mp4 with texture in the luma and colours that change slowly, in BT.709 of limited range."""
    width, height = SIZE
    texture = natural_image()[0, 0]
    y, x = np.mgrid[0:height, 0:width]
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = 1, 1  # BT.709, limited
        context.color_primaries, context.color_trc = 1, 1
        for n in range(FRAMES):
            luma = 40 + 150 * texture[n : n + height, :width]
            chroma = [128 + 40 * np.sin((x + 4 * n) / 30), 128 + 40 * np.cos(y / 30)]
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, values in zip(frame.planes, [luma, *(part[::2, ::2] for part in chroma)], strict=True):
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
                rows[:, : values.shape[1]] = np.rint(values)
            frame.pts = n
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def decode(path: Path) -> tuple[list[Planes], list[Fraction], Any]:
    """Return planes and times of all frames, and the stream."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        frames, times = [], []
        for frame in container.decode(stream):
            assert frame.format.name == "yuv420p"
            assert frame.pts is not None
            assert frame.time_base is not None
            times.append(Fraction(frame.pts * frame.time_base))
            frames.append(
                [
                    np.frombuffer(memoryview(plane), np.uint8)
                    .reshape(-1, plane.line_size)[:, : plane.width]
                    .astype(float)
                    for plane in frame.planes
                ]
            )
        return frames, times, (stream.average_rate, stream.width, stream.height)


def to_rgb(planes: Planes) -> npt.NDArray[np.float32]:
    """Return [h, w, 3] of 0..1; chroma sits left, between two rows."""
    y, *chroma = planes
    height, width = y.shape
    rows, columns = (np.arange(height) - 0.5) / 2, np.arange(width) / 2
    upright = [np.stack([np.interp(rows, np.arange(height // 2), line) for line in part.T]).T for part in chroma]
    full = [np.stack([np.interp(columns, np.arange(width // 2), line) for line in part]) for part in upright]
    yuv = np.stack([(y - 16) / 219, *((part - 128) / 224 for part in full)], axis=-1)
    return np.asarray(yuv @ np.linalg.inv(TO_YUV).T, dtype=np.float32)


def to_yuv(rgb: npt.NDArray[np.float32]) -> Planes:
    """Undo `to_rgb`: 8-bit levels, chroma of the pixels around where it sits."""
    yuv = rgb.astype(float) @ TO_YUV.T
    padded = np.pad(yuv[..., 1:], ((0, 0), (1, 1), (0, 0)), mode="edge")
    left = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:])[:, ::2] / 4
    chroma = (left[::2] + left[1::2]) / 2
    return [16 + 219 * yuv[..., 0], *np.moveaxis(128 + 224 * chroma, -1, 0)]


def test_the_example_script_upscales_a_video(tmp_path: Path) -> None:
    video, result = tmp_path / "video.mp4", tmp_path / "large.y4m"
    make_video(video)
    subprocess.run(
        [PROGRAM, "-c", "y4m", "-a", f"source={video}", SCRIPT, result],
        check=True,
        capture_output=True,
        env=settings(tmp_path),
        timeout=PATIENCE,
    )
    before, times, (rate, *_) = decode(video)
    after, later_times, (later_rate, width, height) = decode(result)
    assert (width, height) == (2 * SIZE[0], 2 * SIZE[1])
    assert len(after) == len(before) == FRAMES
    assert later_rate == rate == RATE
    assert [time - times[0] for time in times] == later_times
    with Upscaler("realtime-2x", precision="fp32", clip=False) as upscale:
        for small, large in zip(before, after, strict=True):
            wanted = to_yuv(upscale(to_rgb(small)))
            for got, expected in zip(large, wanted, strict=True):
                # 1.5 from rounding; the script computes in what "auto" takes, which is off by a level at most.
                assert np.abs(got - expected).max() <= 2.5


def test_the_example_for_ten_bits_goes_through_sixteen(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    make_video(video)
    done = subprocess.run(
        [PROGRAM, "-c", "y4m", "-a", f"source={video}", SCRIPT.with_name("upscale_10bit.vpy"), "-"],
        check=True,
        capture_output=True,
        env=settings(tmp_path),
        timeout=PATIENCE,
    ).stdout
    header, _, rest = done.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 C420p10 ")
    luma = np.frombuffer(rest.removeprefix(b"FRAME\n"), "<u2", count=4 * SIZE[0] * SIZE[1])
    assert (luma % 4 != 0).mean() > 0.5, "levels in between those of eight bits"
