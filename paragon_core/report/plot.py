"""Curves over the frames of videos, as SVG.

Drawn here and not by a plotting library: uPlot and Vega have no package for Python that carries them and is kept up,
and matplotlib and plotly are large (plotly's script alone is above the 3 MB that a report may take). Curves with two
axes are all that is needed, and as SVG they need no script.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paragon_core.report.contents import Curve, Series

WIDTH: Final = 960
HEIGHT: Final = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 48
_TICKS: Final = 5
#: Classes of curves, each with a colour and a dash of its own in the style sheet.
_STYLES: Final = 6
#: Above the highest finite figure, in dB: where frames without any difference are drawn.
_ABOVE: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class _Axes:
    """Where figures are on the drawing."""

    first: int
    """Number of the frame at the left end."""
    last: int
    """Number of the frame at the right end."""
    steps: tuple[float, ...]
    """Figures with a line, from low to high."""
    top: float
    """Figure at the upper end, which infinite ones have as well."""

    @classmethod
    def of(cls, series: Series) -> _Axes:
        """Return axes on which all curves have room."""
        values = [value for curve in series.curves for value in curve.values]
        finite = list(filter(math.isfinite, values))
        low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        top = high + (_ABOVE if len(finite) < len(values) else 0.0)
        steps = _steps(low, top)
        return cls(first=series.indices[0], last=series.indices[-1], steps=steps, top=max(top, steps[-1]))

    def x(self, index: int) -> float:
        """Return where a frame is."""
        share = (index - self.first) / (self.last - self.first) if self.last > self.first else 0.5
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * share

    def y(self, value: float) -> float:
        """Return where a figure is."""
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (self.top - min(value, self.top)) / (self.top - self.steps[0])


def plot(series: Series) -> str:
    """Return the curves of all videos as an SVG element, with marks at the frames that differ most."""
    axes = _Axes.of(series)
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="plot-title plot-text">',
        '<title id="plot-title">PSNR-Y of each frame</title>',
        f'<desc id="plot-text">{_in_words(series)}</desc>',
        *_grid(axes),
        *(_line(number, _points(axes, series, curve)) for number, curve in enumerate(series.curves)),
        *(_mark(number, axes.x(row.index), axes.y(row.psnr_y)) for number, row in enumerate(series.rows, 1)),
        "</svg>",
        _legend(series.curves),
    ]
    return "".join(parts)


def _grid(axes: _Axes) -> Iterator[str]:
    for value in axes.steps:
        y = axes.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4:.1f}">{value:g}</text>'
    for index in sorted({round(axes.first + (axes.last - axes.first) * tick / _TICKS) for tick in range(_TICKS + 1)}):
        yield f'<text class="tick middle" x="{axes.x(index):.1f}" y="{HEIGHT - _BOTTOM + 20}">{index}</text>'
    yield f'<text class="tick" x="4" y="{_TOP - 4}">dB</text>'
    yield f'<text class="tick middle" x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 6}">frame</text>'


def _points(axes: _Axes, series: Series, curve: Curve) -> str:
    pairs = zip(series.indices, curve.values, strict=True)
    return " ".join(f"{axes.x(index):.1f},{axes.y(value):.1f}" for index, value in pairs)


def _line(number: int, points: str) -> str:
    return f'<polyline class="curve style{number % _STYLES}" points="{points}"/>'


def _mark(number: int, x: float, y: float) -> str:
    text = f'<text class="mark-number" x="{x:.1f}" y="{y + 4:.1f}">{number}</text>'
    return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="9"/>{text}'


def _legend(curves: Sequence[Curve]) -> str:
    items = (
        f'<li><svg class="key" viewBox="0 0 32 8" aria-hidden="true">{_line(number, "0,4 32,4")}</svg>'
        f"{escape(printable(curve.name))}</li>"
        for number, curve in enumerate(curves)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _in_words(series: Series) -> str:
    words = []
    for curve in series.curves:
        at = min(range(len(curve.values)), key=curve.values.__getitem__)
        lowest = curve.values[at]
        words.append(
            f"{printable(curve.name)}: "
            + (f"lowest {lowest:.2f} dB at frame {series.indices[at]}" if math.isfinite(lowest) else "no difference")
        )
    return escape("; ".join(words))


def _steps(low: float, high: float) -> tuple[float, ...]:
    """Return round figures at even distances that cover a range: at least two."""
    span = max(high - low, 0.1)
    power = 10.0 ** math.floor(math.log10(span / _TICKS))
    step = next(power * each for each in (1, 2, 5, 10) if power * each * _TICKS >= span * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(round(number * step, 6) for number in range(first, max(last, first + 1) + 1))
