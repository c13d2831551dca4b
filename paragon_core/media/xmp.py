"""XMP packets: kept byte for byte, except for what becomes untrue.

Sources: XMP Specification Part 1 (ISO 16684-1); Ultra HDR Image Format 1.1 (Android), which names the namespaces.
"""

from __future__ import annotations

import re
from typing import Final

_CAMERA: Final = b"http://ns.google.com/photos/1.0/camera/"
#: Namespaces of what describes further images or videos behind the first in the same file.
_APPENDED: Final = (
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.google.com/photos/1.0/container/",
    b"http://ns.google.com/photos/1.0/container/item/",
    _CAMERA,
    b"http://ns.apple.com/HDRGainMap/1.0/",
)
_ORIENTATION: Final = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|\s*>\s*))[2-8]""")


def upright(xmp: bytes) -> bytes:
    """Return a packet for pixels that have been turned as its orientation asked."""
    return _ORIENTATION.sub(rb"\g<1>1", xmp)


def without_appended(xmp: bytes) -> bytes | None:
    """Return a packet that announces no gain map, depth map or video behind the image; None when that fails.

    Properties of the namespaces for these are removed. A packet in which something of them would remain is unfit.
    """
    if not _announces_appended(xmp):
        return xmp
    prefixes = [
        match[1]
        for namespace in _APPENDED
        for match in re.finditer(rb"""xmlns:([\w.-]+)\s*=\s*["']""" + re.escape(namespace) + rb"""["']""", xmp)
    ]
    for prefix in dict.fromkeys(prefixes):
        name = re.escape(prefix) + rb":[\w.-]+"
        # Elements with their content come first, since these hold attributes of the same namespaces.
        xmp = re.sub(rb"<(" + name + rb")(?:\s[^<>]*)?(?<!/)>.*?</\1\s*>\s*", b"", xmp, flags=re.DOTALL)
        xmp = re.sub(rb"<" + name + rb"(?:\s[^<>]*)?/>\s*", b"", xmp)
        xmp = re.sub(rb"\s+" + name + rb"""\s*=\s*(?:"[^"]*"|'[^']*')""", b"", xmp)
    for prefix in dict.fromkeys(prefixes):
        if re.search(rb"[<\s/]" + re.escape(prefix) + rb":", xmp):
            return None
        xmp = re.sub(rb"\s+xmlns:" + re.escape(prefix) + rb"""\s*=\s*(?:"[^"]*"|'[^']*')""", b"", xmp)
    return xmp


def announces_video(xmp: bytes) -> bool:
    """Return whether a packet announces a short video behind the image, as motion photos have."""
    return b"MotionPhoto" in xmp or b"MicroVideo" in xmp


def _announces_appended(xmp: bytes) -> bool:
    return announces_video(xmp) or any(namespace in xmp for namespace in _APPENDED if namespace != _CAMERA)
