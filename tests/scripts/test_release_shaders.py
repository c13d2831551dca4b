"""A release has every shader of the bundled models, the same each time, with digests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import paragon_core as paragon
from scripts.release_shaders import DIGESTS, main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_every_shader_with_its_digest(tmp_path: Path) -> None:
    for name in ("once", "again"):
        assert main([str(tmp_path / name)]) == 0
    once, again = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("once", "again"))
    assert once == again
    lines = [line.partition("  ") for line in once.pop(DIGESTS).decode().splitlines()]
    listed = {name: digest for digest, _, name in lines}
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in once.items()}
    realtime = [name for name in paragon.bundled() if paragon.load(name).spec.variant == "realtime"]
    assert len(once) == 4 * len(realtime)
    assert b"[Paragon realtime-video-2x]" in once["paragon-realtime-video-2x-luma-fp16.glsl"]


def test_without_a_folder_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "scripts/release FOLDER" in capsys.readouterr().err
