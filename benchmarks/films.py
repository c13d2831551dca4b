"""Frames a second of whole films, and of `core.paragon.Upscale`, next to the bare network on frames in memory.

    python benchmarks/films.py [--models realtime-2x stream-2x] [--sizes 320x180 640x360] [--cores 1 2] [--output FILE]

``network`` is `Upscaler` on arrays of bytes that are already there, an image on each core at once. ``film`` is
`upscale_video` from H.264 to H.264, that is `paragon upscale` without the start of Python, and ``codecs`` decodes the
same film and encodes the same result without anything in between. ``vapoursynth`` is the filter on 8-bit 4:2:0. All run
in one process and in turns; a process for each number of cores, which is limited to that number (Linux only).

The last lines say whether the promised ratios hold here; the exit code is 1 if one does not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from paragon_core import Upscaler
from paragon_core.benchmark.bench import Timing, describe_machine, time_interleaved
from paragon_core.benchmark.images import like_a_photograph
from paragon_core.cores import usable_cores
from paragon_core.media.video.encoding import PRESETS, VideoEncoding
from paragon_core.media.video.frames import colour_of, planar_format
from paragon_core.media.video.upscale import upscale_video

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paragon_core.media.video.encoding import EncoderPreset

PACKAGES = ("numpy", "av", "vapoursynth", "openvino", "onnxruntime")

#: Frames of 640x360 in a round with realtime; 256 of 320x180.
FRAMES = 64

#: Fewest frames in a round.
FEWEST = 24

#: How many times as much work a frame of other networks is.
WORK = {"stream": 8}

#: Frames that differ; further ones are the same, forwards and backwards.
_DIFFERENT = 24

#: The share of the network's speed that is left where it is the bottleneck, and where a frame takes it no longer than
#: the codecs and the conversions around it.
PROMISED, PROMISED_OF_FAST = 0.9, 0.8

RATE = Fraction(25)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is timed."""

    model: str
    """Name of the network."""
    backend: str
    """Name of the runtime."""
    width: int
    """Of the source, in pixels."""
    height: int
    """Of the source, in pixels."""
    frames: int
    """Frames of a round."""
    rounds: int
    """Rounds that count."""
    presets: tuple[EncoderPreset, ...]
    """How hard the encoder tries."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write, and return whether the promises hold."""
    parser = argparse.ArgumentParser(description="Frames a second of whole films next to the bare network.")
    parser.add_argument("--models", nargs="+", default=["realtime-2x", "stream-2x"], metavar="NAME")
    parser.add_argument("--sizes", nargs="+", default=["320x180", "640x360"], metavar="WIDTHxHEIGHT")
    parser.add_argument("--cores", nargs="+", type=int, metavar="N", help="default: 1, and all")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["fast", "medium"])
    parser.add_argument("--backend", default="auto")
    parser.add_argument(
        "--frames", type=int, default=FRAMES, help="of 640x360 and realtime; fewer where each is more work"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args(arguments)
    machine = describe_machine(PACKAGES)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    found = []
    for model, size, cores in itertools.product(
        options.models, options.sizes, options.cores or sorted({1, usable_cores()})
    ):
        width, height = map(int, size.split("x"))
        work = WORK.get(model.partition("-")[0], 1) * width * height / (640 * 360)
        case = Case(
            model=model,
            backend=options.backend,
            width=width,
            height=height,
            frames=max(round(options.frames / work), FEWEST),
            rounds=options.rounds,
            presets=tuple(options.presets),
        )
        with ProcessPoolExecutor(1, get_context("spawn"), initializer=keep_to, initargs=(cores,)) as process:
            timings, backend = process.submit(measure, case).result()
        print(f"{model} in {backend}, {size}, cores: {cores}, {case.frames} frames", file=sys.stderr, flush=True)
        found.append(
            {
                "model": model,
                "backend": backend,
                "size": size,
                "cores": cores,
                "frames": case.frames,
                "rounds": case.rounds,
                "ways": figures_of(timings, case.frames),
            }
        )
    print(f"\n{table(found)}\n")
    if options.output:
        report = {"machine": machine, "cases": found}
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    held = [promises_hold(case) for case in found]
    return 0 if all(held) else 1


def keep_to(cores: int) -> None:
    """Limit this process to a number of cores; it must not have threads yet."""
    if cores >= usable_cores():
        return
    if sys.platform != "linux":
        raise SystemExit("this system has no way to keep a process to some cores: leave --cores out")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def measure(case: Case) -> tuple[dict[str, Timing], str]:
    """Return the times of all ways, and the runtime that computed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Upscaler(case.model, backend=case.backend, concurrency=usable_cores()) as upscaler,
    ):
        film = Path(folder) / "film.mkv"
        images = moving(case.width, case.height)
        write_film(film, images, case.frames)
        ways: dict[str, Callable[[], object]] = {"network": network(upscaler, images, case.frames)}
        for preset in case.presets:
            encoding = VideoEncoding(codec="h264", preset=preset)
            result = Path(folder) / f"{preset}.mkv"
            upscale_video(film, result, upscaler, encoding=encoding)
            ways[f"film, {preset}"] = film_upscaled(film, result, upscaler, encoding)
            ways[f"codecs, {preset}"] = codecs(film, result, Path(folder) / "again.mkv", encoding)
        ways |= vapoursynth(case)
        return time_interleaved(ways, rounds=case.rounds), upscaler.backend


def moving(width: int, height: int) -> list[Any]:
    """Return frames [h, w, 3] of bytes: an image that moves by two pixels from one to the next."""
    image = like_a_photograph(width + 2 * _DIFFERENT, height)
    return [np.ascontiguousarray(image[:, 2 * step : 2 * step + width]) for step in range(_DIFFERENT)]


def write_film(path: Path, images: Sequence[Any], frames: int) -> None:
    """Write H.264 in 4:2:0 that is to be upscaled."""
    height, width = images[0].shape[:2]
    back_and_forth = itertools.cycle([*images, *reversed(images)])
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in itertools.islice(back_and_forth, frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))


def network(upscaler: Upscaler, images: Sequence[Any], frames: int) -> Callable[[], object]:
    """Return an action that upscales frames in memory, one on each core at once."""

    def run() -> None:
        with ThreadPoolExecutor(usable_cores()) as pool:
            for _ in pool.map(upscaler, itertools.islice(itertools.cycle(images), frames)):
                pass

    return run


def film_upscaled(film: Path, result: Path, upscaler: Upscaler, encoding: VideoEncoding) -> Callable[[], object]:
    """Return an action that upscales a film."""
    return lambda: upscale_video(film, result, upscaler, encoding=encoding)


def codecs(film: Path, upscaled: Path, result: Path, encoding: VideoEncoding) -> Callable[[], object]:
    """Return an action that decodes a film and encodes frames that are in memory, those of its result."""
    with av.open(upscaled) as container:
        frames = list(container.decode(video=0))
    frame_format = encoding.frame_format(colour_of(frames[0]), planar_format(frames[0].format), rotated=False)
    for place, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.pict_type = place, 1 / RATE, 0

    def run() -> None:
        with av.open(film) as source:
            for _ in source.decode(video=0):
                pass
        with av.open(result, "w") as container:
            size = frames[0].width, frames[0].height
            stream = encoding.add_to(container, size, frame_format, rate=RATE, time_base=1 / RATE)
            for frame in frames:
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    return run


def vapoursynth(case: Case) -> dict[str, Callable[[], object]]:
    """Return an action that asks the filter for frames, one for each core at once; none without VapourSynth."""
    try:
        import vapoursynth as vs  # noqa: PLC0415 - not needed for the rest

        import vs_paragon  # noqa: PLC0415 - needs VapourSynth
    except ImportError:
        return {}
    vs.core.num_threads = usable_cores()
    clip = vs.core.std.BlankClip(
        format=vs.YUV420P8, width=case.width, height=case.height, length=2**20, color=[90, 110, 150], keep=True
    )
    clip = vs_paragon.upscale(clip, model=case.model, backend=case.backend, matrix="709")
    starts = itertools.count(0, case.frames)  # never for the same ones again: VapourSynth would have kept them

    def run() -> None:
        start = next(starts)
        for _ in clip[start : start + case.frames].frames(close=True):
            pass

    return {"vapoursynth": run}


def figures_of(timings: Mapping[str, Timing], frames: int) -> dict[str, dict[str, float]]:
    """Return frames a second, CPU ms a frame and the shares of the network's speed, for each way."""
    network_alone = timings["network"]
    result = {}
    for name, timing in timings.items():
        result[name] = {
            "fps": frames / timing.wall_median,
            "cpu_ms": 1000 * timing.cpu_median / frames,
            "speed": 1 / timing.ratio_to(network_alone, "wall"),
            "cpu_share": 1 / timing.ratio_to(network_alone),
        }
        kind, _, preset = name.partition(", ")
        if kind == "film":
            rounds = zip(network_alone.cpu, timings[f"codecs, {preset}"].cpu, timing.cpu, strict=True)
            result[name]["share_with_codecs"] = statistics.median((bare + codec) / film for bare, codec, film in rounds)
    return result


def table(cases: Sequence[Mapping[str, Any]]) -> str:
    """Return what was measured as a table: CPU milliseconds a frame, and shares of the network's speed."""
    lines = [
        "| network, input | cores | preset | network, ms | codecs | film | CPU | fps | filter | CPU | fps |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for case in cases:
        ways = case["ways"]
        filtered = ways.get("vapoursynth")
        of_filter = columns(filtered, "cpu_share") if filtered else " | | "
        for name, film in ways.items():
            kind, _, preset = name.partition(", ")
            if kind == "film":
                lines.append(
                    f"| {case['model']}, {case['size']} | {case['cores']} | {preset} | {ways['network']['cpu_ms']:.1f} "
                    f"| {ways[f'codecs, {preset}']['cpu_ms']:.1f} | {columns(film, 'share_with_codecs')} "
                    f"| {of_filter} |"
                )
    return "\n".join(lines)


def columns(way: Mapping[str, float], share: str) -> str:
    """Return CPU ms a frame, the share of the network's speed by CPU time, and that by the clock."""
    return f"{way['cpu_ms']:.1f} | {way[share]:.2f} | {way['speed']:.2f}"


def promises_hold(case: Mapping[str, Any]) -> bool:
    """Print by how much CPU time Paragon slows the network down, codecs left aside, and return whether it is little."""
    kept, promised = True, PROMISED_OF_FAST if case["model"].startswith("realtime") else PROMISED
    for name, of in case["ways"].items():
        share = of.get("share_with_codecs", of["cpu_share"] if name == "vapoursynth" else None)
        if share is not None:
            print(f"{case['model']}, {case['size']}, cores: {case['cores']}, {name}: {share:.2f} (promised {promised})")
            kept = kept and share >= promised
    return kept


if __name__ == "__main__":
    sys.exit(main())
