"""Photoshop's image resources, in which JPEG, TIFF and PNG hold IPTC records.

Source: Adobe Photoshop File Formats Specification (November 2019), "Image Resources Section".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE: Final = b"8BIM"
IPTC: Final = 0x0404
CLIPPING_PATHS: Final = range(2000, 2998)


def resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, data) of the resources: signature, number, name, length, data, the name and the data padded."""
    place = 0
    while block[place : place + 4] == SIGNATURE and place + 8 <= len(block):
        number = int.from_bytes(block[place + 4 : place + 6], "big")
        name = 1 + block[place + 6]
        place += 6 + name + name % 2
        length = int.from_bytes(block[place : place + 4], "big")
        yield number, block[place + 4 : place + 4 + length]
        place += 4 + length + length % 2


def iptc_resource(records: bytes) -> bytes:
    """Return the resource that holds IPTC records."""
    return struct.pack(">4sHHI", SIGNATURE, IPTC, 0, len(records)) + records + b"\0" * (len(records) % 2)
