"""Small packages of Debian for tests of what reads them."""

from __future__ import annotations

import io
import tarfile


def debian_package(files: dict[str, bytes]) -> bytes:
    """Return a .deb with these files, its control part of odd length to need the padding."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"./usr/share/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    result = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", tar.getvalue())):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}".encode() + b"`\n"
        result += header + content + b"\n" * (len(content) % 2)
    return result
