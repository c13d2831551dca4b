"""Fetch the free images that the bundled models are trained on, and cut them into tiles.

    python -m scripts.training_data.free_images FOLDER

They come from six packages of Debian whose bytes `works` pins, so every machine makes the same tiles. On Debian,
apt fetches them, whatever the release; elsewhere, put the six files into a folder and name it with ``--packages``. Only
works in the public domain, and under CC0, CC-BY and Expat, are taken; ``CREDITS.txt`` in the folder names every author.
Photographs and drawings were published as JPEG or as screen graphics: reducing them (Lanczos) removes the traces of
compression and makes images that are sharp to the last pixel. Tiles without detail teach nothing and are left out.
The folder ``grain`` gets the photographs hardly reduced, as a camera leaves them; ``screen_content`` gets drawings of
this project's own, see `screen_content`.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from paragon_core.errors import ParagonError, as_lines
from scripts.training_data.debian import fetch, unpack
from scripts.training_data.screen_content import screen_content
from scripts.training_data.works import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Side of a tile in pixels.
TILE = 192

#: Number of images of screen content.
SCREEN_CONTENT = 300

#: Least sharpness of a tile: mean step of luma between neighbours, in levels of 0..255.
LEAST_SHARPNESS = 4.0

#: How photographs are reduced for the folder ``grain``, and the least sharpness there.
GRAIN_FACTORS = (1.0, 1.25)
LEAST_SHARPNESS_WITH_GRAIN = 3.0

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_BACKGROUND = (178, 178, 178)


def tiles(
    image: Image.Image, factor: float, least_sharpness: float = LEAST_SHARPNESS
) -> Iterator[tuple[str, Image.Image]]:
    """Reduce an image and cut it into sharp tiles; those at the far edges overlap their neighbours.

    Args:
        image: RGB.
        factor: how much smaller it gets.
        least_sharpness: what a tile must have, see `sharpness`.

    Yields:
        Place ("row-column", counted in tiles) and tile.

    """
    width, height = int(image.width / factor), int(image.height / factor)
    if min(width, height) < TILE:
        return
    reduced = image if factor == 1 else image.resize((width, height), Image.Resampling.LANCZOS)
    for row in range(-(-height // TILE)):
        for column in range(-(-width // TILE)):
            top, left = min(row * TILE, height - TILE), min(column * TILE, width - TILE)
            tile = reduced.crop((left, top, left + TILE, top + TILE))
            if sharpness(tile) >= least_sharpness:
                yield f"{row}-{column}", tile


def sharpness(image: Image.Image) -> float:
    """Return the mean step of luma between neighbours along both axes, in levels of 0..255."""
    luma = np.asarray(image, dtype=np.float32) @ _LUMA
    return float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean()) / 2


def opaque(image: Image.Image) -> Image.Image:
    """Return an image as RGB, what is transparent in front of light grey."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    background = Image.new("RGBA", image.size, (*_BACKGROUND, 255))
    background.alpha_composite(image.convert("RGBA"))
    return background.convert("RGB")


def prepare(folder: Path, packages: Path | None = None) -> int:
    """Fetch all packages, then draw screen content, fill ``folder`` with tiles and ``CREDITS.txt``; count the tiles.

    Every kind of tiles has a folder of its own. ``packages`` is a folder with the packages' files; without it they are
    fetched.

    Raises:
        MediaError: if a package cannot be fetched or an image not be read.

    """
    kinds = {package.kind for package in PACKAGES} | {"grain", "screen_content"}
    for kind in kinds:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    count, credits_ = SCREEN_CONTENT, ["Images that these tiles were cut from", ""]
    for package in PACKAGES:
        files = unpack(fetch(package, packages), [work.path for work in package.works])
        for work in package.works:
            with Image.open(io.BytesIO(files[work.path])) as file:
                image = opaque(file)
            name = Path(work.path).stem.replace(" ", "_")
            credits_.append(f"{Path(work.path).name}, by {work.author}, {work.licence}, from {package.file}")
            cuts = [(package.kind, factor, LEAST_SHARPNESS) for factor in package.factors]
            if package.grain:
                cuts += [("grain", factor, LEAST_SHARPNESS_WITH_GRAIN) for factor in GRAIN_FACTORS]
            for kind, factor, least_sharpness in cuts:
                for place, tile in tiles(image, factor, least_sharpness):
                    tile.save(folder / kind / f"{name}-by{factor:g}-{place}.png")
                    count += 1
    for index, image in enumerate(screen_content(SCREEN_CONTENT, TILE)):
        image.save(folder / "screen_content" / f"screen-{index:03}.png")
    (folder / "CREDITS.txt").write_text("\n".join(credits_) + "\n", encoding="utf-8")
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/train-data",
        description="Fetch the free images that the bundled models are trained on (87 MB), and cut them into tiles.",
    )
    parser.add_argument("folder", type=Path, help="where the tiles go")
    parser.add_argument("--packages", type=Path, help="folder with the packages' files, where there is no apt")
    options = parser.parse_args(arguments)
    try:
        count = prepare(options.folder, options.packages)
    except ParagonError as error:
        sys.stderr.write(as_lines(error))
        return 2
    sys.stdout.write(f"{count} tiles in {options.folder}; credits in {options.folder / 'CREDITS.txt'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
