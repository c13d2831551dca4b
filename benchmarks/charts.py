"""Draw the charts of the documentation from the figures in ``benchmarks/results``: docs/charts/*.svg.

    python -m benchmarks.charts

The drawings depend on the JSON files only, so that a test can compare them. Colours follow the reader's light or dark
mode.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from benchmarks.peers import chart
from benchmarks.peers.report import NAMES, machine_of, tables
from benchmarks.svg import WIDTH, drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CHARTS = ROOT / "docs" / "charts"

LEFT = 210
RIGHT = 90
TOP = 46
BAR = 18
GROUP_GAP = 12


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Two bars under one label."""

    label: str
    """What both are about."""
    values: tuple[float, float]
    """Their lengths."""
    texts: tuple[str, str]
    """What stands behind them."""


def read(name: str) -> Any:  # noqa: ANN401 - JSON
    """Return what a file in ``benchmarks/results`` holds."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def bar_chart(title: str, legend: tuple[str, str], rows: Sequence[Bars], *, start: float = 0.0) -> str:
    """Return an SVG drawing of pairs of bars, longest scaled to the full width.

    Args:
        title: shown above the chart.
        legend: names of the first and of the second bar of each pair.
        rows: from top to bottom.
        start: value at the left end of the bars.

    """
    height = TOP + len(rows) * (2 * BAR + GROUP_GAP) + 34
    unit = (WIDTH - LEFT - RIGHT) / (max(max(row.values) for row in rows) - start)
    lines = []
    for index, row in enumerate(rows):
        top = TOP + index * (2 * BAR + GROUP_GAP)
        lines.append(f'<text x="{LEFT - 10}" y="{top + BAR + 5}" text-anchor="end">{escape(row.label)}</text>')
        for place, (kind, value, text) in enumerate(zip(("first", "second"), row.values, row.texts, strict=True)):
            length = (value - start) * unit
            y = top + place * BAR
            lines.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" rx="2"/>')
            lines.append(f'<text class="quiet" x="{LEFT + length + 6:.1f}" y="{y + 13}">{escape(text)}</text>')
    y = height - 18
    for x, (kind, name) in zip((LEFT, LEFT + 200), zip(("first", "second"), legend, strict=True), strict=True):
        lines.append(f'<rect class="{kind}" x="{x}" y="{y}" width="14" height="14" rx="2"/>')
        lines.append(f'<text class="quiet" x="{x + 20}" y="{y + 12}">{escape(name)}</text>')
    return drawing(title, height, lines)


def cpu_ms(case: Any, form: str) -> float:  # noqa: ANN401 - JSON
    """Return the median CPU time of a frame in milliseconds."""
    return float(case["milliseconds"][form]["cpu_median"])


def machine() -> str:
    """Return a sentence about the machine that the times were taken on."""
    report = read("fusion")
    facts = ", ".join(f"{key} {value}" for key, value in report["machine"].items() if key != "cpu")
    return f"{report['machine']['cpu']}; {facts}."


def speed_table() -> str:
    """Return the times as a Markdown table."""
    report = read("fusion")
    forms = list(report["results"][0]["milliseconds"])
    lines = [
        f"| network, input | runtime | {' | '.join(forms)} | fused vs upstream | vs plain | exact border |",
        "|---|---|" + "---:|" * (len(forms) + 3),
    ]
    for case in report["results"]:
        times = [f"{each['cpu_median']:.0f} ({each['wall_median']:.0f})" for each in case["milliseconds"].values()]
        cells = [
            f"{case['case']}, {case['width']}x{case['height']}",
            case["runtime"],
            *times,
            f"{case['fused_vs_upstream']:.2f}",
            f"{case['fused_vs_plain']:.2f}",
            f"{case['border_cost']:+.1%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def speed() -> str:
    """Draw the time of a frame: the network as upstream exports it, and fused."""
    report = read("fusion")
    rows = [
        Bars(
            label=f"{case['case'].replace('-', ' ')}, {NAMES[case['runtime']]}",
            values=(before, after),
            texts=(f"{before:.0f} ms", f"{after:.0f} ms, {case['fused_vs_upstream']:.1f} times as fast"),
        )
        for case in report["results"]
        for before, after in [(cpu_ms(case, "upstream"), cpu_ms(case, "fused"))]
        if case["case"] in {"realtime-x2", "realtime-x4", "stream-x2"}
    ]
    return bar_chart("CPU time of a 640x360 frame on one thread", ("as upstream exports it", "Paragon"), rows)


def quality() -> str:
    """Draw the PSNR of the models at x2: Lanczos and the model."""
    rows = []
    for file in ("realtime-2x", "stream-2x", "v9_2xParagonSR2_Photo_fidelity"):
        means = read(f"quality-{file}")["sets"]
        for name in ("Set5", "Set14"):
            before, after = (means[name]["mean"][method]["psnr_y"] for method in ("lanczos", "model"))
            label = {"v9_2xParagonSR2_Photo_fidelity": "the author's photo"}.get(file, file)
            rows.append(
                Bars(label=f"{label}, {name}", values=(before, after), texts=(f"{before:.2f}", f"{after:.2f} dB"))
            )
    return bar_chart("PSNR of luma at x2, from 28 dB", ("Lanczos", "model"), rows, start=28)


def peers() -> str:
    """Draw the speed and the quality of Paragon and other upscalers."""
    return chart.draw(read("peers"))


def peers_tables() -> str:
    """Return the speed and the quality of Paragon and other upscalers as Markdown tables."""
    return tables(read("peers"))


def peers_machine() -> str:
    """Return a sentence about the machine that these times were taken on."""
    return machine_of(read("peers"))


DRAWINGS = {"speed.svg": speed, "quality.svg": quality, "peers.svg": peers}


def main() -> None:
    """Write all charts."""
    CHARTS.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (CHARTS / name).write_text(draw(), encoding="utf-8", newline="\n")
        print(f"docs/charts/{name}")
    print(machine(), speed_table(), peers_machine(), peers_tables(), sep="\n\n")


if __name__ == "__main__":
    main()
