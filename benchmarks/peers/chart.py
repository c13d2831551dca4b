"""Frames a second over quality, each method a point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from benchmarks.peers.report import NAMES, quality_name, rounded, title_of
from benchmarks.svg import WIDTH, drawing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Json = dict[str, Any]

SET: Final = "Set5"

_LEFT: Final = 44
_RIGHT: Final = 16
_TOP: Final = 58
_PLOT: Final = 330
_STRIP: Final = 66
_LETTER: Final = 6.3
_LINE: Final = 14
_RADIUS: Final = 5
_GAP: Final = 9

#: Left, top, right, bottom.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A method."""

    label: str
    """What it is called."""
    fps: float
    """Images a second of CPU time."""
    psnr: float | None
    """dB; None where it is not known."""
    ours: bool
    """Whether it is Paragon."""


def points(report: Json, scale: int) -> list[Point]:
    """Return the methods of a scale, timed on one core; of Paragon's runtimes the fastest."""
    timing = next(each for each in report["timings"] if (each["scale"], each["calls"]) == (scale, 1))
    quality = report["quality"].get(str(scale), {})
    best: dict[str, Json] = {}
    for way in timing["ways"]:
        label = title_of(way)
        if way["kind"] == "resampling":
            label = f"{label}, {NAMES.get(way['runtime'], way['runtime'])}"
        if label not in best or way["cpu_ms"] < best[label]["cpu_ms"]:
            best[label] = way
    return [
        Point(
            label=label,
            fps=1e3 / way["cpu_ms"],
            psnr=quality.get(quality_name(way), {"psnr_y": {}})["psnr_y"].get(SET),
            ours=way["kind"] == "ours",
        )
        for label, way in best.items()
    ]


def draw(report: Json, *, scale: int = 2) -> str:
    """Draw the methods of a scale: to the right the faster, above the better; below those of unknown quality."""
    found = points(report, scale)
    known = [each.psnr for each in found if each.psnr is not None]
    speeds = [math.log10(each.fps) for each in found]
    slowest, fastest = min(speeds) - 0.1, max(speeds) + 0.1
    worst = math.floor(min(known, default=0))
    best = max(math.ceil(max(known, default=0)), worst + 1)

    def across(fps: float) -> float:
        return _LEFT + (math.log10(fps) - slowest) / (fastest - slowest) * (WIDTH - _LEFT - _RIGHT)

    def down(psnr: float) -> float:
        return _TOP + (best - psnr) / (best - worst) * _PLOT

    bottom = _TOP + _PLOT + _STRIP
    lines = [
        *(_level(down(level), f"{level}") for level in range(worst, best + 1)),
        *(_mark(across(fps), bottom, rounded_fps(fps)) for fps in _round_numbers(10**slowest, 10**fastest)),
        _text("frames a second on one core", WIDTH - _RIGHT, bottom + 36, anchor="end"),
        _text(f"dB on {SET}", 0, _TOP - 14),
    ]
    unknown_at = _TOP + _PLOT + _STRIP / 2 + 10
    if len(known) < len(found):
        lines.append(_text("no PSNR is published", 0, unknown_at - 22))
    places = [(each, across(each.fps), unknown_at if each.psnr is None else down(each.psnr)) for each in found]
    for each, x, y in places:
        kind = "second" if each.ours else "first"
        lines.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}"/>')
    lines += _labels(places)
    timing = next(each for each in report["timings"] if each["scale"] == scale)
    title = f"Upscaling {timing['width']}x{timing['height']} by {scale}: speed and quality"
    return drawing(title, bottom + 40, lines)


def rounded_fps(fps: float) -> str:
    """Return a number of an axis."""
    return f"{fps:.0f}" if fps >= 1 else rounded(fps).rstrip("0")


def _text(text: str, x: float, y: float, *, anchor: str = "start") -> str:
    return f'<text class="quiet" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    place = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line {place} stroke="#8c959f" stroke-opacity="0.25"/>'


def _level(y: float, text: str) -> str:
    """Draw a line across, and what it stands for on its left."""
    return _line((_LEFT, y), (WIDTH - _RIGHT, y)) + _text(text, _LEFT - 8, y + 4, anchor="end")


def _mark(x: float, bottom: float, text: str) -> str:
    """Draw a line down, and what it stands for below."""
    return _line((x, _TOP), (x, bottom)) + _text(text, x, bottom + 16, anchor="middle")


def _round_numbers(low: float, high: float) -> Iterator[float]:
    """Return 1, 2, 5 times powers of ten in a range."""
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        yield from (step * 10.0**power for step in (1, 2, 5) if low <= step * 10.0**power <= high)


def _labels(places: Sequence[tuple[Point, float, float]]) -> Iterator[str]:
    """Write each label next to its point where it covers neither another nor a point."""
    taken = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for _, x, y in places]
    for each, x, y in places:
        width = _LETTER * len(each.label)
        tries = [
            (side, y + shift)
            for shift in (0, -_LINE, _LINE, -2 * _LINE, 2 * _LINE, -3 * _LINE, 3 * _LINE)
            for side in (1, -1)
            if _LEFT <= x + side * (_GAP + width) <= WIDTH
        ]
        boxes = [_box(x + side * _GAP, x + side * (_GAP + width), middle) for side, middle in tries]
        free = (place for place, box in enumerate(boxes) if not any(_overlap(box, other) for other in taken))
        chosen = next(free, 0)
        side, middle = tries[chosen]
        taken.append(boxes[chosen])
        yield _text(each.label, x + side * _GAP, middle + 4, anchor="start" if side > 0 else "end")


def _box(start: float, end: float, middle: float) -> Box:
    return min(start, end), middle - _LINE / 2, max(start, end), middle + _LINE / 2


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
