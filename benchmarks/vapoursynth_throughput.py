"""Frames a second of ``core.paragon.Upscale`` next to the bare runtime and next to vs-mlrt's plugins.

    python benchmarks/vapoursynth_throughput.py [--sizes 640x360 1280x720] [--rounds 7] [--output results.json]

All ways upscale the same RGBS clip with the same fused realtime-2x in float32, in one process and in turns, so that
what else the machine does hits each of them alike. ``bare`` is OpenVINO's (ONNX Runtime's) own Python interface with as
many streams as there are cores, on arrays that are already there: no frames, no copies. ``native`` is the vs-mlrt
plugin called by hand on the same graph. The last line of each size has YUV 4:2:0 of 8 bits in and out.

The last lines say whether the promised ratios hold here; the exit code is 1 if one does not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import openvino  # before VapourSynth loads its plugins: vs-mlrt brings another OpenVINO, and the first one stays
import vapoursynth as vs
import vsutil

import vs_paragon
from paragon_core.benchmark.bench import Timing, describe_machine, run_watched, time_interleaved
from paragon_core.cores import usable_cores
from paragon_core.graph.export import onnx_bytes
from paragon_core.models.model import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODEL = "realtime-2x"
PACKAGES = ("vapoursynth", "vapoursynth-mlrt-ov", "vapoursynth-mlrt-ort", "openvino", "onnxruntime", "numpy")

#: (way, what it is held against, smallest ratio of frames a second).
PROMISES = (
    ("paragon, openvino", "bare openvino", 0.75),
    ("paragon, onnxruntime", "bare onnxruntime", 0.75),
    ("paragon, ov", "native ov", 0.9),
    ("paragon, ort", "native ort", 0.9),
)

#: Frames in a round at 640x360, long enough for the pipeline to fill; fewer at larger sizes.
_FRAMES_OF_360P = 24

#: MiB that VapourSynth may keep frames in; by default half of the machine's memory, and none is asked for twice.
_CACHE = 512

#: Frames of the clip: more than all rounds take.
_LONG = 2**20


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return whether the promises hold."""
    parser = argparse.ArgumentParser(description="Frames a second of core.paragon.Upscale next to its peers.")
    parser.add_argument("--sizes", nargs="+", default=["640x360", "1280x720"], metavar="WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args(arguments)
    vs.core.max_cache_size = _CACHE
    machine = describe_machine(PACKAGES)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    report: dict[str, Any] = {"machine": machine, "rounds": options.rounds, "sizes": {}}
    kept = True
    # First: a child is counted as large as its parent at least.
    peaks = {text: peak_memory(*size_and_frames(text)) for text in options.sizes}
    for text in options.sizes:
        width, height, frames = size_and_frames(text)
        timings = time_interleaved(ways(width, height, frames), rounds=options.rounds)
        print(f"\n{text}, {frames} frames a round, medians of {options.rounds} rounds")
        print(f"vspipe takes {peaks[text] / 1e9:.2f} GB at most\n")
        print("| way | frames/s | CPU ms/frame |\n|---|---:|---:|")
        for name, timing in timings.items():
            print(f"| {name} | {frames / timing.wall_median:.1f} | {1000 * timing.cpu_median / frames:.0f} |")
        print()
        held = [promise_holds(timings, *promise) for promise in PROMISES if promise[1] in timings]
        kept = kept and all(held)
        report["sizes"][text] = {"peak_bytes": peaks[text]} | {
            name: {"fps": frames / timing.wall_median, "cpu_ms": 1000 * timing.cpu_median / frames}
            for name, timing in timings.items()
        }
    if options.output:
        options.output.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0 if kept else 1


def size_and_frames(text: str) -> tuple[int, int, int]:
    """Read ``WIDTHxHEIGHT`` and return width, height, and how many frames of that size make a round."""
    width, height = map(int, text.split("x"))
    return width, height, max(_FRAMES_OF_360P * 640 * 360 // (width * height), 4 * usable_cores())


def ways(width: int, height: int, frames: int) -> dict[str, Callable[[], object]]:
    """Return what to time, by name: each upscales ``frames`` frames."""
    model = load(MODEL)
    streams = usable_cores()
    clip = source(width, height)
    image = np.stack([np.asarray(plane) for plane in clip.get_frame(0)])[None]
    yuv = clip[0].resize.Bicubic(format=vs.YUV420P8, matrix_s="709").std.Loop(clip.num_frames)
    found: dict[str, Callable[[], object]] = {
        "bare openvino": bare(openvino_request(onnx_bytes(model, portable=False), streams), image, frames, streams),
        "bare onnxruntime": bare(
            onnxruntime_request(onnx_bytes(model, merge_base=False, portable=False)), image, frames, streams
        ),
    }
    for backend in ("openvino", "onnxruntime"):
        found[f"paragon, {backend}"] = drain(vs_paragon.upscale(clip, backend=backend, padding="zero"), frames)
    for namespace in ("ov", "ort"):
        if hasattr(vs.core, namespace):
            found[f"native {namespace}"] = drain(native(clip, namespace, streams), frames)
            found[f"paragon, {namespace}"] = drain(vs_paragon.upscale(clip, backend=namespace, padding="zero"), frames)
    found["paragon, auto, YUV420P8"] = drain(vs_paragon.upscale(yuv, padding="zero"), frames)
    return found


def source(width: int, height: int) -> vs.VideoNode:
    """Return a clip of noise that costs nothing to read: every frame is the same one."""
    frame = vs.core.create_video_frame(vs.RGBS, width, height)
    generator = np.random.default_rng(0)
    for index in range(3):
        np.asarray(frame[index])[...] = generator.random((height, width), dtype=np.float32)
    return vsutil.frame2clip(frame).std.Loop(_LONG)


def drain(clip: vs.VideoNode, frames: int) -> Callable[[], object]:
    """Return an action that asks for the next frames of a clip, as many at once as VapourSynth likes.

    Never for the same ones again: VapourSynth would have kept them.
    """
    starts = itertools.count(0, frames)

    def ask() -> None:
        start = next(starts)
        for _ in clip[start : start + frames].frames(close=True):
            pass

    return ask


def native(clip: vs.VideoNode, namespace: str, streams: int) -> vs.VideoNode:
    """Call a plugin of vs-mlrt as its users do, with float32 as here."""
    network = onnx_bytes(load(MODEL), merge_base=namespace == "ov", portable=False)
    more = {"config": lambda: {"INFERENCE_PRECISION_HINT": "f32"}} if namespace == "ov" else {}
    run: Callable[..., vs.VideoNode] = getattr(vs.core, namespace).Model
    return run(clip, network_path=network, path_is_serialization=True, num_streams=streams, **more)


def bare(request: Callable[[Any], object], image: Any, frames: int, streams: int) -> Callable[[], object]:  # noqa: ANN401 - an array
    """Return an action that runs a request ``frames`` times from ``streams`` threads."""

    def run() -> None:
        with ThreadPoolExecutor(streams) as pool:
            for _ in pool.map(request, itertools.repeat(image, frames)):
                pass

    return run


def openvino_request(network: bytes, streams: int) -> Callable[[Any], object]:
    """Return a function that runs a graph in OpenVINO, from several threads at once."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(network), "CPU", settings)
    local = threading.local()

    def run(image: Any) -> object:  # noqa: ANN401 - an array
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return local.request.infer([image], share_inputs=True, share_outputs=True)

    return run


def onnxruntime_request(network: bytes) -> Callable[[Any], object]:
    """Return a function that runs a graph in ONNX Runtime with one thread a call."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"input": image})


def promise_holds(timings: dict[str, Timing], way: str, peer: str, smallest: float) -> bool:
    """Print how many frames a way makes for each of its peer's, and return whether these are enough."""
    ratio = timings[peer].wall_median / timings[way].wall_median
    print(f"{way} / {peer}: {ratio:.2f} (promised {smallest})")
    return ratio >= smallest


def peak_memory(width: int, height: int, frames: int) -> int:
    """Return the highest resident size of a vspipe that upscales YUV of 8 bits in the way that is chosen by itself."""
    script = f"""
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width={width}, height={height}, length={frames})
vs.core.paragon.Upscale(clip, matrix="709", padding="zero").set_output()
"""
    vspipe = Path(vs.__file__).with_name("vspipe.exe" if os.name == "nt" else "vspipe")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.vpy"
        path.write_text(script, encoding="utf-8")
        peak, _ = run_watched([str(vspipe), str(path), "--"])
    return peak


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
