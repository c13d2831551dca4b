"""``paragon bench``: how fast the runtimes are here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer, answer_json
from paragon_core.cli.exit_codes import NO_BACKEND, OK
from paragon_core.cli.report import output_page, write_page
from paragon_core.errors import BackendUnavailableError
from paragon_core.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from paragon_core.backends import Precision
    from paragon_core.benchmark.speed import Workload

_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16")
_SIZE = (640, 360)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "bench",
        help="measure how fast the runtimes are here",
        description="Measure how fast the runtimes that work here are, in every precision: the network alone, and from "
        "bytes to bytes; photo in torch also with each kind of attention. On NVIDIA cards also the time of the card "
        "alone. Prints Markdown, ready to paste.",
    )
    parser.add_argument(
        "model",
        nargs="?",
        default=DEFAULT_MODEL,
        metavar="MODEL",
        help=f"a model (see: paragon models) or a checkpoint [{DEFAULT_MODEL}]",
    )
    parser.add_argument("--input", metavar="FOLDER", help="measure on the images in this folder, one after the other")
    parser.add_argument(
        "--size",
        type=options.image_size,
        action="append",
        default=[],
        metavar="WxH",
        help=f"measure on a generated image of this size; can be given several times [{_SIZE[0]}x{_SIZE[1]}]",
    )
    options.add_backends(parser)
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="the runtimes' name of a device, such as cpu, cuda:1 or webgpu; those without it are left out [auto]",
    )
    parser.add_argument(
        "--precisions",
        type=_precisions,
        default=_PRECISIONS,
        metavar="NAME,NAME",
        help=f"of the arithmetic [{','.join(_PRECISIONS)}: those that work here]",
    )
    parser.add_argument("--rounds", type=options.count, default=15, metavar="N", help="runs of each that count [15]")
    parser.add_argument(
        "--no-memory", action="store_true", help="do not measure memory, for which each runs in a process of its own"
    )
    parser.add_argument("--report", metavar="X.html", help="also write a page with charts, the table and the machine")
    options.add_model_settings(parser)
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    from paragon_core.benchmark import speed, speed_report

    page = output_page(arguments.report) if arguments.report else None
    model = options.load_model(arguments.model, arguments)
    workloads = _workloads(arguments)
    machine = speed_report.describe_here()  # before our own work makes it look busy
    asked = options.chosen_backends(arguments)
    infos = {backend.name: backend.probe() for backend in asked}
    backends = [backend for backend in asked if infos[backend.name].available]
    if not backends:
        msg = "no runtime works here"
        raise BackendUnavailableError(msg, hint="pip install openvino onnxruntime; then: paragon doctor")
    source = speed.Source(name=arguments.model, upsampler_alpha=arguments.alpha, window_size=arguments.window_size)
    measurements: list[speed.Measurement] = []
    skipped: list[speed.Skipped] = []
    for workload in workloads:
        console.draw(f"{workload.name}: {', '.join(backend.name for backend in backends)}")
        found, left = speed.measure(
            model, backends, arguments.precisions, workload, rounds=arguments.rounds, device=arguments.device
        )
        if not arguments.no_memory:
            console.draw(f"{workload.name}: memory")
            found = speed.with_footprints(found, source, workload, device=arguments.device)
        measurements += found
        skipped += left
    console.erase()
    report = speed_report.Report(
        model=model,
        machine=machine,
        rounds=arguments.rounds,
        measurements=tuple(measurements),
        skipped=tuple(skipped),
        missing=tuple(info for info in infos.values() if not info.available),
        device=arguments.device,
    )
    if page is not None:
        from paragon_core.report.speed_page import render_speed

        write_page(page, render_speed(report), console)
    if arguments.json:
        answer_json(speed_report.as_json(report))
    else:
        answer(speed_report.markdown(report))
    return OK if measurements else NO_BACKEND


def _workloads(arguments: argparse.Namespace) -> list[Workload]:
    from paragon_core.benchmark.images import read_folder
    from paragon_core.benchmark.speed import Workload

    folder = [Workload(images=tuple(read_folder(Path(arguments.input))))] if arguments.input else []
    sizes = arguments.size or [_SIZE] * (not folder)
    return folder + [Workload.of_size(width, height) for width, height in sizes]


def _precisions(text: str) -> tuple[str, ...]:
    found = options.names(text)
    if unknown := [name for name in found if name not in _PRECISIONS]:
        msg = f"there is no precision {unknown[0]!r}; choose from {', '.join(_PRECISIONS)}"
        raise argparse.ArgumentTypeError(msg)
    return found
