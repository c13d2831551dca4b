"""Compare all bundled models: images from every kind of source, hard images, half precision, size and time.

    python -m benchmarks.models --data FOLDER [--output benchmarks/results/models.json]

``paragon_core.quality.table`` measures one model after the other, and each is saved at once: photo-2x alone takes a
quarter of an hour. What the output already holds of the same weights is not measured again; delete the file to do so.
Prints the tables of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paragon_core.atomic_files import atomic_write
from paragon_core.benchmark.bench import describe_machine
from paragon_core.models.model import bundled, load
from paragon_core.quality.table import FACTS, facts, make_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS: Final = Path(__file__).parent / "results" / "models.json"


def measure(data: Path, name: str) -> dict[str, Any]:
    """Return the report of one model, and of the baselines of its scale, with the machine in every row of a model."""
    report = make_report(data, [name])
    machine = describe_machine(("numpy", "openvino", "onnxruntime"))
    for row in report["models"]:
        if "sha256" in row:
            row["machine"] = machine
    return report


def merged(old: Mapping[str, Any], new: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Return a report with the rows of both; those of ``new`` count.

    Rows are sorted by scale, then baselines first, then models as ``order`` has them. Others are left out.
    """
    rows = {(row["scale"], row["model"]): row for report in (old, new) for row in report["models"]}
    scales = {scale for scale, name in rows if name in order}
    places = {name: place for place, name in enumerate(order)}
    kept = [row for row in rows.values() if row["model"] in order or ("sha256" not in row and row["scale"] in scales)]
    kept.sort(key=lambda row: (row["scale"], places.get(row["model"], -1)))
    return {"sources": new["sources"], "models": kept}


def tables(report: Mapping[str, Any]) -> str:
    """Return the report as Markdown: PSNR of luma for each set, then what needs no data."""
    sources, rows = report["sources"], report["models"]
    blocks = []
    for name in rows[0]["scores"]:
        lines = [f"| {name} | {' | '.join(sources)} |", "|---|" + "---:|" * len(sources)]
        for row in rows:
            scores = [f"{row['scores'][name][source]['psnr_y']:.2f}" for source in sources]
            lines.append(f"| {_title(row)} | {' | '.join(scores)} |")
        blocks.append("\n".join(lines))
    lines = [f"| model | {' | '.join(FACTS)} |", "|---|" + "---:|" * len(FACTS)]
    lines += [f"| {_title(row)} | {' | '.join(facts(row))} |" for row in rows if "sha256" in row]
    return "\n\n".join([*blocks, "\n".join(lines)])


def _title(row: Mapping[str, Any]) -> str:
    return f"`{row['model']}`" if "sha256" in row else f"{row['model']}, x{row['scale']}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, save it, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with Set5 and Set14")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON that is made or completed")
    options = parser.parse_args(arguments)
    report: dict[str, Any] = {"models": []}
    if options.output.exists():
        report = json.loads(options.output.read_text(encoding="utf-8"))
    for name in bundled():
        if load(name).sha256 not in {row.get("sha256") for row in report["models"]}:
            report = merged(report, measure(options.data, name), bundled())
            with atomic_write(options.output) as file:
                file.write((json.dumps(report, indent=2) + "\n").encode())
    print(tables(report))


if __name__ == "__main__":
    main()
