"""Reports of measured speed: as Markdown for people, as JSON for programs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from paragon_core import __version__
from paragon_core.benchmark import gpus
from paragon_core.benchmark.bench import describe_machine
from paragon_core.benchmark.speed import ON_PROCESSOR, WARM_UP
from paragon_core.cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.backends import BackendInfo
    from paragon_core.benchmark.speed import Candidate, Measurement, Skipped
    from paragon_core.models.model import Model

_PACKAGES: Final = ("numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "torch", "tensorrt", "tensorrt-rtx-cu13")
_MB: Final = 1e6


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that was found out."""

    model: Model
    """The network."""
    machine: Mapping[str, Any]
    """Where: from `describe_here`."""
    rounds: int
    """Runs of each that count, for every image."""
    measurements: tuple[Measurement, ...]
    """What ran."""
    skipped: tuple[Skipped, ...]
    """What could not run."""
    missing: tuple[BackendInfo, ...]
    """Backends that do not work here."""
    device: str = "auto"
    """What was asked for; see `UpscaleOptions`."""


def describe_here() -> dict[str, Any]:
    """Return the machine, its GPUs, and how busy it is: the load average where the system has one."""
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    machine = describe_machine(_PACKAGES)
    return {**machine, "usable_cores": usable_cores(), "load": load, "gpus": gpus.describe()}


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON knows it; times in seconds, memory in bytes."""
    model = report.model
    return {
        "paragon": __version__,
        "model": {
            "name": model.name,
            "sha256": model.sha256,
            "variant": model.spec.variant,
            "scale": model.spec.scale,
            "attention": model.spec.attention,
        },
        "machine": dict(report.machine),
        "warm_up": WARM_UP,
        "rounds": report.rounds,
        "device": report.device,
        "results": [_result(each) for each in report.measurements],
        "skipped": [
            _about(each.candidate) | {"input": each.workload, "reason": each.reason} for each in report.skipped
        ],
        "missing": [{"backend": info.name, "reason": info.reason, "hint": info.hint} for info in report.missing],
    }


def _about(candidate: Candidate) -> dict[str, Any]:
    return {
        "backend": candidate.backend,
        "precision": candidate.precision,
        "span": candidate.span,
        "fused": not candidate.attention,
        "attention": candidate.attention or None,
    }


def _result(each: Measurement) -> dict[str, Any]:
    return _about(each.candidate) | {
        "input": each.workload,
        "pictures": len(each.timings),
        "average": each.average,
        "median": each.median,
        "p95": each.p95,
        "spread": each.spread,
        "fps": each.fps,
        "cpu_median": each.cpu,
        "device_median": each.device,
        "no_device_time": each.no_device_time or None,
        "process_memory": each.footprint.process if each.footprint else None,
        "device_memory": each.footprint.device if each.footprint else None,
        "wall": [list(timing.wall) for timing in each.timings],
        "cpu": [list(timing.cpu) for timing in each.timings],
        "device": [list(timing.device) for timing in each.timings],
    }


def table(report: Report) -> list[list[str]]:
    """Return the figures as rows of cells, the headings first; the first four cells of a row are words."""
    times_device, remembers, on_gpu = _times_device(report), _remembers(report), _is_on_gpu(report)
    heading = ["input", "runtime", "precision", "what", "median ms", "average", "p95", "spread", "fps", "CPU ms"]
    rows = [heading + ["device ms"] * times_device + ["memory"] * remembers + ["GPU memory"] * on_gpu]
    for each in report.measurements:
        cells = [each.workload, each.candidate.backend, each.candidate.precision, _what(each.candidate)]
        cells += [f"{1e3 * seconds:.1f}" for seconds in (each.median, each.average, each.p95)]
        cells += [f"{each.spread:.0%}", f"{each.fps:.1f}", f"{1e3 * each.cpu:.1f}"]
        if times_device:
            cells.append("" if each.device is None else f"{1e3 * each.device:.2f}")
        if remembers:
            cells.append(_megabytes(each.footprint.process if each.footprint else None))
        if on_gpu:
            cells.append(_megabytes(each.footprint.device if each.footprint else None))
        rows.append(cells)
    return rows


def markdown(report: Report) -> str:
    """Return the report as Markdown, ready to paste."""
    spec = report.model.spec
    heading, *rows = table(report)
    words = 4
    lines = [
        f"**{report.model.name}** ({spec.variant} x{spec.scale}), Paragon {__version__}. {_machine(report.machine)}",
        "",
        _row(heading),
        "|" + "---|" * words + "---:|" * (len(heading) - words),
        *map(_row, rows),
        "",
        explanation(report),
    ]
    if reasons := left_out(report):
        lines += ["", "Not measured:", "", *(f"- {reason}" for reason in reasons)]
    return "\n".join(lines)


def _times_device(report: Report) -> bool:
    return any(each.device is not None for each in report.measurements)


def _remembers(report: Report) -> bool:
    return any(each.footprint for each in report.measurements)


def _is_on_gpu(report: Report) -> bool:
    return any(each.footprint and each.footprint.device is not None for each in report.measurements)


def _machine(machine: Mapping[str, Any]) -> str:
    shown = {"cores": f"{machine['cores']} ({machine['usable_cores']} used)"}
    shown |= {name: value for name, value in machine.items() if name not in {"cpu", "cores", "usable_cores", "gpus"}}
    shown["load average"] = shown.pop("load")
    facts = ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None)
    return f"{machine['cpu']}; {facts}. NVIDIA GPUs: {'; '.join(machine['gpus']) or 'none'}."


def explanation(report: Report) -> str:
    """Return how the figures were measured, in words."""
    text = (
        f"Every one ran {WARM_UP} times on each image to warm up, then {report.rounds} times, all in turns. Times "
        "are those on the clock, except CPU ms: the median over all threads, which other programs disturb least. "
        "Spread: width of the middle half of the runs, as a share of the median. Fps: images a second, one after "
        "the other. Network: float32 in and out. End to end: uint8 in and out, with everything around the network."
    )
    if _times_device(report):
        text += (
            " Device ms: the median from the start of the network on the graphics card to its end, by the card's own "
            "clock (CUDA events), without copies."
        )
    if _remembers(report):
        text += " Memory: the largest amount resident in a process that upscales the largest image, Python included."
    if any(each.candidate.attention for each in report.measurements):
        text += " Attention none, sdpa, flex: the network layer by layer, as it is trained."
    return text


def left_out(report: Report) -> list[str]:
    """Return what is not in the table, and why."""
    reasons = {f"{info.name}: {info.reason}": None for info in report.missing}
    for each in report.skipped:
        what = f" ({_what(each.candidate)})" if each.candidate.attention else ""
        reasons[f"{each.candidate.backend} {each.candidate.precision}{what}: {each.reason}"] = None
    for timed in report.measurements:
        candidate, reason = timed.candidate, timed.no_device_time
        if candidate.span == "network" and reason not in {"", ON_PROCESSOR}:
            reasons[f"device time of {candidate.backend} {candidate.precision}: {reason}"] = None
    return list(reasons)


def _what(candidate: Candidate) -> str:
    return f"network, attention {candidate.attention}" if candidate.attention else candidate.span


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / _MB:.0f} MB"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
