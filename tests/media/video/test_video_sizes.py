"""Sizes of videos, of which a file tells what it has and a look ahead what it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

av = pytest.importorskip("av")

from paragon_core.media.video import jobs, opening
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.model_choice import scale_for_video
from paragon_core.upscaling.output_size import OutputSize
from tests.random_models import MODEL

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (96, 64)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(*SIZE, "yuv420p")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The videos that were opened so far."""
    found: list[Path] = []

    def counting(path: Path, *given: Any, **more: Any) -> Any:
        found.append(path)
        return opening.opened(path, *given, **more)

    monkeypatch.setattr(jobs, "opened", counting)
    return found


def test_a_video_is_opened_once_for_all_scales(source: Path, opened: list[Path]) -> None:
    size = OutputSize(factor=4)
    found = jobs.look_ahead_at_scales(source, VideoEncoding(), scales=(2, 3, 4), size=size)
    assert opened == [source]
    assert {scale: made.runs for scale, made in found.items()} == {2: 2, 3: 2, 4: 1}
    assert {made.size for made in found.values()} == {(384, 256)}
    assert found[2] == jobs.look_ahead(source, VideoEncoding(), scale=2, size=size)


def test_the_size_of_a_video_is_that_of_its_frames(source: Path) -> None:
    assert jobs.video_size(source) == SIZE


def test_a_video_is_opened_once_to_choose_its_model(source: Path, opened: list[Path]) -> None:
    assert scale_for_video(source, VideoEncoding(), OutputSize(factor=4), dict.fromkeys((2, 3, 4), MODEL)) == 4
    assert opened == [source]
