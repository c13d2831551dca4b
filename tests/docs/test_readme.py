"""The README is short, in its order, and says nothing that the figures do not."""

from __future__ import annotations

import json
import re

from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.scores import means

README = PAGES["README.md"]

MOST_WORDS = 900


def test_it_is_short() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_its_order() -> None:
    headings = re.findall(r"^## (.+)$", README, flags=re.MULTILINE)
    assert headings == ["Install", "Examples", "Models", "Speed", "Tested", "More"]
    before = README.partition("## Install")[0]
    assert before.index("2x and 4x upscaling") < before.index("![") < before.index("- **")
    assert before.count("\n- **") == 5


def test_four_examples_of_at_most_five_lines() -> None:
    examples = README.partition("## Examples")[2].partition("## Models")[0]
    found = re.findall(r"^```\w+\n(.*?)^```", examples, flags=re.MULTILINE | re.DOTALL)
    lines = [len([line for line in example.splitlines() if line]) for example in found]
    assert len(lines) == 4
    assert max(lines) <= 5


def test_the_two_commands_come_with_the_installation() -> None:
    install = README.partition("## Install")[2].partition("## Examples")[0]
    assert "pip install paragon-sr" in install
    assert "pip install ." in install
    assert "scripts/demo" in install
    assert "scripts/test" in install


def test_the_promised_examples_are_there() -> None:
    shown = "".join(blocks("README.md", "sh"))
    assert "paragon upscale photo.jpg --fit 3840x2160\n" in shown
    assert "paragon upscale film.gif\n" in shown


def test_the_lead_over_lanczos() -> None:
    (stated,) = re.findall(r"is (\d\.\d) dB above Lanczos on Set5", README)
    scores = means("realtime-2x")["Set5"]
    assert stated == f"{scores['model'] - scores['lanczos']:.1f}"


def test_the_speed() -> None:
    results = json.loads((ROOT / "benchmarks/results/fusion.json").read_text(encoding="utf-8"))["results"]
    ratios = [
        each["fused_vs_upstream"] for each in results if each["case"] in {"realtime-x2", "realtime-x4", "stream-x2"}
    ]
    assert f"{min(ratios):.1f} to {max(ratios):.1f} times as fast" in README


def test_every_placeholder_is_one_at_first_sight() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    addresses = re.findall(r'^urls\.\w+ = "(.*)"', project, flags=re.MULTILINE)
    assert addresses
    assert all(re.match(r"https://[\w.]+\.invalid\b", address) for address in addresses)
