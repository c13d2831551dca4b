"""The page about engines says what is, and its examples run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from paragon_core.cli.main import main
from paragon_core.engines import DEFAULT_LIMIT, IMAGES, MOST_PIXELS, EngineCache
from paragon_core.models.model import load
from paragon_core.upscaling.border import Border
from paragon_core.upscaling.session_pool import PIXELS_WORTH_AN_ENGINE
from tests.media.test_sizes import video

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/engines.md").read_text(encoding="utf-8")
COMMANDS = [line.partition("#")[0] for line in PAGE.splitlines() if line.startswith("paragon ")]


def test_the_commands_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARAGON_CACHE", str(tmp_path / "cache"))
    video(tmp_path / "video.mkv", (640, 360))
    (tmp_path / "photos").mkdir()
    for size in ((320, 240), (240, 320)):
        Image.new("RGB", size).save(tmp_path / "photos" / f"{size[0]}.png")
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        assert main(shlex.split(command)[1:]) == 0, command
    text = capsys.readouterr().out
    assert "whole" in text
    # As shown under "Where they are", apart from the digits.
    paths = [entry.files.engine.relative_to(tmp_path / "cache").as_posix() for entry in EngineCache().entries()]
    (shown,) = re.findall(r"^(engines/v1/\S+\.engine)", PAGE, flags=re.MULTILINE)
    pattern = re.escape(shown).replace("1ba8f4c5", "[0-9a-f]{8}")
    assert any(re.fullmatch(pattern, path) for path in paths)


def test_the_numbers_are_those_of_the_program() -> None:
    told = " ".join(PAGE.split())
    margin = Border.of(load("realtime-2x").spec, "auto").margin
    smallest, best, largest = IMAGES.minimum, IMAGES.optimum, tuple(side - 2 * margin for side in IMAGES.maximum)
    takes, tuned = ("{}x{} to {}x{}".format(*smallest, *largest), "{}x{}".format(*best))
    assert f"an engine takes {takes} pixels and is tuned for {tuned}" in told
    assert f"exceed {DEFAULT_LIMIT // 2**30} GiB" in told
    assert f"{PIXELS_WORTH_AN_ENGINE // 10**6} million pixels" in told
    assert "up to 4096x2304" in told
    assert MOST_PIXELS == 4096 * 2304
