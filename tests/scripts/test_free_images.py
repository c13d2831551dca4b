from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.training.data import PatchOptions, PatchSource, read_images
from scripts.training_data import free_images
from scripts.training_data.free_images import LEAST_SHARPNESS, TILE, opaque, sharpness, tiles
from scripts.training_data.works import Package, Work
from tests.debian_packages import debian_package

if TYPE_CHECKING:
    from pathlib import Path


def image_file(side: int = 500) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    noise[: side // 2] = 90
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "png")
    return file.getvalue()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay one package into a folder and return the folder; the list of packages names that one only."""
    deb = debian_package({"images/a b.png": image_file(), "images/other.png": b"not taken"})
    package = Package(
        name="small",
        source="little",
        version="1.0-1",
        sha256=hashlib.sha256(deb).hexdigest(),
        kind="noise",
        factors=(1.0, 2.0),
        grain=True,
        works=(Work(path="images/a b.png", author="Nobody", licence="CC0-1.0"),),
    )
    monkeypatch.setattr(free_images, "PACKAGES", (package,))
    monkeypatch.setattr(free_images, "SCREEN_CONTENT", 2)
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/small_1.0-1_all.deb").write_bytes(deb)
    return tmp_path / "packages"


def test_tiles_and_credits_are_made_and_can_be_trained_on(archive: Path, tmp_path: Path) -> None:
    count = free_images.prepare(tmp_path / "tiles", archive)
    made = sorted(path.name for path in (tmp_path / "tiles/noise").glob("*.png"))
    counts = {kind: len(list((tmp_path / "tiles" / kind).glob("*.png"))) for kind in ("grain", "screen_content")}
    assert counts["grain"] > 0
    assert counts["screen_content"] == 2
    assert len(made) + sum(counts.values()) == count
    # The upper half is flat: of the three rows of tiles the first has nothing to teach.
    assert made[0] == "a_b-by1-1-0.png"
    credit = (tmp_path / "tiles/CREDITS.txt").read_text(encoding="utf-8")
    assert "a b.png, by Nobody, CC0-1.0, from small_1.0-1_all.deb" in credit
    folders = [read_images(tmp_path / "tiles" / name) for name in ("noise", "grain", "screen_content")]
    source = PatchSource(folders, scale=2, options=PatchOptions())
    assert len(source) == count


def test_the_command_line_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert free_images.main([str(tmp_path / "tiles"), "--packages", str(tmp_path)]) == 2
    assert "--packages" in capsys.readouterr().err


def test_tiles_are_sharp_and_cover_the_far_edge() -> None:
    image = Image.open(io.BytesIO(image_file()))
    found = dict(tiles(image, 1))
    assert {tile.size for tile in found.values()} == {(TILE, TILE)}
    assert min(map(sharpness, found.values())) >= LEAST_SHARPNESS
    corner = image.crop((500 - TILE, 500 - TILE, 500, 500))
    assert found["2-2"].tobytes() == corner.tobytes()


def test_an_image_smaller_than_a_tile_gives_none() -> None:
    assert list(tiles(Image.new("RGB", (TILE, TILE - 1)), 1)) == []


def test_what_is_transparent_becomes_grey() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert opaque(image).tobytes() == bytes([255, 0, 0, 178, 178, 178])
