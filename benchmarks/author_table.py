"""The table of the author's README, measured again on this machine, with Paragon below it.

    python -m benchmarks.author_table [--input FOLDER] [--images 100] [--models realtime-2x stream-2x] [--output FILE]

The author's rows are by his protocol (`benchmark_release.py`): images of varied sizes one after the other, each run
once, after warming up; only the network counts, from a float32 image on the device to one there, by the device's own
events; fp16 is autocast, and compiled means with dynamic sizes. Without a graphics card the clock on the wall counts,
and only fp32 runs. Below them stand the fused network in torch and in Triton kernels by the same protocol, and
`Upscaler` in every runtime that works here, from bytes in memory to bytes in memory, which nobody's network alone can
be compared with. Without ``--input`` the images are generated, of sizes like those of Urban100 reduced to a half. Needs
torch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from paragon_core.backends import BACKENDS
from paragon_core.backends.torch_triton import find_program
from paragon_core.benchmark.bench import describe_machine
from paragon_core.benchmark.gpus import describe
from paragon_core.benchmark.images import as_batch, like_a_photograph, read_folder
from paragon_core.errors import BackendUnavailableError, ParagonError
from paragon_core.graph.fuse import fuse_arrays
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.torch_fused import FusedParagonSR2
from paragon_core.models.model import load
from paragon_core.network import ParagonSR2
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from paragon_core.backends import Precision
    from paragon_core.benchmark.images import Pixels
    from paragon_core.models.model import Model

    Network = Callable[[Tensor], object]

PACKAGES = ("torch", "onnxruntime-gpu", "onnxruntime", "openvino", "tensorrt-rtx-cu13", "tensorrt-cu13", "numpy")
SEED = 20251220
_LONG_SIDE, _SHORT_SIDES = 512, (320, 512)
_LANDSCAPE_SHARE = 0.7
_WARM_UP = 3
_MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one way took."""

    model: str
    """Name or path."""
    way: str
    """What ran."""
    span: str
    """From where to where: "network" or "bytes to bytes"."""
    milliseconds: float | None = None
    """Mean for an image; None if it did not run."""
    memory: int | None = None
    """Most bytes of the card's memory that torch had at once; None where that is unknown."""
    reason: str = ""
    """Why it did not run."""


def generated(count: int) -> list[Pixels]:
    """Return images whose long side is 512 and whose short one is 320 to 512 pixels, lying or standing."""
    random = np.random.default_rng(SEED)
    sizes = [(_LONG_SIDE, int(random.integers(*_SHORT_SIDES, endpoint=True))) for _ in range(count)]
    return [like_a_photograph(*(size if random.random() < _LANDSCAPE_SHARE else size[::-1])) for size in sizes]


def device_seconds(action: Callable[[], object], device: torch.device) -> float:
    """Return how long an action takes: by the events of a card, on the wall elsewhere."""
    if device.type != "cuda":
        return wall_seconds(action)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # not annotated
    start.record()
    action()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000


def wall_seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes on the wall."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def network_rows(name: str, model: Model, images: Sequence[Pixels], device: torch.device) -> Iterator[Row]:
    """Time the author's form in fp32, fp16 and compiled, and the fused one in fp32, fp16 and kernels, on the device."""
    layer_by_layer = ParagonSR2.from_model(model).to(device).eval()
    ways: dict[str, Callable[[], Network]] = {"PyTorch fp32": lambda: layer_by_layer}
    if device.type == "cuda":
        ways["PyTorch fp16"] = partial(_autocast, layer_by_layer)
        ways["PyTorch fp16 (compiled)"] = partial(_compiled, layer_by_layer)
        ways["fused, PyTorch fp16"] = partial(_fused, model, torch.float16, device)
        ways["Triton kernels, fp16"] = partial(_kernels, model, device)
    ways["fused, PyTorch fp32"] = partial(_fused, model, torch.float32, device)
    for way, make in ways.items():
        try:
            yield Row(model=name, way=way, span="network", **_network(make(), images, device))
        except Exception as error:  # noqa: BLE001 - compilers fail in many ways, and the other rows are wanted all the same
            yield Row(model=name, way=way, span="network", reason=_first_line(error))


