"""What is in a DDS texture besides its first image, which Pillow reads.

Source: Microsoft, Programming guide for DDS: the structures DDS_HEADER and DDS_HEADER_DXT10.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from paragon_core.errors import UnsupportedFormatError

_MIPMAPS_AT, _FOURCC_AT, _CAPS_AT, _DXGI_AT, _ARRAY_AT = 28, 84, 112, 128, 140
_CUBE, _VOLUME = 0x200, 0x200000
#: DXGI's numbers of compressed formats that hold light above white.
_HDR: Final = frozenset({94, 95, 96})


def dds_notes(stream: BinaryIO) -> list[str]:
    """Return what is not read of a DDS texture, in words for the user.

    Raises:
        UnsupportedFormatError: it holds HDR, which Pillow cuts off.

    """
    stream.seek(0)
    head = stream.read(148).ljust(148, b"\0")
    (mipmaps,), (caps,) = struct.unpack_from("<I", head, _MIPMAPS_AT), struct.unpack_from("<I", head, _CAPS_AT)
    images = 1
    if head[_FOURCC_AT : _FOURCC_AT + 4] == b"DX10":
        (images,) = struct.unpack_from("<I", head, _ARRAY_AT)
        if struct.unpack_from("<I", head, _DXGI_AT)[0] in _HDR:
            msg = "it is an HDR texture (BC6H)"
            raise UnsupportedFormatError(msg, hint="convert it to OpenEXR first")
    notes = []
    if mipmaps > 1:
        notes.append("its mipmaps were left out: make them again")
    if caps & (_CUBE | _VOLUME) or images > 1:
        notes.append("only the first of its images is used")
    return notes
