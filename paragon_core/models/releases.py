"""The checkpoints that the network's author published, and what is known about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from paragon_core.errors import InputError
from paragon_core.models.spec import FACTORY_WINDOW

SUFFIX: Final = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class OfficialRelease:
    """A published checkpoint; ``upsampler_alpha`` and ``window_size`` are in its training recipe, not in the file."""

    name: str
    """The published file's name without suffix, behind its version: several versions were published under one name."""
    sha256: str
    """Hex digest of the published ``.safetensors``."""
    size: int
    """Bytes of the published ``.safetensors``."""
    set5: float
    """PSNR of luma on Set5 in dB, as `paragon_core.quality.evaluate` prints it."""
    set14: float
    """The same on Set14."""
    upsampler_alpha: float = 0.0
    """Value it was trained with."""
    window_size: int = FACTORY_WINDOW
    """Value it was trained with (photo only)."""

    @property
    def file(self) -> str:
        """The name under which it is looked for on a server, and kept."""
        return self.name + SUFFIX


OFFICIAL_RELEASES: Final = (
    OfficialRelease(
        name="v11_2xParagonSR2_Realtime_fidelity",
        sha256="887099be7a521817df20573d1c09fddb79a09a37d22048ebe80b2a88ac3b4fbb",
        size=70_208,
        set5=36.645,
        set14=32.416,
    ),
    OfficialRelease(
        name="v6_2xParagonSR2_Realtime_fidelity",
        sha256="40be28ea13d883ef2994a8f69a24f04e1b19685e92179c01835a37560c657d69",
        size=69_696,
        set5=36.690,
        set14=32.419,
    ),
    OfficialRelease(
        name="v11_2xParagonSR2_Stream_fidelity",
        sha256="cdf82e2dc32254853d964651d7107363adf5cc4576a0b043ad8f90ae17644308",
        size=448_712,
        set5=37.233,
        set14=32.602,
    ),
    OfficialRelease(
        name="v9_2xParagonSR2_Stream_fidelity",
        sha256="aab061b3dd4c1eede87d6595a3c7503dcd76bc3e5c72464fe86b3b99b527da22",
        size=447_376,
        set5=37.417,
        set14=32.828,
    ),
    OfficialRelease(
        name="v9_2xParagonSR2_Photo_fidelity",
        sha256="7c02c13b7f8fafed3f819d7ab7939c15d585e48a9f769a9825e05f028fdf25a0",
        size=3_005_328,
        set5=38.034,
        set14=33.607,
    ),
)


def release_named(name: str) -> OfficialRelease:
    """Return the official release of that name, given with or without suffix.

    Raises:
        InputError: there is none.

    """
    for release in OFFICIAL_RELEASES:
        if name in {release.name, release.file}:
            return release
    msg = f"there is no official release named {name!r}"
    raise InputError(msg, hint=f"there are: {', '.join(release.name for release in OFFICIAL_RELEASES)}")


def release_of(sha256: str) -> OfficialRelease | None:
    """Return the official release whose file has this digest."""
    return next((release for release in OFFICIAL_RELEASES if release.sha256 == sha256), None)
