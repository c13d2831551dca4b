"""HDR: static descriptions (mastering display, brightest light) in the words of encoders, and kinds of Dolby Vision."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from paragon_core.media.video.frames import side_data

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream

_MASTERING_DISPLAY: Final = "MASTERING_DISPLAY_METADATA"
_CONTENT_LIGHT_LEVEL: Final = "CONTENT_LIGHT_LEVEL"
_LAYER: Final = "DOVI_METADATA"
_DESCRIPTION: Final = "dovi_conf"

#: FFmpeg's AVMasteringDisplayMetadata: red, green, blue and white, x and y each, least and most light, as fractions;
#: then whether the colours and whether the light are known.
_DISPLAY: Final = struct.Struct("@22i")
#: AVContentLightMetadata: MaxCLL and MaxFALL in cd/m2.
_LIGHT: Final = struct.Struct("@2I")

#: Units of SEI messages (ITU-T H.265, D.3.28), which x264 and x265 take.
_CHROMATICITY: Final = 50_000
_LUMINANCE: Final = 10_000


#: FFmpeg's AVDOVIDecoderConfigurationRecord, one byte each: where the profile is, and the number of what its frames
#: are without the Dolby Vision layer; 0: nothing that other decoders can show.
_PROFILE, _COMPATIBILITY = 2, 7
#: Profiles without such a base layer (Dolby Vision profiles and levels, 2.3): of HEVC and AV1.
_MAY_LACK_BASE: Final = frozenset({5, 10})

#: FFmpeg's AVDOVIMetadata begins with the place of its header; there, the profile of the layer, and whether the range
#: of the frames is full.
_HEADER_PLACE: Final = struct.Struct("@N")
_LAYER_PROFILE, _FULL_RANGE = 4, 10


@dataclass(frozen=True, kw_only=True)
class StaticHdr:
    """What HDR10 says once for a whole video."""

    display: tuple[Fraction, ...] | None = None
    """Chromaticities x, y of red, green, blue and white; then the least and the most light in cd/m2."""
    light: tuple[int, int] | None = None
    """MaxCLL and MaxFALL in cd/m2."""

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return self.display is not None or self.light is not None

    def for_x26x(self, names: tuple[str, str]) -> dict[str, str]:
        """Return options of x264 or x265, with these names for display and light."""
        result = {}
        if self.display is not None:
            points = [str(round(value * _CHROMATICITY)) for value in self.display[:8]]
            low, high = (round(value * _LUMINANCE) for value in self.display[8:])
            result[names[0]] = _display_text(points, str(high), str(low))
        if self.light is not None:
            result[names[1]] = f"{self.light[0]},{self.light[1]}"
        return result

    def for_svt_av1(self) -> dict[str, str]:
        """Return options of SVT-AV1."""
        result = {}
        if self.display is not None:
            values = [f"{float(value):.6f}" for value in self.display]
            result["mastering-display"] = _display_text(values[:8], values[9], values[8])
        if self.light is not None:
            result["content-light"] = f"{self.light[0]},{self.light[1]}"
        return result


def static_hdr(stream: VideoStream, frame: VideoFrame) -> StaticHdr:
    """Return what a stream says, and what comes with its first frame."""
    parts = dict(getattr(stream.codec_context, "decoded_side_data", {}))  # PyAV has it from 19 on
    data = {**{kind.name: part for kind, part in parts.items()}, **side_data(frame)}
    display, light = data.get(_MASTERING_DISPLAY), data.get(_CONTENT_LIGHT_LEVEL)
    return StaticHdr(
        display=None if display is None else _display(bytes(display)),
        light=None if light is None else _light(bytes(light)),
    )


def _display(data: bytes) -> tuple[Fraction, ...] | None:
    numbers = _DISPLAY.unpack_from(data)
    if not all(numbers[20:]) or not all(numbers[1:20:2]):  # encoders want both
        return None
    return tuple(Fraction(numbers[at], numbers[at + 1]) for at in range(0, 20, 2))


def _light(data: bytes) -> tuple[int, int] | None:
    most, average = _LIGHT.unpack_from(data)
    return (most, average) if most or average else None  # zeros: not known


def _display_text(points: list[str], high: str, low: str) -> str:
    red, green, blue, white = (f"({points[at]},{points[at + 1]})" for at in range(0, 8, 2))
    return f"G{green}B{blue}R{red}WP{white}L({high},{low})"


def has_dolby_vision(stream: VideoStream, frame: VideoFrame) -> bool:
    """Return whether a stream comes with a Dolby Vision layer."""
    return _DESCRIPTION in getattr(stream.codec_context, "coded_side_data", {}) or _LAYER in side_data(frame)


def needs_dolby_vision(stream: VideoStream, frame: VideoFrame) -> bool:
    """Return whether the colours of a stream mean something only together with its Dolby Vision layer (profile 5)."""
    described = getattr(stream.codec_context, "coded_side_data", {}).get(_DESCRIPTION)  # PyAV has it from 19 on
    if described is not None:
        return is_dolby_vision_alone(described)
    layer = side_data(frame).get(_LAYER)
    return layer is not None and is_layer_of_profile_5(bytes(layer))


def is_dolby_vision_alone(record: bytes) -> bool:
    """Read it from a container's description of the layer."""
    return record[_PROFILE] in _MAY_LACK_BASE and not record[_COMPATIBILITY]


def is_layer_of_profile_5(metadata: bytes) -> bool:
    """Read it from the layer of a frame itself."""
    header = _HEADER_PLACE.unpack_from(metadata)[0]
    return not metadata[header + _LAYER_PROFILE] and bool(metadata[header + _FULL_RANGE])