def upscaler_rows(name: str, model: Model, images: Sequence[Pixels], device: torch.device) -> Iterator[Row]:
    """Time `Upscaler` in each runtime that works on this kind of device, in the precisions that it has there."""
    kind = "auto" if device.type == "cuda" else "cpu"
    for backend in BACKENDS.values():
        info = backend.probe()
        if not info.available or not (info.accelerator if kind == "auto" else backend.runs_on_cpu):
            continue
        precisions: tuple[Precision, ...] = ("fp32", *backend.reduced_precisions(kind))
        for precision in precisions:
            row = Row(model=name, way=f"Paragon, {backend.name} {precision}", span="bytes to bytes")
            try:
                with Upscaler(model, backend=backend, precision=precision, device=kind) as upscaler:
                    upscaler(images[0])
                    seconds = [wall_seconds(partial(upscaler, image)) for image in images]
                yield Row(**asdict(row) | {"milliseconds": 1000 * statistics.fmean(seconds)})
            except ParagonError as error:
                yield Row(**asdict(row) | {"reason": _first_line(error)})


def markdown(rows: Iterable[Row]) -> str:
    """Return the table."""
    lines = ["| model | way | from where to where | mean | images a second | memory |", "|---|---|---|---|---|---|"]
    for row in rows:
        if row.milliseconds is None:
            lines.append(f"| {row.model} | {row.way} | {row.span} | {row.reason} | | |")
            continue
        memory = "" if row.memory is None else f"{row.memory / _MIB:.0f} MiB"
        figures = f"{row.milliseconds:.2f} ms | {1000 / row.milliseconds:.1f} | {memory}"
        lines.append(f"| {row.model} | {row.way} | {row.span} | {figures} |")
    return "\n".join(lines)


def _network(run: Network, images: Sequence[Pixels], device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    with torch.inference_mode():
        for number, image in enumerate(images):
            batch = torch.from_numpy(as_batch(image)).to(device).to(memory_format=torch.channels_last)
            for _ in range(0 if number else _WARM_UP):
                run(batch)
            seconds.append(device_seconds(partial(run, batch), device))
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    return {"milliseconds": 1000 * statistics.fmean(seconds), "memory": memory}


def _autocast(network: Network) -> Network:
    def run(batch: Tensor) -> object:
        with torch.autocast("cuda", torch.float16):
            return network(batch)

    return run


def _compiled(network: torch.nn.Module) -> Network:
    torch.compiler.reset()
    return _autocast(torch.compile(network, dynamic=True))


def _fused(model: Model, dtype: torch.dtype, device: torch.device) -> Network:
    network = FusedParagonSR2(fuse_arrays(model.spec, model.arrays), dtype=dtype).to(device)

    def run(batch: Tensor) -> object:
        return network(batch.to(network.image_dtype))

    return run


def _kernels(model: Model, device: torch.device) -> Network:
    program = find_program(model, GraphSpec(), "fp16", device)
    if program is None:
        raise BackendUnavailableError("there are no kernels for this network or card", hint="the log says why")
    scale, finite = model.spec.scale, torch.empty(1, dtype=torch.uint8, device=device)

    def run(batch: Tensor) -> object:
        count, planes, height, width = batch.shape
        out = torch.empty((count, planes, scale * height, scale * width), device=device)
        program.upscale(batch, out, finite)
        return out

    return run


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["realtime-2x", "stream-2x"], metavar="MODEL")
    parser.add_argument("--input", type=Path, metavar="FOLDER", help="images instead of generated ones")
    parser.add_argument("--images", type=int, default=100, metavar="N", help="how many, at most [100]")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write JSON, too")
    options = parser.parse_args(arguments)
    images = (read_folder(options.input) if options.input else generated(options.images))[: options.images]
    device = torch.device(options.device)
    rows: list[Row] = []
    for name in options.models:
        model = load(name)
        for make in (network_rows, upscaler_rows):
            rows += make(name, model, images, device)
    print(markdown(rows))
    if options.output:
        record = {"machine": describe_machine(PACKAGES) | {"gpus": describe()}, "images": len(images)}
        record["rows"] = [asdict(row) for row in rows]
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
