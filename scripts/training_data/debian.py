"""Packages of Debian: their bytes from the archive that apt uses, and the files in them."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scripts.training_data.works import Package

#: Apt's own way to fetch one file by its address. Packages of all releases are in one place, and ``apt-get download``
#: knows only those of the machine's own.
APT_HELPER = Path("/usr/lib/apt/apt-helper")

_ELSEWHERE = "or fetch the packages on a machine with Debian and name their folder: --packages"


def fetch(package: Package, packages: Path | None = None) -> bytes:
    """Return a package's bytes, from the folder ``packages`` or, without one, from the archive that apt uses.

    Raises:
        MediaError: if there are not exactly these bytes.

    """
    if packages is not None:
        return _read(package, packages)
    with tempfile.TemporaryDirectory() as downloads:
        _download(package, Path(downloads))
        return _read(package, Path(downloads))


def _read(package: Package, folder: Path) -> bytes:
    path = folder / package.file
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"there is no package {path}: {error.strerror}"
        raise MediaError(msg, hint=_ELSEWHERE) from None
    if hashlib.sha256(data).hexdigest() != package.sha256:
        msg = f"{package.file} has other bytes than expected"
        raise MediaError(msg, hint="fetch it again, from Debian")
    return data


def _download(package: Package, folder: Path) -> None:
    apt = shutil.which("apt-get")
    if apt is None or not APT_HELPER.exists():
        msg = "this machine has no apt to fetch packages with"
        raise MediaError(msg, hint=_ELSEWHERE)
    asked = [apt, "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian"]
    sites = _run(asked).stdout.split()
    if not sites:
        msg = "apt knows no archive of Debian"
        raise MediaError(msg, hint=f"run apt-get update first; {_ELSEWHERE}")
    address = f"{sites[0].rstrip('/')}/{package.place}"
    done = _run([str(APT_HELPER), "download-file", address, str(folder / package.file), f"SHA256:{package.sha256}"])
    if done.returncode:
        msg = f"apt cannot fetch {package.file}: {done.stderr.strip()}"
        raise MediaError(msg, hint=f"try later; {_ELSEWHERE}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def unpack(deb: bytes, paths: Sequence[str]) -> dict[str, bytes]:
    """Return the files of a Debian package whose paths end with one of ``paths``, by path.

    A .deb is an ``ar`` archive: 8 bytes of magic, then members with a header of 60 bytes (name 16, size at 48..57),
    padded to even length. The files are in the member ``data.tar.*`` (deb(5)).

    Raises:
        MediaError: if it is no Debian package, or one of the files is missing.

    """
    found: dict[str, bytes] = {}
    for name, content in _members(deb):
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for entry in archive:
                    path = next((path for path in paths if entry.name.endswith("/" + path)), None)
                    file = archive.extractfile(entry) if path and entry.isfile() else None
                    if path and file:
                        found[path] = file.read()
    if missing := [path for path in paths if path not in found]:
        msg = f"the package lacks {', '.join(missing)}"
        raise MediaError(msg, hint="it is not the version that these tiles are made from")
    return found


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    if not archive.startswith(b"!<arch>\n"):
        msg = "this is no Debian package"
        raise MediaError(msg, hint="fetch it again")
    position = 8
    while position < len(archive):
        header = archive[position : position + 60]
        size = int(header[48:58])
        yield header[:16].decode("ascii").strip().rstrip("/"), archive[position + 60 : position + 60 + size]
        position += 60 + size + size % 2
