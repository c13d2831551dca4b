"""What a film is encoded with, and how its frames are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from paragon_core.errors import InputError
from paragon_core.media.pyav import pyav
from paragon_core.media.video_colour import BT709, LEFT, RGB, Colour

if TYPE_CHECKING:
    from fractions import Fraction

Codec = Literal["h264", "hevc", "av1"]
CODECS: Final[tuple[Codec, ...]] = get_args(Codec)
Preset = Literal["fast", "medium", "slow"]
PRESETS: Final[tuple[Preset, ...]] = get_args(Preset)


@dataclass(frozen=True, kw_only=True)
class _Encoder:
    """An encoder of FFmpeg."""

    name: str
    deep: bool
    """Whether more than 8 bits are decoded wherever the codec is."""
    crf: float
    highest_crf: float
    presets: dict[Preset, str]
    repeatable: dict[str, str]
    """Options that make the same bytes each time, and on machines with another number of cores."""


#: x264 (165) with its macroblock tree and B frames makes other bytes each time on a processor with AVX-512. What it
#: and x265 make depends on the number of frames at once.
_ENCODERS: Final[dict[Codec, tuple[_Encoder, ...]]] = {
    "h264": (
        _Encoder(
            name="libx264",
            deep=False,
            crf=18,
            highest_crf=51,
            presets={"fast": "veryfast", "medium": "medium", "slow": "slow"},
            repeatable={"x264-params": "mbtree=0:threads=4"},
        ),
    ),
    "hevc": (
        _Encoder(
            name="libx265",
            deep=True,
            crf=20,
            highest_crf=51,
            presets={"fast": "veryfast", "medium": "medium", "slow": "slow"},
            repeatable={"x265-params": "frame-threads=2:log-level=none"},
        ),
    ),
    "av1": (
        _Encoder(
            name="libsvtav1",
            deep=True,
            crf=26,
            highest_crf=63,
            presets={"fast": "10", "medium": "8", "slow": "5"},
            repeatable={},
        ),
    ),
}


@dataclass(frozen=True, kw_only=True)
class VideoEncoding:
    """How a film is encoded."""

    codec: Codec = "h264"
    """h264 plays everywhere and has 8 bits; hevc and av1 are smaller, slower, and keep 10 bits of deeper sources."""
    crf: float | None = None
    """Constant rate factor, smaller is better: from 1 to 51, for av1 to 63. None: 18, 20 and 26, hardly visible."""
    preset: Preset = "medium"
    """How hard the encoder tries: the slower, the smaller the file."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: one is out of range.

        """
        if self.codec not in CODECS or self.preset not in PRESETS:
            msg = f"video cannot be encoded as {self.codec!r} with preset {self.preset!r}"
            raise InputError(
                msg, hint=f"the codec is one of {', '.join(CODECS)}, the preset one of {', '.join(PRESETS)}"
            )
        highest = self._encoder.highest_crf
        if self.crf is not None and not 1 <= self.crf <= highest:  # NaN compares false
            msg = f"{self.codec} cannot be had with crf {self.crf}"
            raise InputError(msg, hint=f"it goes from 1 to {highest:.0f}")

    @property
    def _encoder(self) -> _Encoder:
        return _ENCODERS[self.codec][0]

    def colour(self, source: Colour, *, turned: bool = False) -> Colour:
        """Return how samples are to be written: 4:2:0, as the source describes its own."""
        rgb = source.matrix == RGB
        return Colour(
            matrix=BT709 if rgb else source.matrix,
            full=source.full and not rgb,
            bits=10 if self._encoder.deep and source.bits > 8 else 8,  # noqa: PLR2004 - what every decoder knows
            factors=(2, 2),
            chroma_location=LEFT if turned else source.chroma_location,
        )

    def add_to(
        self,
        container: Any,  # noqa: ANN401  (PyAV is optional)
        size: tuple[int, int],
        colour: Colour,
        *,
        rate: Fraction,
        time_base: Fraction,
    ) -> Any:  # noqa: ANN401  (as above)
        """Add a stream of pictures to a container that is being written.

        Raises:
            BackendUnavailableError: the encoder is missing here.

        """
        encoder = self._encoder
        pyav(encoder.name)
        crf = encoder.crf if self.crf is None else self.crf
        options = {"crf": f"{crf:g}", "preset": encoder.presets[self.preset], **encoder.repeatable}
        stream = container.add_stream(encoder.name, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format(colour)
        stream.time_base = stream.codec_context.time_base = time_base
        context = stream.codec_context
        context.colorspace = colour.matrix
        context.color_range = 2 if colour.full else 1
        return stream


def pixel_format(colour: Colour) -> str:
    """Return FFmpeg's name of the format with these samples."""
    return "yuv420p" if colour.bits == 8 else "yuv420p10le"  # noqa: PLR2004 - bits


def even(side: int) -> int:
    """Return the smallest even number that is not smaller: what 4:2:0 needs."""
    return 2 * math.ceil(side / 2)
