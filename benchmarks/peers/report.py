"""The report about Paragon and its peers: as JSON, and as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.peers.measure import Comparison, Measured
    from benchmarks.peers.quality import Quality

    Json = dict[str, Any]

SETS = ("Set5", "Set14")
NAMES = {
    "native": "native kernel",
    "openvino": "OpenVINO",
    "onnxruntime": "ONNX Runtime",
    "opencv": "OpenCV",
    "pillow": "Pillow",
}

_HUNDRED = 100
_TEN = 10


def as_json(
    comparisons: Sequence[Comparison],
    quality: Mapping[int, Mapping[str, Quality]],
    machine: Mapping[str, Any],
    *,
    rounds: int,
) -> Json:
    """Return everything that was found out; times of one image in milliseconds."""
    return {
        "machine": dict(machine),
        "rounds": rounds,
        "timings": [_timing(each) for each in comparisons],
        "quality": {
            str(scale): {name: each.as_json() for name, each in found.items()} for scale, found in quality.items()
        },
    }


def _timing(comparison: Comparison) -> Json:
    task = comparison.task
    return {
        "scale": task.scale,
        "width": task.width,
        "height": task.height,
        "calls": task.calls,
        "ways": [_way(comparison, each) for each in comparison.measured],
        "skipped": [{"name": each.name, "reason": each.reason} for each in comparison.skipped],
    }


def _way(comparison: Comparison, each: Measured) -> Json:
    cpu, wall = comparison.seconds(each)
    calls = comparison.task.calls
    return {
        "method": each.way.method,
        "kind": each.way.kind,
        "runtime": each.way.runtime,
        "parameters": each.way.parameters,
        "cpu_ms": 1e3 * cpu,
        "wall_ms": 1e3 * wall,
        "fps": 1 / wall,
        "times_the_fastest": comparison.ratio(each),
        "slower_cpu_ms": {runtime: 1e3 * seconds / calls for runtime, seconds in each.slower.items()},
    }


def machine_of(report: Json) -> str:
    """Return a sentence about the machine that the times were taken on."""
    facts = ", ".join(f"{key} {value}" for key, value in report["machine"].items() if key != "cpu")
    return f"{report['machine']['cpu']}; {facts}."


def tables(report: Json) -> str:
    """Return a table for each scale and size, in Markdown."""
    pairs: dict[tuple[int, int, int], list[Json]] = {}
    for timing in report["timings"]:
        pairs.setdefault((timing["scale"], timing["width"], timing["height"]), []).append(timing)
    return "\n\n".join(_table(timings, report["quality"].get(str(scale), {})) for (scale, *_), timings in pairs.items())


def _table(timings: Sequence[Json], quality: Json) -> str:
    first = timings[0]
    heads, marks = [], []
    for timing in timings:
        cores = "one core" if timing["calls"] == 1 else f"{timing['calls']} cores"
        heads += [f"{cores}: fps", "CPU ms"]
        marks += ["---:", "---:"]
    title = f"x{first['scale']}, {first['width']}x{first['height']}"
    lines = [
        f"| {title} | runtime | parameters | {' | '.join(heads)} | {' | '.join(SETS)} |",
        f"|---|---|---:|{'|'.join(marks)}|{'|'.join('---:' for _ in SETS)}|",
        *(f"| {' | '.join(cells)} |" for cells in _rows(timings, quality)),
    ]
    return "\n".join(lines)


def _rows(timings: Sequence[Json], quality: Json) -> Iterator[list[str]]:
    keys = list(dict.fromkeys(_key(way) for timing in timings for way in timing["ways"]))
    for key in keys:
        ways = [next((way for way in timing["ways"] if _key(way) == key), None) for timing in timings]
        there = [way for way in ways if way]
        runtimes = dict.fromkeys(runtime_name(way) for way in there)
        parameters = there[0]["parameters"]
        times = [text for way in ways for text in _times(way)]
        psnr = quality.get(quality_name(there[0]), {"psnr_y": {}})["psnr_y"]
        scores = [f"{psnr[name]:.2f}" if name in psnr else "" for name in SETS]
        yield [title_of(there[0]), ", ".join(runtimes), f"{parameters:,}" if parameters else "", *times, *scores]


def _key(way: Json) -> tuple[str, ...]:
    """Return what the same line of a table has in common; which runtime is fastest may depend on the cores."""
    contested = way["kind"] in {"upstream", "network"}
    return (way["method"], way["kind"], *([] if contested else [way["runtime"]]))


def _times(way: Json | None) -> tuple[str, str]:
    return ("", "") if way is None else (rounded(way["fps"]), rounded(way["cpu_ms"]))


def rounded(value: float) -> str:
    """Return a number with three digits, or all that it has in front of the point."""
    return f"{value:.{0 if value >= _HUNDRED else 1 if value >= _TEN else 2}f}"


def title_of(way: Json) -> str:
    """Return what people call a way, but for its runtime."""
    return f"{way['method']}, upstream's export" if way["kind"] == "upstream" else str(way["method"])


def runtime_name(way: Json) -> str:
    """Return the name of a way's runtime, and the form that ran in it."""
    name, _, form = str(way["runtime"]).partition(" ")
    return " ".join(part for part in (NAMES.get(name, name), form) if part)


def quality_name(way: Json) -> str:
    """Return the name under which the report has a way's quality."""
    return f"{way['method']}, {way['runtime']}" if way["kind"] == "resampling" else str(way["method"])
