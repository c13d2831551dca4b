"""The examples about several devices and clusters."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from PIL import Image

from paragon_core.cli.main import main
from tests.docs.pages import blocks, commands
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
