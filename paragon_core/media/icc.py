"""ICC profiles: whether one fits, and new ones from what files say of their colours in other words.

Sources: ICC.1:2022 (section numbers below are its own); Recommendation ITU-T H.273 for code points; the PNG
specification, third edition, for the chunks gAMA, cHRM, sRGB and cICP; Recommendation ITU-R BT.2100 for PQ and HLG.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from paragon_core.media.metadata import Chunks

_HEADER_LENGTH: Final = 128
_XY = tuple[tuple[float, float], ...]

#: Chromaticities of red, green, blue and white by code point (H.273, table 2).
_D65: Final = (0.3127, 0.3290)
_C: Final = (0.310, 0.316)
_PRIMARIES: Final[dict[int, _XY]] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_UNSPECIFIED: Final = 2
_SRGB_PRIMARIES, _SRGB_TRANSFER = 1, 13
PQ, HLG = 16, 18

#: Exponent and further parameters of a parametric curve (10.18), by code point of the transfer (H.273, table 3).
_BT709: Final = (3, (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081))
_CURVES: Final[dict[int, tuple[int, tuple[float, ...]]]] = {
    1: _BT709,
    6: _BT709,
    14: _BT709,
    15: _BT709,
    4: (0, (2.2,)),
    5: (0, (2.8,)),
    7: (3, (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0912)),
    8: (0, (1.0,)),
    13: (3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
}
_TRANSFERS: Final = frozenset({1, *range(4, 19)})
_TABLE_LENGTH: Final = 4096
#: PNG counts gamma and chromaticities in 1/100000; within these bounds they are those of sRGB.
_SRGB_GAMMA, _GAMMA_TOLERANCE = 45455, 500
_SRGB_CHROMATICITIES: Final = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_CHROMATICITY_TOLERANCE: Final = 200
_D50: Final = (0.9642, 1.0, 0.8249)
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def fitting_icc(icc: bytes | None, *, grey: bool) -> bytes | None:
    """Return an ICC profile if it describes pixels of this kind, else None.

    A profile of another colour space (a CMYK profile left behind by a conversion, say) or a damaged one would make
    viewers show wrong colours or refuse the file. The space is named in bytes 16 to 19, the signature in 36 to 39
    (7.2).
    """
    if icc is None or len(icc) < _HEADER_LENGTH or icc[36:40] != b"acsp":
        return None
    return icc if icc[16:20] == (b"GRAY" if grey else b"RGB ") else None


def colour_profile(icc: bytes | None) -> bytes | None:
    """Return the profile for the same pixels as RGB with three equal channels, from one for grey; None if damaged."""
    if fitting_icc(icc, grey=True) is None or icc is None:
        return None
    count = int.from_bytes(icc[_HEADER_LENGTH : _HEADER_LENGTH + 4], "big")
    for at in range(_HEADER_LENGTH + 4, min(_HEADER_LENGTH + 4 + 12 * count, len(icc) - 11), 12):
        name, offset, length = struct.unpack_from(">4sII", icc, at)
        if name == b"kTRC" and offset + length <= len(icc):
            return _profile("grey as RGB", icc[offset : offset + length], _PRIMARIES[1], grey=False)
    return None


def profile_of(chunks: Chunks, *, grey: bool) -> bytes | None:
    """Return an ICC profile for the colours that chunks of a PNG describe.

    Returns:
        None when they describe sRGB, which needs none, or nothing at all.

    Raises:
        ValueError: no profile can say the same. The message names the chunk.

    """
    found = dict(chunks)
    if code := found.get(b"cICP"):
        return _from_code_points(code, grey=grey)
    if b"sRGB" in found:
        return None
    return _from_numbers(found.get(b"gAMA"), found.get(b"cHRM"), grey=grey)


def hdr_transfer(chunks: Chunks) -> int | None:
    """Return the code point of a transfer for high dynamic range, `PQ` or `HLG`, if chunks of a PNG state one."""
    code = dict(chunks).get(b"cICP", b"")
    return code[1] if len(code) == 4 and code[1] in {PQ, HLG} else None  # noqa: PLR2004 - bytes of the chunk


def are_code_points(code: bytes) -> bool:
    """Return whether the content of cICP names primaries and a transfer that H.273 has, for RGB in full range."""
    return len(code) == 4 and code[2:] == b"\0\1" and code[0] in _PRIMARIES and code[1] in _TRANSFERS  # noqa: PLR2004


def code_points(primaries: int, transfer: int) -> Chunks:
    """Return the chunk of a PNG for code points of RGB in full range; none for sRGB and for what says nothing."""
    primaries = _SRGB_PRIMARIES if primaries in {0, _UNSPECIFIED} else primaries
    transfer = _SRGB_TRANSFER if transfer in {0, _UNSPECIFIED} else transfer
    if (primaries, transfer) == (_SRGB_PRIMARIES, _SRGB_TRANSFER):
        return ()
    return ((b"cICP", bytes([primaries, transfer, 0, 1])),)


def _from_code_points(code: bytes, *, grey: bool) -> bytes | None:
    if len(code) != 4 or code[3] != 1 or code[2] != 0:  # noqa: PLR2004 - bytes of the chunk
        msg = "cICP"
        raise ValueError(msg)
    described = code_points(code[0], code[1])
    if not described:
        return None
    primaries, transfer = described[0][1][:2]
    curve = _curve(transfer)
    if curve is None or primaries not in _PRIMARIES:
        msg = "cICP"
        raise ValueError(msg)
    label = struct.pack(">4s4xBBBB", b"cicp", primaries, transfer, 0, 1)
    return _profile(
        f"H.273 primaries {primaries}, transfer {transfer}", curve, _PRIMARIES[primaries], grey=grey, cicp=label
    )


def _from_numbers(gamma: bytes | None, chromaticities: bytes | None, *, grey: bool) -> bytes | None:
    numbers = struct.unpack(">8I", chromaticities) if chromaticities and len(chromaticities) == 32 else None  # noqa: PLR2004
    (value,) = struct.unpack(">I", gamma) if gamma and len(gamma) == 4 else (_SRGB_GAMMA,)  # noqa: PLR2004 - bytes
    if numbers is None or grey or _is_near(numbers, _SRGB_CHROMATICITIES, _CHROMATICITY_TOLERANCE):
        primaries = _PRIMARIES[_SRGB_PRIMARIES]
        if _is_near((value,), (_SRGB_GAMMA,), _GAMMA_TOLERANCE):
            return None
    else:
        white, *colours = [(numbers[at] / 1e5, numbers[at + 1] / 1e5) for at in range(0, 8, 2)]
        primaries = (*colours, white)
    if not 1000 <= value <= 10_000_000:  # noqa: PLR2004 - exponents from 0.01 to 100; others are mistakes
        msg = "gAMA"
        raise ValueError(msg)
    exponent = 1e5 / value
    curve = _curve(_SRGB_TRANSFER) if gamma is None else _parametric(0, (exponent,))
    return _profile(f"gamma {exponent:.4g}", curve or b"", primaries, grey=grey)


def _is_near(numbers: tuple[int, ...], others: tuple[int, ...], tolerance: int) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(numbers, others, strict=True))


def _curve(transfer: int) -> bytes | None:
    if transfer in _CURVES:
        return _parametric(*_CURVES[transfer])
    if transfer in _TABLES:
        table: bytes = np.rint(_TABLES[transfer](np.linspace(0, 1, _TABLE_LENGTH)) * 65535).astype(">u2").tobytes()
        return struct.pack(">4s4xI", b"curv", _TABLE_LENGTH) + table
    return None


def _pq(code: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return light as a part of 10,000 cd/m2 (BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    light: npt.NDArray[Any] = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return light


def _hlg(code: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the light of the scene as a part of its peak (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light: npt.NDArray[Any] = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)  # noqa: PLR2004
    scaled: npt.NDArray[Any] = np.minimum(light, 1)
    return scaled


_TABLES: Final = {PQ: _pq, HLG: _hlg}


def _parametric(kind: int, parameters: tuple[float, ...]) -> bytes:
    return struct.pack(">4s4xHH", b"para", kind, 0) + _fixed(*parameters)


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _text(words: str) -> bytes:
    encoded = words.encode("utf-16-be")
    return struct.pack(">4s4xII4sII", b"mluc", 1, 12, b"enUS", len(encoded), 28) + encoded


def _profile(words: str, curve: bytes, primaries: _XY, *, grey: bool, cicp: bytes | None = None) -> bytes:
    """Write a profile of matrix and curves (8.3.3), or of one curve (8.3.4).

    Raises:
        ValueError: the chromaticities span no space of colours.

    """
    *colours, white = [_xyz(*point) for point in primaries]
    matrix = np.array(colours).T
    try:
        matrix = matrix * np.linalg.solve(matrix, white)
        response = _BRADFORD @ white
        adapt = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ np.array(_D50) / response) @ _BRADFORD
    except np.linalg.LinAlgError as error:
        msg = "cHRM"
        raise ValueError(msg) from error
    matrix = adapt @ matrix
    if not (np.isfinite(matrix).all() and np.abs(matrix).max() < 100):  # noqa: PLR2004 - colours have about 1
        msg = "cHRM"
        raise ValueError(msg)
    contents = [
        (b"desc", _text(words)),
        (b"cprt", _text("CC0")),
        (b"wtpt", b"XYZ \0\0\0\0" + _fixed(*_D50)),
        (b"chad", b"sf32\0\0\0\0" + _fixed(*adapt.ravel())),
    ]
    if grey:
        contents.append((b"kTRC", curve))
    else:
        for index, name in enumerate(b"rgb"):
            contents.append((bytes([name]) + b"XYZ", b"XYZ \0\0\0\0" + _fixed(*matrix[:, index])))
            contents.append((bytes([name]) + b"TRC", curve))
        if cicp is not None:  # for RGB only (9.2.17)
            contents.append((b"cicp", cicp))
    return _assembled(contents, space=b"GRAY" if grey else b"RGB ")


def _xyz(x: float, y: float) -> npt.NDArray[np.float64]:
    if not 0 < y <= 1:
        return np.array([x, y, 1 - x - y])  # of light without brightness, as blue of code point 10
    return np.array([x / y, 1, (1 - x - y) / y])


def _assembled(contents: list[tuple[bytes, bytes]], *, space: bytes) -> bytes:
    index, body, places = b"", b"", dict[bytes, int]()
    start = _HEADER_LENGTH + 4 + 12 * len(contents)
    for name, content in contents:
        if content not in places:  # curves are shared (7.3.1)
            places[content] = start + len(body)
            body += content + b"\0" * (-len(content) % 4)
        index += struct.pack(">4sII", name, places[content], len(content))
    header = struct.pack(">I4xI4s4s4s", start + len(body), 0x04400000, b"mntr", space, b"XYZ ")
    # The date is that of the edition, so that profiles are the same each time.
    header += struct.pack(">6H4s", 2022, 5, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(*_D50)
    return header.ljust(_HEADER_LENGTH, b"\0") + struct.pack(">I", len(contents)) + index + body
