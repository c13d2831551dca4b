"""How strongly image files are compressed, where their format loses something by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from paragon_core.errors import InputError

if TYPE_CHECKING:
    from paragon_core.media.formats import FormatName, ImageFormat

#: Chroma samples for luma samples: as many, half of them across, or half of them across and down.
Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
SUBSAMPLINGS: Final[tuple[Subsampling, ...]] = get_args(Subsampling)

_HIGHEST_QUALITY: Final = 100

#: The subsampling that each lossy format can have; lossy WebP is defined with 4:2:0 only, JPEG XL is written without.
_CHROMA: Final[dict[FormatName, tuple[Subsampling, ...]]] = {
    "jpeg": SUBSAMPLINGS,
    "avif": SUBSAMPLINGS,
    "webp": ("4:2:0",),
    "jxl": ("4:4:4",),
}


@dataclass(frozen=True, kw_only=True)
class ImageCompression:
    """What lossy formats (JPEG, WebP, AVIF, JPEG XL) are written with; None leaves it to the format (`encoding`)."""

    quality: int | None = None
    """1 to 100; higher looks better and takes more space. WebP and JPEG XL are then lossy for any source."""
    subsampling: Subsampling | None = None
    """Of chroma."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: one is out of range.

        """
        if self.quality is not None and not 1 <= self.quality <= _HIGHEST_QUALITY:
            raise InputError(f"there is no quality {self.quality}", hint=f"it goes from 1 to {_HIGHEST_QUALITY}")
        if self.subsampling not in {None, *SUBSAMPLINGS}:
            raise InputError(
                f"there is no chroma subsampling {self.subsampling}", hint=f"choose one of {', '.join(SUBSAMPLINGS)}"
            )

    @property
    def is_given(self) -> bool:
        """Whether anything was asked for."""
        return self.quality is not None or self.subsampling is not None

    @staticmethod
    def applies_to(target: ImageFormat) -> bool:
        """Return whether a format has a quality."""
        return target.name in _CHROMA

    def check(self, target: ImageFormat) -> None:
        """Check that a lossy format can be written so; lossless ones take no notice.

        Raises:
            InputError: it cannot.

        """
        possible = _CHROMA.get(target.name, SUBSAMPLINGS)
        if self.subsampling is not None and self.subsampling not in possible:
            raise InputError(
                f"{target.title} has no chroma subsampling {self.subsampling}, only {', '.join(possible)}",
                hint="leave --subsampling out, or choose JPEG or AVIF",
            )
