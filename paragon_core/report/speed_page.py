"""From measured speed to one HTML file that loads nothing: a chart, the table, and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paragon_core import __version__
from paragon_core.benchmark.speed_report import explanation, left_out, table
from paragon_core.report.html import definitions, document, machine, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.benchmark.speed import Measurement
    from paragon_core.benchmark.speed_report import Report

#: Columns of words in the table; the others are figures.
_WORDS: Final = 4

_WIDTH: Final = 960
_NAMES: Final = 330
_ROW: Final = 28
_FIGURES: Final = 110


def render_speed(report: Report) -> str:
    """Return the page."""
    model = report.model
    facts = {
        "model": model.name,
        "variant": model.spec.variant,
        "scale": f"{model.spec.scale}x",
        "SHA-256": model.sha256,
    }
    reasons = left_out(report)
    missing = "".join(f"<li>{text(reason)}</li>" for reason in reasons)
    content = (
        f"<section><h2>Images a second</h2>{_charts(report.measurements)}</section>"
        f"<section><h2>All figures</h2>{_table(table(report))}<p>{text(explanation(report), 2000)}</p>"
        + (f"<h3>Not measured</h3><ul>{missing}</ul>" if reasons else "")
        + f"</section><section><h2>Model</h2>{definitions(facts.items())}</section>"
        f"<section><h2>Machine</h2>{machine({'Paragon': __version__, **report.machine})}</section>"
    )
    subtitle = f"{text(model.spec.variant)} {model.spec.scale}x, on {text(report.machine.get('cpu', 'this machine'))}"
    return document(title=f"Speed of {model.name}", subtitle=subtitle, content=content)


def _charts(measurements: Sequence[Measurement]) -> str:
    """Return a chart for every input, in the order in which they were measured."""
    if not measurements:
        return "<p>Nothing could be measured.</p>"
    workloads = dict.fromkeys(each.workload for each in measurements)
    return "".join(
        f"<h3>{text(workload)}</h3>{_chart(number, [each for each in measurements if each.workload == workload])}"
        for number, workload in enumerate(workloads)
    )


def _chart(number: int, measurements: Sequence[Measurement]) -> str:
    fastest = max(each.fps for each in measurements)
    span = _WIDTH - _NAMES - _FIGURES
    bars = []
    for row, each in enumerate(measurements):
        candidate = each.candidate
        what = f"attention {candidate.attention}" if candidate.attention else candidate.span
        name = text(f"{candidate.backend} {candidate.precision}, {what}")
        length, y = max(span * each.fps / fastest, 1.0), row * _ROW
        kind = "network" if candidate.span == "network" else "all"
        bars.append(
            f'<text class="tick end" x="{_NAMES - 8}" y="{y + 19}">{name}</text>'
            f'<rect class="bar {kind}" x="{_NAMES}" y="{y + 4}" width="{length:.1f}" height="{_ROW - 8}"/>'
            f'<text class="tick" x="{_NAMES + length + 8:.1f}" y="{y + 19}">{each.fps:.1f}</text>'
        )
    best = max(measurements, key=lambda each: each.fps)
    words = f"The fastest is {best.candidate.backend} {best.candidate.precision}, {best.candidate.span}: {best.fps:.1f}"
    return (
        f'<div class="scroll" role="region" aria-label="Chart {number + 1}" tabindex="0">'
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {len(measurements) * _ROW}" role="img" '
        f'aria-labelledby="chart-{number}"><title id="chart-{number}">Images a second. {text(words)}.</title>'
        f"{''.join(bars)}</svg></div>"
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    heading = "".join(f'<th scope="col"{_kind(column)}>{text(cell)}</th>' for column, cell in enumerate(rows[0]))
    body = "".join(
        f"<tr>{''.join(f'<td{_kind(column)}>{text(cell)}</td>' for column, cell in enumerate(row))}</tr>"
        for row in rows[1:]
    )
    return (
        '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table><thead><tr>'
        f"{heading}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _kind(column: int) -> str:
    return ' class="word"' if column < _WORDS else ""
