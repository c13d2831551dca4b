"""Sound that the new container does not hold as it is."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.media.video.upscale import upscale_video
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path


def make(
    path: Path,
    codec: str,
    rate: int,
    layout: str,
    *,
    gap: tuple[int, int] = (0, 0),
    container_format: str | None = None,
) -> Path:
    """Write a second of video with a tone; its packets of ``gap`` are left out."""
    with av.open(str(path), "w", format=container_format) as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate)
        sound.codec_context.layout = layout
        container.start_encoding()
        for number in range(25):
            container.mux(video.encode(videos.moving_frame(number, (64, 48), "yuv420p")))
        container.mux(video.encode(None))
        step = sound.codec_context.frame_size or rate // 50
        packets = []
        for start in range(0, rate - step + 1, step):
            wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(start, start + step) / rate)
            values = np.repeat(wave[None].astype(np.float32), sound.codec_context.layout.nb_channels, axis=0)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            packets += sound.encode(frame)
        packets += sound.encode(None)
        for number, packet in enumerate(packets):
            if not gap[0] <= number < gap[1]:
                container.mux(packet)
    return path


def heard(path: Path) -> tuple[Any, np.ndarray[Any, Any], float]:
    """Return the stream, its first channel as float, and the time of the first sample."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        frames = [each for frame in container.decode(stream) for each in resampler.resample(frame)]
        begin = float(frames[0].pts * Fraction(frames[0].time_base))
        return stream.codec_context, np.concatenate([frame.to_ndarray()[0] for frame in frames]), begin


@pytest.mark.parametrize(
    ("rate", "layout", "becomes"),
    [
        (22254, "mono", (22050, 1)),
        (192000, "stereo", (96000, 2)),
        (48000, "6.1", (48000, 6)),
        (3000, "mono", (7350, 1)),
    ],
)
def test_sound_that_aac_cannot_have_becomes_what_is_nearest(
    tmp_path: Path, rate: int, layout: str, becomes: tuple[int, int]
) -> None:
    source = make(tmp_path / "a.mkv", "pcm_s16le", rate, layout)
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False))
    (note,) = result.notes
    assert "AAC" in note
    assert "instead of" in note
    context, samples, begin = heard(tmp_path / "b.mp4")
    assert (context.name, context.sample_rate, context.layout.nb_channels) == ("aac", *becomes)
    assert begin + len(samples) / becomes[0] == pytest.approx(1, abs=0.15)
    crossings = np.count_nonzero(np.diff(np.signbit(samples[len(samples) // 4 : -len(samples) // 4])))
    assert crossings / (len(samples) / 2 / becomes[0]) == pytest.approx(880, rel=0.03)


@pytest.mark.parametrize("extension", [".mkv", ".mov"])
@pytest.mark.parametrize(("codec", "depth"), [("pcm_dvd", 16), ("pcm_s24be", 24)])
def test_pcm_stays_pcm_where_that_can_be(tmp_path: Path, extension: str, codec: str, depth: int) -> None:
    name, container_format = ("a.vob", "vob") if codec == "pcm_dvd" else ("a.mov", None)
    source = make(tmp_path / name, codec, 48000, "stereo", container_format=container_format)
    upscale_video(source, tmp_path / f"b{extension}", shared_upscaler(clip=False))
    context, samples, _ = heard(tmp_path / f"b{extension}")
    assert context.name in {f"pcm_s{depth}le", f"pcm_s{depth}be"}
    wanted = heard(source)[1]
    assert np.array_equal(samples[: len(wanted)], wanted[: len(samples)])


def test_what_is_missing_in_sound_is_silence(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv", "pcm_s16le", 48000, "mono", gap=(20, 35))
    upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False))
    _, samples, begin = heard(tmp_path / "b.mp4")
    loud = np.abs(samples) > 0.05
    times = begin + np.flatnonzero(loud) / 48000
    assert times[-1] == pytest.approx(1, abs=0.06)
    assert not loud[(np.arange(len(samples)) / 48000 > 0.45) & (np.arange(len(samples)) / 48000 < 0.65)].any()


def test_copied_sound_keeps_its_bytes_where_times_go_back(tmp_path: Path) -> None:
    parts = [make(tmp_path / f"{number}.ts", "mp2", 48000, "stereo") for number in range(2)]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    upscale_video(tmp_path / "a.ts", tmp_path / "b.mp4", shared_upscaler(clip=False))
    before = [data for _, data in videos.packets_of(tmp_path / "a.ts", "audio")]
    after = videos.packets_of(tmp_path / "b.mp4", "audio")
    assert [data for _, data in after] == before
    times = [time for time, _ in after]
    assert times == sorted(set(times))
