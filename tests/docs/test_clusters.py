"""The examples about several devices and clusters."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from PIL import Image

from paragon_core.cli.main import main
from tests.docs.pages import PAGES, ROOT, blocks, commands
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PAGE = "docs/clusters.md"


def test_the_command_for_several_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    videos.make(tmp_path / "videos" / "a.mkv")
    Image.new("RGB", (20, 16)).save(tmp_path / "videos" / "b.png")
    (command,) = commands(PAGE, "paragon")
    assert main(shlex.split(command)[1:]) == 0
    assert sorted(path.name for path in (tmp_path / "large").iterdir()) == ["a.mkv", "b.png"]


def test_the_command_for_ray_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = (line for block in blocks(PAGE, "bash") for line in block.splitlines() if line.startswith("paragon "))
    text = re.sub("/shared", str(tmp_path), command)
    (tmp_path / "videos").mkdir()
    Image.new("RGB", (20, 16)).save(tmp_path / "videos" / "b.png")
    arguments = [*shlex.split(text)[1:], "--device", "cuda:1"]  # which is refused before a cluster is looked for
    assert main(arguments) == 2
    assert "Ray chooses the cards" in capsys.readouterr().err


def test_the_figures_are_those_of_the_benchmarks() -> None:
    found = json.loads((ROOT / "benchmarks/results/clusters.json").read_text(encoding="utf-8"))
    section = PAGES["docs/benchmarks.md"].partition("## Clusters\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| 1")]
    assert rows == [
        [
            str(run["slots"]),
            str(run["seconds"]),
            f"{run['failure_hours']:g}",
            f"{run['efficiency']:.3f}",
            f"{run['driver_busy']:.3f}",
            f"{run['units_per_second']:.1f}",
            f"{run['driver_kilobytes_per_second']:.0f}",
            str(run["lost_slots"]),
        ]
        for run in found["runs"]
    ]
    works = json.loads((ROOT / "benchmarks/results/slots.json").read_text(encoding="utf-8"))["works"]
    shares = re.findall(r"^\| (images|video) \| `--(\S+).*` \| (.*) \|$", section, flags=re.MULTILINE)
    names = ("efficiency", "efficiency_of_what_the_machine_allows", "efficiency_by_processor_time", "busy_share")
    assert [(work, kind, tuple(cells.split(" | "))) for work, kind, cells in shares] == [
        (work, kind.removesuffix("s") if kind == "shards" else kind, tuple(cell(each.get(name)) for name in names))
        for work, kinds in works.items()
        for kind, each in kinds.items()
    ]
    costs = found["costs"]
    assert f"takes {1000 * costs['driver_seconds']:.1f} ms" in section
    assert f"{costs['unit_bytes']} bytes on its way there and {costs['outcome_bytes']} on its way back" in section


def cell(value: float | None) -> str:
    """Return a share as the table has it."""
    return "" if value is None else f"{value:.2f}"
