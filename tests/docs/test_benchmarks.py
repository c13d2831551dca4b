"""The commands of the page about benchmarks run, and give tables like those shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from paragon_core.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^paragon (bench .*)$", PAGE, flags=re.MULTILINE)
HEADINGS = set(re.findall(r"^\| input \| runtime .*$", PAGE, flags=re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_command(
    command: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In small: minutes are too long for a test."""
    if "Photo" in command:
        monkeypatch.setenv("PARAGON_MODELS", str(request.getfixturevalue("shared") / "weights"))
    words = shlex.split(re.sub(r"--size \S+", "", command))
    assert main([*words, "--size", "16x12", "--rounds", "1", "--backends", "onnxruntime"]) == 0
    printed = capsys.readouterr().out
    assert set(re.findall(r"^\| input .*$", printed, flags=re.MULTILINE)) == HEADINGS


def test_there_are_tables() -> None:
    assert len(COMMANDS) >= 2
    assert len(HEADINGS) == 1
    for heading in HEADINGS:
        assert PAGE.count(heading) == len(COMMANDS)
