"""Frames a second of the stages of a video, each alone, and of the whole, on the same 720p clip.

    python -m benchmarks.video_stages [--model realtime-2x] [--size 1280x720] [--frames 48] [--rounds 3] [--output FILE]

Each stage runs alone over frames that are in memory, in one thread (codecs and runtimes start their own); the slowest
is the limit of the whole. ``film`` is `upscale_video`, and ``film, measured`` the same with the times of its stages, in
turns with it: what measuring costs. The last table is what `paragon upscale --debug` prints.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import av

from benchmarks import films
from paragon_core import Upscaler
from paragon_core.benchmark.bench import describe_machine, time_interleaved
from paragon_core.cli.stage_profile import StageProfile, network_cpu
from paragon_core.cores import usable_cores
from paragon_core.media.video.conversion import new_planes
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.frames import colour_of, fill, planar_format, planes_of
from paragon_core.media.video.observer import VideoObserver
from paragon_core.media.video.stage_times import MeasuredTimes
from paragon_core.media.video.upscale import upscale_video

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paragon_core.media.video.encoding import FrameFormat

ENCODING = VideoEncoding(codec="h264")

#: Frames that the stages between the codecs go round in: more would not fit into memory.
IN_MEMORY = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Frames a second of the stages of a video.")
    parser.add_argument("--model", default="realtime-2x")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--size", default="1280x720", metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split("x"))
    machine = describe_machine(films.PACKAGES)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    with (
        tempfile.TemporaryDirectory() as folder,
        Upscaler(options.model, backend=options.backend, concurrency=usable_cores()) as upscaler,
    ):
        film = Path(folder) / "film.mkv"
        films.write_film(film, films.moving(width, height), options.frames)
        ways = stages(film, Path(folder), upscaler, options.frames)
        profiles: list[StageProfile] = []
        ways["film"] = films.film_upscaled(film, Path(folder) / "a.mkv", upscaler, ENCODING)
        ways["film, measured"] = measured(film, Path(folder) / "b.mkv", upscaler, profiles)
        timings = time_interleaved(ways, rounds=options.rounds)
        backend = upscaler.backend
    print(f"\n{options.model} in {backend}, {options.size}, {options.frames} frames, cores: {usable_cores()}\n")
    print("| stage | frames/s | CPU ms a frame |\n|---|---:|---:|")
    for name, timing in timings.items():
        print(
            f"| {name} | {options.frames / timing.wall_median:.1f} | {1000 * timing.cpu_median / options.frames:.2f} |"
        )
    cost = timings["film, measured"].ratio_to(timings["film"]) - 1
    print(f"\nmeasuring: {cost:+.2%} of CPU time; {1e6 * cost_of_a_stage():.2f} us a stage of a frame, alone\n")
    print("\n".join(profiles[-1].lines()))
    if options.output:
        report = {
            "machine": machine,
            "case": {"model": options.model, "backend": backend, "size": options.size, "frames": options.frames},
            "stages": {name: asdict(timing) for name, timing in timings.items()},
            "profile": profiles[-1].fields(),
        }
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def stages(film: Path, folder: Path, upscaler: Upscaler, count: int) -> dict[str, Callable[[], object]]:
    """Return an action for each stage alone, over ``count`` frames."""
    with av.open(film) as container:
        decoded = [frame for frame, _ in zip(container.decode(video=0), range(IN_MEMORY), strict=False)]
    colour = colour_of(decoded[0])
    frame_format = ENCODING.frame_format(colour, planar_format(decoded[0].format), rotated=False)
    size = decoded[0].width * upscaler.scale, decoded[0].height * upscaler.scale
    planes = [planes_of(frame, colour) for frame in decoded]
    out = new_planes(len(planes[0]), size[::-1])
    results = [av.VideoFrame(*size, frame_format.pixel_format) for _ in decoded]
    for frame, each in zip(results, planes, strict=True):  # what is encoded is to be as in a film
        upscaler.upscale_planes(each, out)
        fill(frame, out, frame_format.colour)

    def repeated(work: Callable[[int], object]) -> Callable[[], object]:
        """Return an action that does a work for the frames in memory, in turns."""
        return lambda: [work(number % len(decoded)) for number in range(count)]

    return {
        "decode": lambda: decode(film),
        "colour in": repeated(lambda number: planes_of(decoded[number], colour)),
        "network": repeated(lambda number: upscaler.upscale_planes(planes[number], out, finite=True)),
        "colour out": repeated(lambda number: fill(results[number], out, frame_format.colour)),
        "encode": lambda: encode(folder / "encoded.mkv", results, frame_format, count),
    }


def decode(film: Path) -> None:
    """Decode a film."""
    with av.open(film) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass


def encode(path: Path, frames: Sequence[av.VideoFrame], frame_format: FrameFormat, count: int) -> None:
    """Encode frames again and again until there are ``count``."""
    with av.open(path, "w") as container:
        size = frames[0].width, frames[0].height
        stream = ENCODING.add_to(container, size, frame_format, rate=films.RATE, time_base=1 / films.RATE)
        for number in range(count):
            frame = frames[number % len(frames)]
            frame.pts, frame.time_base = number, 1 / films.RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def measured(film: Path, result: Path, upscaler: Upscaler, profiles: list[StageProfile]) -> Callable[[], object]:
    """Return an action that upscales a film and adds its profile to a list."""

    def run() -> None:
        observer = VideoObserver()
        observer.times = times = MeasuredTimes()
        start, cpu, of_network = time.perf_counter(), time.process_time(), network_cpu()
        made = upscale_video(film, result, upscaler, encoding=ENCODING, observer=observer)
        profiles.append(
            StageProfile.of(
                times,
                frames=made.frames,
                seconds=time.perf_counter() - start,
                cpu=time.process_time() - cpu,
                network_cpu=network_cpu() - of_network,
            )
        )

    return run


def cost_of_a_stage(repeats: int = 100_000) -> float:
    """Return the processor's seconds that measuring one stage of one frame takes."""
    times = MeasuredTimes()
    start = time.process_time()
    for _ in range(repeats):
        with times.spent("network"):
            pass
    return (time.process_time() - start) / repeats


if __name__ == "__main__":
    sys.exit(main())
