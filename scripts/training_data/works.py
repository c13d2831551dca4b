"""The works that the bundled models are trained on, and the packages of Debian that hold them."""

from __future__ import annotations

from dataclasses import dataclass


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
